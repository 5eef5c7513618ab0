"""The training path: the model returns what the stages return, and every switch does its work."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from conftest import close, make_tiny_model
from stages.test_stage_contract import leaves

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import LOSSES
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.network import PARTS
from mrcnn_explained.detector.runner import Runner
from mrcnn_explained.detector.schema import StageError, mismatches
from mrcnn_explained.detector.training_step import (
    TrainingTrace,
    decays,
    image_seeds,
    training_step,
)
from mrcnn_explained.errors import TrainingError
from mrcnn_explained.stages import catalog
from mrcnn_explained.stages.detection_targets import detection_targets
from mrcnn_explained.stages.levels import assign_levels
from mrcnn_explained.stages.losses import (
    mrcnn_bbox_loss,
    mrcnn_class_loss,
    mrcnn_mask_loss,
    rpn_bbox_loss,
    rpn_class_loss,
    weight_decay,
)
from mrcnn_explained.stages.rpn_targets import rpn_targets
from mrcnn_explained.stages.sampling import random_draws

pytestmark = pytest.mark.slow

TRAINING = {
    "num_classes": 10, "train_rois_per_image": 12, "rpn_train_anchors_per_image": 32,
    "post_nms_rois_training": 40, "pre_nms_limit": 400, "roi_positive_ratio": 0.5,
    "add_objects": True,
}  # fmt: skip
STAGES = [s for s in TrainingTrace._fields if s not in ("batch", "gradient_norms")]


@pytest.fixture(scope="module")
def model():
    return make_tiny_model(**TRAINING)


@pytest.fixture(scope="module")
def batch(model):
    data = ShapesDataset(4, seed=2, size=128)
    return next(iter(batches(data, model.config, batch_size=2)))


@pytest.fixture(scope="module")
def trace(model, batch):
    return model.training_trace(batch, seed=5, with_gradients=True)


def test_it_is_repeatable_and_the_seed_counts(model, batch, trace):
    again, other = (model.training_trace(batch, seed=s) for s in (5, 6))
    np.testing.assert_array_equal(again.rpn_targets.rpn_match, trace.rpn_targets.rpn_match)
    np.testing.assert_array_equal(again.detection_targets.rois, trace.detection_targets.rois)
    assert (np.asarray(other.rpn_targets.rpn_match) != trace.rpn_targets.rpn_match.numpy()).any()
    assert np.isnan(again.gradient_norms).all() and (np.asarray(trace.gradient_norms) > 0).all()


def test_the_model_returns_what_the_stages_return(model, batch, trace):
    c, t = model.config, trace
    anchors = len(t.anchors.boxes)
    draws = random_draws(image_seeds(5, 0, 2), anchors + 40 + batch.gt_class_ids.shape[1])
    anchor_targets = rpn_targets(
        t.anchors.boxes_px, batch.gt_class_ids, batch.gt_boxes, draws[:, :anchors], total=32
    )
    gt_boxes = norm_boxes(batch.gt_boxes, tf.constant([128.0, 128]))
    targets = detection_targets(
        t.proposals.rpn_rois, batch.gt_class_ids, gt_boxes, batch.gt_masks, draws[:, anchors:],
        total=12, positive_ratio=0.5, add_objects=True,
    )  # fmt: skip
    ids = targets.target_class_ids
    everyone = tf.ones_like(ids, tf.bool)
    ours = {
        "rpn_targets": anchor_targets,
        "detection_targets": targets,
        "losses": (
            rpn_class_loss(anchor_targets.rpn_match, t.rpn.rpn_class_logits),
            rpn_bbox_loss(anchor_targets.rpn_bbox, anchor_targets.rpn_match, t.rpn.rpn_bbox),
            mrcnn_class_loss(
                ids, t.box_head.mrcnn_class_logits, batch.image_meta[:, 12:], everyone),
            mrcnn_bbox_loss(targets.target_bbox, ids, t.box_head.mrcnn_bbox, everyone),
            mrcnn_mask_loss(targets.target_mask, t.mask_head.class_mask, targets.positive),
            weight_decay([v for n, v in model.weights.items() if decays(n)], c.weight_decay),
            t.losses.total,
        ),
    }  # fmt: skip
    for name, result in ours.items():
        for (path, found), (_, expected) in zip(
            leaves(result), leaves(getattr(trace, name)), strict=True
        ):
            np.testing.assert_allclose(
                found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{name}{path}"
            )
    parts = [float(getattr(t.losses, name).loss) for name in LOSSES]
    close(t.losses.total, sum(parts) + float(t.losses.weight_decay))


@pytest.mark.parametrize("stage", [s for s in STAGES if s != "losses"])
def test_every_tensor_has_the_shape_that_is_written_beside_it(trace, stage):
    assert mismatches(stage, getattr(trace, stage), {"B": 2, "H": 128, "W": 128}) == []


def test_the_terms_of_the_losses_have_their_shapes(trace):
    for name in LOSSES:  # each has terms of its own kind
        assert mismatches(name, getattr(trace.losses, name), {"B": 2}) == []


def test_the_catalog_lists_the_training_stages():
    for stage in catalog.TRAINING_STAGES:
        assert set(stage.trace_fields) <= set(TrainingTrace._fields)
        assert all(field.meaning for field in catalog.fields(stage.result))
        assert inspect.getdoc(stage.call)


def gradient(model, batch, what, of):
    """Gradient of one loss in the weights of a layer."""
    with tf.GradientTape() as tape:
        trace = training_step(
            model, Runner(), batch, model.anchors((128, 128)), image_seeds(5, 0, 2)
        )
        loss = getattr(trace.losses, what).loss
    return tape.gradient(loss, model.weights[of].value)


def test_the_leaking_gradient_and_its_stop(model, batch):
    leak = gradient(model, batch, "mrcnn_bbox_loss", "rpn_bbox_pred/kernel")
    assert np.abs(leak).max() > 0
    tight = model.with_config(stop_target_gradient=True)
    assert gradient(tight, batch, "mrcnn_bbox_loss", "rpn_bbox_pred/kernel") is None
    assert gradient(model, batch, "mrcnn_mask_loss", "rpn_bbox_pred/kernel") is None
    assert gradient(model, batch, "mrcnn_class_loss", "rpn_class_raw/kernel") is None


def test_each_loss_pulls_its_own_head(model, batch):
    for what, head, other in (
        ("rpn_class_loss", "rpn_class_raw/kernel", "mrcnn_mask/kernel"),
        ("mrcnn_mask_loss", "mrcnn_mask/kernel", "mrcnn_class_logits/kernel"),
        ("mrcnn_class_loss", "mrcnn_class_logits/kernel", "mrcnn_mask/kernel"),
    ):
        assert np.abs(gradient(model, batch, what, head)).max() > 0
        assert gradient(model, batch, what, other) is None


def test_the_switches(model, batch):
    def run(**changes):
        return model.with_config(**{"train_rois_per_image": 30, **changes}).training_trace(
            batch, seed=5
        )

    with_padding, without = run(), run(padding_in_class_loss=False)
    padding = ~(np.asarray(without.detection_targets.positive | without.detection_targets.negative))
    assert padding.any()
    assert np.asarray(with_padding.losses.mrcnn_class_loss.counted).all()
    assert not np.asarray(without.losses.mrcnn_class_loss.counted)[padding].any()
    chosen = [
        (np.asarray(run(roi_positive_ratio=0.9, fill_negatives=f).detection_targets.roi_ix) >= 0)
        for f in (False, True)
    ]  # at 0.9, one negative comes with nine positives
    assert chosen[1].sum() > chosen[0].sum()
    few = run(train_masks_per_image=1)
    assert (np.asarray(few.losses.mrcnn_mask_loss.counted).sum(1) <= 1).all()
    weights = run(loss_weights=(0, 0, 0, 0, 2.0), weight_decay=0.0).losses
    close(weights.total, 2 * weights.mrcnn_mask_loss.loss)


def test_rois_can_be_given(model, batch):
    rois = np.zeros([2, 5, 4], np.float32)
    rois[:, :3] = [[0.1, 0.1, 0.4, 0.5], [0.2, 0.5, 0.9, 0.9], [0, 0, 1, 1]]
    given = model.with_config(use_rpn_rois=False, add_objects=False)
    trace = given.training_trace(batch._replace(rois=tf.constant(rois)))
    np.testing.assert_array_equal(trace.detection_targets.candidates, rois)
    np.testing.assert_array_equal(trace.proposals.valid, [[1, 1, 1, 0, 0]] * 2)


def test_a_batch_of_crowds_alone_is_no_catastrophe(model, batch):
    crowds = batch._replace(gt_class_ids=-batch.gt_class_ids)
    losses = model.training_trace(crowds).losses
    assert np.isfinite(losses.total) and losses.mrcnn_mask_loss.loss == 0


def test_the_norms_are_those_of_all_parts(trace):
    assert len(PARTS) == len(trace.gradient_norms) == 5


# Both maps run through a runner ------------------------------------------------------------------


def test_a_function_takes_the_place_of_a_stage_in_training_too(model, batch, trace):
    def all_on_p3(rois, image_shape, **settings):
        found = assign_levels(rois, image_shape, **settings)
        return found._replace(roi_level=tf.fill(tf.shape(found.roi_level), 3))

    other = model.with_stage(levels=all_on_p3).training_trace(batch, seed=5)
    assert set(other.levels.roi_level.numpy().ravel()) == {3}
    assert set(other.mask_levels.roi_level.numpy().ravel()) == {3}
    np.testing.assert_allclose(  # it runs eagerly, the other as a graph
        other.detection_targets.rois, trace.detection_targets.rois, atol=1e-6
    )


def test_a_training_stage_can_be_replaced_and_is_checked(model, batch):
    def few(*inputs, **settings):
        found = rpn_targets(*inputs, **settings)
        return found._replace(rpn_match=found.rpn_match[:, :5])

    with pytest.raises(StageError, match=r"rpn_targets.rpn_match came with shape \[2, 5\]"):
        model.with_stage(rpn_targets=few).training_trace(batch)


def test_known_results_and_settings_work_in_training(model, batch, trace):
    anchors, seeds = model.anchors((128, 128)), image_seeds(5, 0, 2)
    run = Runner(known={"rpn": trace.rpn}, settings={"levels": {"lowest": 4}})
    again = training_step(model, run, batch, anchors, seeds)
    assert again.rpn is trace.rpn
    assert again.levels.roi_level.numpy().min() == 4
    np.testing.assert_array_equal(again.mask_levels.roi_level, trace.mask_levels.roi_level)


def test_given_rois_that_no_batch_holds_are_refused(model, batch):
    given = model.with_config(use_rpn_rois=False, add_objects=False)
    with pytest.raises(TrainingError, match="the ROIs to train on must be in the batches"):
        given.training_trace(batch)
    boxes = tf.constant([[[0.1, 0.1, 0.5, 0.5]]] * 2)
    trace = given.training_trace(batch._replace(rois=boxes))
    np.testing.assert_array_equal(trace.proposals.rpn_rois, boxes)
