"""Stage T3: five losses, each with its terms."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import close
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages import losses
from mrcnn_explained.stages.losses import (
    mrcnn_bbox_loss,
    mrcnn_class_loss,
    mrcnn_mask_loss,
    rpn_bbox_loss,
    rpn_class_loss,
    smooth_l1,
    weight_decay,
)

LOG2 = np.log(2)


def test_smooth_l1_by_hand(mode):
    error = np.float32([0, 0.5, -0.5, 1, -1, 3])
    np.testing.assert_allclose(mode(smooth_l1)(error), [0, 0.125, 0.125, 0.5, 0.5, 2.5])


def test_rpn_class_loss_by_hand(mode):
    match, logits = np.int32([[1, -1, 0]]), np.float32([[[0, 0], [0, 0], [9, -9]]])
    result = mode(rpn_class_loss)(match, logits)
    np.testing.assert_allclose(result.terms, [[LOG2, LOG2, 0]], rtol=1e-6)
    np.testing.assert_allclose(result.loss, LOG2, rtol=1e-6)
    assert mode(rpn_class_loss)(np.int32([[0, 0, 0]]), logits).loss == 0


def test_rpn_bbox_loss_by_hand(mode):
    match = np.int32([[0, 1, -1, 1], [1, 0, 0, 0]])
    target = np.float32([[[1, 0, 0, 0], [0, 3, 0, 0]], [[0, 0, 0, 0], [7, 7, 7, 7]]])
    bbox = np.zeros([2, 4, 4], np.float32)
    bbox[1, 0, 3] = 1
    result = mode(rpn_bbox_loss)(target, match, bbox)
    # 0.5 for anchor 1, 2.5 for anchor 3, 0.5 for the second image's; over 4 * 3 numbers.
    np.testing.assert_allclose(result.loss, 3.5 / 12, rtol=1e-6)
    np.testing.assert_allclose(result.loss_of_zero, 3 / 12, rtol=1e-6)
    np.testing.assert_allclose(result.terms[0, 3], [0, 2.5, 0, 0])
    sampled = mode(rpn_bbox_loss)(target, match, bbox, average_over="sampled")
    np.testing.assert_allclose(sampled.loss, 3.5 / 16, rtol=1e-6)
    assert mode(rpn_bbox_loss)(target, np.int32([[0] * 4] * 2), bbox).loss == 0


def test_class_loss_by_hand(mode):
    target = np.int32([[1, 0, 0]])
    logits = np.float32([[[0, 0, -50], [0, 0, -50], [0, -50, 1]]])
    rows = np.ones([1, 3], bool)
    active = np.float32([[1, 1, 0]])
    result = mode(mrcnn_class_loss)(target, logits, active, rows)
    # The third predicts class 2, which is not active: it does not count.
    np.testing.assert_array_equal(result.counted, [[True, True, False]])
    np.testing.assert_allclose(result.loss, LOG2, rtol=1e-6)
    fewer = mode(mrcnn_class_loss)(target, logits, active, np.array([[True, False, False]]))
    np.testing.assert_allclose(fewer.terms, [[LOG2, 0, 0]], rtol=1e-6)
    nothing = mode(mrcnn_class_loss)(target, logits, np.zeros([1, 3], np.float32), rows)
    assert np.isnan(nothing.loss)
    # A batch of background alone: no ROI takes part, so there is nothing to learn.
    assert mode(mrcnn_class_loss)(target, logits, active, np.zeros([1, 3], bool)).loss == 0


def test_class_loss_without_an_roi_has_no_gradient():
    logits = tf.constant(np.float32([[[0, 1, 2]]]))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = mrcnn_class_loss(
            tf.constant([[1]]), logits, tf.ones([1, 3]), tf.zeros([1, 1], tf.bool)
        ).loss
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros([1, 1, 3]))


def test_class_loss_takes_the_active_classes_of_the_first_image(mode):
    target, logits = np.int32([[0], [0]]), np.float32([[[1, 0]], [[1, 0]]])
    rows = np.ones([2, 1], bool)
    first_knows_nothing = np.float32([[0, 0], [1, 1]])
    assert np.isnan(mode(mrcnn_class_loss)(target, logits, first_knows_nothing, rows).loss)
    second = mode(mrcnn_class_loss)(target, logits, first_knows_nothing[::-1].copy(), rows)
    assert second.counted.all()


def test_bbox_loss_reads_the_deltas_of_the_right_class(mode):
    ids, target = np.int32([[2, 0]]), np.float32([[[1, 0, 0, 0], [9, 9, 9, 9]]])
    bbox = np.zeros([1, 2, 3, 4], np.float32)
    bbox[0, 0, 2] = 1, 0, 0, 2  # right in y, 2 too much in w
    bbox[0, 0, 1] = 50
    rows = np.ones([1, 2], bool)
    result = mode(mrcnn_bbox_loss)(target, ids, bbox, rows)
    np.testing.assert_allclose(result.loss, 1.5 / 4, rtol=1e-6)
    np.testing.assert_allclose(result.loss_of_zero, 0.5 / 4, rtol=1e-6)
    sampled = mode(mrcnn_bbox_loss)(target, ids, bbox, rows, average_over="sampled")
    np.testing.assert_allclose(sampled.loss, 1.5 / 8, rtol=1e-6)


def test_mask_loss_by_hand(mode):
    target = np.float32([[[[1, 0]], [[1, 1]]]])
    mask = np.float32([[[[0.5, 0.5]], [[0.9, 0.9]]]])
    result = mode(mrcnn_mask_loss)(target, mask, np.array([[True, False]]))
    np.testing.assert_allclose(result.loss, LOG2, rtol=1e-5)
    np.testing.assert_allclose(result.terms[0, 1], 0)
    sure = mode(mrcnn_mask_loss)(target, np.round(mask + 0.2), np.array([[True, True]]))
    assert np.isfinite(sure.loss)  # wrong with certainty costs much, not infinitely much
    assert mode(mrcnn_mask_loss)(target, mask, np.array([[False, False]])).loss == 0


def test_weight_decay_by_hand(mode):
    weights = (np.float32([[3, 4]]), np.float32([2]))
    call = lambda *w, **plain: weight_decay(w, 0.1, **plain)  # noqa: E731
    np.testing.assert_allclose(mode(call)(*weights), 0.1 * (25 / 2 + 4), rtol=1e-6)
    np.testing.assert_allclose(mode(call)(*weights, per="weight"), 0.1 * 29, rtol=1e-6)
    assert weight_decay([], 0.1) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weight_decay([tf.ones(1)], 1, per="row"), "per must be 'size' or 'weight'"),
        (lambda: rpn_bbox_loss(tf.zeros([1, 1, 4]), tf.ones([1, 1], tf.int32),
                               tf.zeros([1, 1, 4]), average_over="all"), "average_over must be"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**31))
def test_law_the_loss_is_the_mean_of_its_terms(seed):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: tf.constant(rng.normal(0, 2, shape), tf.float32)  # noqa: E731
    ids = tf.constant(rng.integers(0, 3, [2, 6]), tf.int32)
    match = tf.constant(rng.integers(-1, 2, [2, 6]), tf.int32)
    rows, one = tf.ones([2, 6], tf.bool), tf.ones([2, 3])
    results = (
        (rpn_class_loss(match, draw(2, 6, 2)), 1),
        (rpn_bbox_loss(draw(2, 6, 4), match, draw(2, 6, 4)), 4),
        (mrcnn_class_loss(ids, draw(2, 6, 3), one, rows), 1),
        (mrcnn_bbox_loss(draw(2, 6, 4), ids, draw(2, 6, 3, 4), rows), 4),
        (mrcnn_mask_loss(tf.round(tf.sigmoid(draw(2, 6, 5, 5))), tf.sigmoid(draw(2, 6, 5, 5)),
                         ids > 0), 25),
    )  # fmt: skip
    for result, each in results:
        terms, counted = np.asarray(result.terms, np.float64), np.asarray(result.counted)
        assert (terms >= 0).all() and not terms[~counted].any()
        close(result.loss, terms.sum() / max(each * counted.sum(), 1), relative=1e-4)


def test_replicas_losses_add_up_to_that_of_the_whole_batch():
    match = tf.constant([[1, 1, -1], [1, -1, 0]])
    logits = tf.constant(np.random.default_rng(0).normal(size=[2, 3, 2]), tf.float32)
    whole = rpn_class_loss(match, logits).loss
    shares = [
        rpn_class_loss(match[i : i + 1], logits[i : i + 1], summed_over=lambda n: n * 0 + 5).loss
        for i in range(2)
    ]
    close(sum(shares), whole)


# Goldens: value and gradient ------------------------------------------------------------------


def calls(g):
    """The five losses on the goldens' inputs, as functions of what has a gradient."""
    given = lambda name: tf.constant(g[f"lossin_{name}"])  # noqa: E731
    match, ids = given("rpn_match")[..., 0], given("target_class_ids")
    everyone = tf.ones_like(ids, tf.bool)

    def mask(ids, pred):
        of_class = tf.gather(tf.transpose(pred, [0, 1, 4, 2, 3]), ids, batch_dims=2)
        return mrcnn_mask_loss(given("target_masks"), of_class, ids > 0)

    active, box = given("active_class_ids"), given("target_bbox")
    return {
        "rpn_class_loss": (lambda m, i, x: rpn_class_loss(m, x), "rpn_class_logits"),
        "rpn_bbox_loss": (
            lambda m, i, x: rpn_bbox_loss(given("rpn_target_bbox"), m, x), "rpn_bbox"),
        "mrcnn_class_loss": (
            lambda m, i, x: mrcnn_class_loss(i, x, active, everyone), "pred_class_logits"),
        "mrcnn_bbox_loss": (
            lambda m, i, x: mrcnn_bbox_loss(box, i, x, everyone), "pred_bbox"),
        "mrcnn_mask_loss": (lambda m, i, x: mask(i, x), "pred_masks"),
    }, match, ids  # fmt: skip


@pytest.mark.parametrize("name", losses.Losses._fields[:5])
def test_goldens(mode, training_goldens, name):
    g = training_goldens
    functions, match, ids = calls(g)
    function, argument = functions[name]

    def value_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = function(match, ids, x).loss
        return loss, tape.gradient(loss, x)

    loss, gradient = mode(value_and_gradient)(g[f"lossin_{argument}"])
    close(loss, g[f"loss_{name}"], relative=2e-6)
    close(gradient, g[f"loss_{name}_grad_wrt_{argument}"], relative=1e-4)


@pytest.mark.parametrize("name", losses.Losses._fields[:5])
def test_goldens_without_any_positive(mode, training_goldens, name):
    g = training_goldens
    functions, match, ids = calls(g)
    function, argument = functions[name]
    no_match, no_ids = -tf.ones_like(match), tf.zeros_like(ids)
    loss = mode(lambda x: function(no_match, no_ids, x).loss)(g[f"lossin_{argument}"])
    close(loss, g[f"loss_nopos_{name}"], relative=2e-6)
