"""Stage T1: which anchors are trained on, and their targets."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import Mode, close
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.rpn_targets import RpnTargets, rpn_targets

ANCHORS = np.float32([[0, 0, 10, 10], [0, 0, 10, 5], [0, 20, 10, 30], [50, 50, 60, 60]])
IN_ORDER = np.arange(4, dtype=np.float32)[np.newaxis]


def run(mode, anchors, ids, boxes, draws=None, **plain) -> RpnTargets:
    boxes = np.float32(boxes).reshape(len(ids), -1, 4)
    if draws is None:
        draws = np.tile(np.arange(len(anchors), dtype=np.float32), [len(ids), 1])
    return mode(rpn_targets)(np.float32(anchors), np.int32(ids), boxes, draws, **plain)


def test_by_hand(mode):
    # The object is anchor 0 itself: IoU 1; half of it is anchor 1: 0.5, left alone.
    result = run(mode, ANCHORS, [[3]], [[0, 0, 10, 10]])
    np.testing.assert_allclose(result.anchor_iou_max, [[1, 0.5, 0, 0]])
    np.testing.assert_array_equal(result.rpn_match, [[1, 0, -1, -1]])
    np.testing.assert_array_equal(result.matched_gt, [[0, -1, -1, -1]])
    np.testing.assert_allclose(result.rpn_bbox[0, 0], 0)


def test_deltas_by_hand(mode):
    # Twice as high, 2 down: dy = (12 - 5) / 10 / 0.1 = 7, dh = log 2 / 0.2.
    result = run(mode, ANCHORS[:1], [[1]], [[2, 0, 22, 10]], total=4)
    np.testing.assert_allclose(result.rpn_bbox[0, 0], [7, 0, np.log(2) / 0.2, 0], rtol=1e-6)
    np.testing.assert_array_equal(result.rpn_bbox[0, 1:], np.zeros([3, 4]))


def test_the_best_anchor_is_forced_and_may_be_trained_on_another_object(mode):
    # Anchor 0 is the best that object 1 has (IoU 0.25), but overlaps object 0 fully.
    boxes = [[0, 0, 10, 10], [0, 0, 5, 5]]
    anchors = ANCHORS[[0, 2, 3]]
    best = run(mode, anchors, [[1, 2]], boxes)
    assert best.forced[0, 0] and best.matched_gt[0, 0] == 0
    np.testing.assert_allclose(best.gt_iou_max, [[1, 0.25]])
    only = run(mode, anchors, [[1, 2]], [[0, 0, 10, 9], [0, 0, 5, 5]], forced_box="forcing")
    assert only.matched_gt[0, 0] == 0  # of two objects that force it, the first
    other = run(mode, ANCHORS[:2], [[1, 2]], [[0, 0, 10, 10], [0, 0, 10, 12]], forced_box="forcing")
    assert other.matched_gt[0, 0] == 0


def test_anchors_on_crowds_are_neither_positive_nor_negative(mode):
    result = run(mode, ANCHORS, [[1, -1]], [[0, 0, 10, 10], [0, 20, 10, 30]])
    np.testing.assert_array_equal(result.rpn_match, [[1, 0, 0, -1]])
    np.testing.assert_allclose(result.crowd_iou_max, [[0, 0, 1, 0]])
    np.testing.assert_allclose(result.gt_iou_max, [[1, -1]])


def test_without_an_object_all_anchors_are_negative(mode):
    for ids, boxes in (([[0]], [[0, 0, 0, 0]]), (np.zeros([1, 0]), np.zeros([1, 0, 4]))):
        result = mode(rpn_targets)(ANCHORS, np.int32(ids), np.float32(boxes).reshape(1, -1, 4),
                                   IN_ORDER)  # fmt: skip
        np.testing.assert_array_equal(result.rpn_match, [[-1] * 4])
        assert not result.forced.any() and (result.positive_anchors == -1).all()


def test_the_thresholds_are_inclusive_above_and_exclusive_below(mode):
    anchors = [[0, 0, 10, 10], [0, 0, 7, 10], [0, 0, 3, 10], [0, 0, 2, 10]]
    result = run(mode, anchors, [[1]], [[0, 0, 10, 10]])
    np.testing.assert_array_equal(result.rpn_match, [[1, 1, 0, -1]])


def test_sampling_takes_the_lowest_numbers_half_of_them_positive_at_most(mode):
    anchors = np.tile(ANCHORS[:1], [6, 1]).tolist() + np.tile(ANCHORS[3:], [6, 1]).tolist()
    draws = np.float32([[5, 4, 3, 2, 1, 0, 5, 4, 3, 2, 1, 0]])
    result = run(mode, anchors, [[1]], [[0, 0, 10, 10]], draws, total=6)
    np.testing.assert_array_equal(result.rpn_match, [[0, 0, 0, 1, 1, 1, 0, 0, 0, -1, -1, -1]])
    np.testing.assert_array_equal(result.positive_anchors, [[3, 4, 5, -1, -1, -1]])
    assert (result.match_before_sampling != 0).all()
    few = run(mode, anchors, [[1]], [[0, 0, 10, 10]], draws, total=6, positive_share=1 / 6)
    assert (few.rpn_match == 1).sum() == 1 and (few.rpn_match == -1).sum() == 5


def test_a_wrong_option_is_refused():
    with pytest.raises(ValueError, match="forced_box must be 'best' or 'forcing', not 'nearest'"):
        run(Mode("eager"), ANCHORS, [[1]], [[0, 0, 1, 1]], forced_box="nearest")


# Witness and laws -----------------------------------------------------------------------------


def witness(anchors, ids, boxes):
    """Matches before sampling, in plain Python."""

    def overlap(a, b):
        height = max(0, min(a[2], b[2]) - max(a[0], b[0]))
        width = max(0, min(a[3], b[3]) - max(a[1], b[1]))
        area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
        return height * width / (area(a) + area(b) - height * width)

    objects = [b for i, b in zip(ids, boxes, strict=True) if i > 0]
    crowds = [b for i, b in zip(ids, boxes, strict=True) if i < 0]
    best_of = [max(overlap(a, o) for a in anchors) for o in objects]
    matches = []
    for a in anchors:
        best = max((overlap(a, o) for o in objects), default=-1)
        forced = any(overlap(a, o) == b for o, b in zip(objects, best_of, strict=True))
        clear = max((overlap(a, o) for o in crowds), default=-1) < 0.001
        matches.append(1 if forced or best >= 0.7 else -1 if best < 0.3 and clear else 0)
    return matches


corner = st.integers(0, 12)
side = st.integers(1, 8)
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(box, min_size=1, max_size=12),
       st.lists(st.tuples(st.sampled_from([-1, 1, 2]), box), min_size=1, max_size=4))  # fmt: skip
def test_law_the_witness_agrees(anchors, objects):
    ids, boxes = [i for i, _ in objects], [b for _, b in objects]
    result = run(Mode("eager"), anchors, [ids], boxes)
    found = np.asarray(result.match_before_sampling[0])
    np.testing.assert_array_equal(found, witness(anchors, ids, boxes))
    drawn = np.asarray(result.rpn_match[0])
    assert ((drawn == found) | (drawn == 0)).all()


def test_a_batch_equals_one_by_one(mode):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, [40, 2])
    anchors = np.concatenate([low, low + rng.uniform(5, 30, [40, 2])], 1).astype(np.float32)
    ids, boxes = np.int32([[1, 2, 0], [3, -1, 2]]), anchors[[[0, 5, 7], [9, 11, 13]]]
    draws = rng.random([2, 40]).astype(np.float32)
    both = run(mode, anchors, ids, boxes, draws, total=16)
    for i in range(2):
        one = run(mode, anchors, ids[i : i + 1], boxes[i : i + 1], draws[i : i + 1], total=16)
        for ours, theirs in zip(both, one, strict=True):
            np.testing.assert_array_equal(ours[i], theirs[0])


# Goldens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rpn", "rpn_crowd"])
def test_goldens(mode, training_goldens, kind):
    g = training_goldens
    ids = g[f"{kind}_gt_class_ids"]
    result = run(mode, g["anchors_px"], [ids], g["gt_boxes"])
    np.testing.assert_array_equal(result.match_before_sampling[0], g[f"{kind}_match_presample"])
    np.testing.assert_allclose(result.anchor_iou_max[0], g[f"{kind}_iou_max"], atol=1e-6)
    objects = np.flatnonzero(ids > 0)  # Matterport's code takes the crowds out first
    overlaps = g[f"{kind}_iou_max"] > 0
    np.testing.assert_array_equal(
        result.anchor_iou_argmax[0][overlaps], objects[g[f"{kind}_iou_argmax"]][overlaps]
    )
    bbox = g[f"{kind}_bbox_nosample"]
    close(result.rpn_bbox[0, : len(bbox)], bbox, relative=1e-4)


@pytest.mark.parametrize("kind", ["rpn", "rpn_crowd"])
def test_goldens_with_the_random_choice_of_numpy(mode, training_goldens, kind):
    g = training_goldens
    before = g[f"{kind}_match_presample"]
    # Matterport's code draws those that go; numbers that send the same ones away:
    dice, draws = np.random.RandomState(1234), np.zeros([1, len(before)], np.float32)
    positive, negative = np.flatnonzero(before == 1), np.flatnonzero(before == -1)
    if len(positive) > 128:
        draws[0, dice.choice(positive, len(positive) - 128, replace=False)] = 1
    extra = len(negative) - (256 - min(len(positive), 128))
    draws[0, dice.choice(negative, extra, replace=False)] = 1
    result = run(mode, g["anchors_px"], [g[f"{kind}_gt_class_ids"]], g["gt_boxes"], draws)
    np.testing.assert_array_equal(result.rpn_match[0], g[f"{kind}_match_seed1234"])
    close(result.rpn_bbox[0], g[f"{kind}_bbox_seed1234"], relative=1e-4)


def test_no_gradient_is_lost_on_the_way_to_the_boxes():
    boxes = tf.constant([[[1.0, 0, 11, 10]]])
    with tf.GradientTape() as tape:
        tape.watch(boxes)
        total = tf.reduce_sum(
            rpn_targets(tf.constant(ANCHORS[:1]), tf.constant([[1]]), boxes, tf.zeros([1, 1]))
            .rpn_bbox
        )  # fmt: skip
    assert np.abs(tape.gradient(total, boxes)).sum() > 0
