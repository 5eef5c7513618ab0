"""Stage T2: which ROIs train the heads, and their targets."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import Mode, close
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.stages.detection_targets import detection_targets

FULL = np.ones([1, 4, 4, 2], np.float32)
GT = np.float32([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]])


def run(mode, rois, ids=((1, 2),), boxes=GT, masks=FULL, draws=None, **plain):
    rois = np.float32(rois).reshape(len(ids), -1, 4)
    extra = boxes.shape[1] if plain.get("add_objects") else 0
    if draws is None:
        draws = np.tile(np.arange(rois.shape[1] + extra, dtype=np.float32), [len(ids), 1])
    return mode(detection_targets)(rois, np.int32(ids), boxes, masks, draws, **plain)


ROIS = [
    [0, 0, 0.5, 0.5],  # object 0 itself
    [0, 0, 0.5, 0.25],  # half of it: IoU 0.5, just positive
    [0, 0, 0.5, 0.24],  # a little less: negative
    [0.5, 0.5, 0.9, 1],  # object 1: IoU 0.8
    [0.6, 0, 0.9, 0.3],  # nothing
    [0.7, 0, 0.9, 0.3],  # nothing
    [0, 0, 0, 0],  # padding
]


def test_by_hand(mode):
    result = run(mode, ROIS, total=6, positive_ratio=0.5)
    np.testing.assert_array_equal(result.is_positive[0], [1, 1, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(result.is_negative[0], [0, 0, 1, 0, 1, 1, 0])
    np.testing.assert_array_equal(result.roi_ix[0], [0, 1, 3, 2, 4, 5])
    np.testing.assert_array_equal(result.target_class_ids[0], [1, 1, 2, 0, 0, 0])
    np.testing.assert_array_equal(result.roi_gt_box_assignment[0], [0, 0, 1, -1, -1, -1])
    # ROI 1 is half as wide: dx = 0.125 / 0.25 / 0.1 = 5, dw = log 2 / 0.2.
    close(result.target_bbox[0, 1], [0, 5, 0, np.log(2) / 0.2])
    np.testing.assert_array_equal(result.target_bbox[0, 3:], np.zeros([3, 4]))


def test_the_number_of_negatives_follows_the_positives_unless_negatives_fill_up(mode):
    # One positive at a ratio of a third: 1 / 0.33 = 3.03 -> 3 in all, so 2 negatives.
    rois = [ROIS[0], ROIS[4], ROIS[5], ROIS[2]]
    result = run(mode, rois, total=8)
    np.testing.assert_array_equal(result.roi_ix[0], [0, 1, 2, -1, -1, -1, -1, -1])
    np.testing.assert_array_equal(result.negative[0], [0, 1, 1, 0, 0, 0, 0, 0])
    full = run(mode, rois, total=8, fill_negatives=True)
    np.testing.assert_array_equal(full.roi_ix[0], [0, 1, 2, 3, -1, -1, -1, -1])


def test_without_positives_there_are_no_negatives_either(mode):
    result = run(mode, ROIS[4:6], total=4)
    assert (result.roi_ix == -1).all() and not result.rois.any()
    filled = run(mode, ROIS[4:6], total=4, fill_negatives=True)
    np.testing.assert_array_equal(filled.roi_ix[0], [0, 1, -1, -1])


def test_objects_themselves_can_be_candidates(mode):
    result = run(mode, ROIS[4:6], ids=[[1, -2]], total=6, add_objects=True, positive_ratio=0.5)
    np.testing.assert_array_equal(result.candidates[0, 2:], [GT[0, 0], [0, 0, 0, 0]])
    assert result.target_class_ids[0, 0] == 1
    np.testing.assert_allclose(result.target_bbox[0, 0], 0, atol=1e-6)


def test_crowds_take_part_on_neither_side(mode):
    result = run(mode, [[0.5, 0.5, 1, 1], [0.4, 0.5, 0.51, 1], ROIS[0]], ids=[[1, -2]], total=6)
    np.testing.assert_array_equal(result.is_positive[0], [0, 0, 1])
    np.testing.assert_array_equal(result.is_negative[0], [0, 0, 0])
    np.testing.assert_allclose(result.overlaps[0, :, 1], -1)


def test_masks_by_hand(mode):
    # The mask fills the left half of the object; the ROI is the object's right three quarters.
    masks = np.zeros([1, 8, 8, 2], np.float32)
    masks[0, :, :4, 0] = 1
    roi = [[0, 0.125, 0.5, 0.5]]
    result = run(mode, roi, masks=masks, mask_shape=(4, 4), total=4)
    close(result.mask_boxes[0, 0], [0, 0.25, 1, 1])
    # Columns of the ROI sample cells 7 * (0.25, 0.5, 0.75, 1) = 1.75, 3.5, 5.25, 7 of the mask;
    # 3.5 lies between 1 and 0 and rounds to even, 0.
    np.testing.assert_array_equal(result.target_mask[0, 0], [[1, 0, 0, 0]] * 4)
    whole = run(mode, roi, masks=masks, mask_shape=(4, 4), total=4, mini_masks=False)
    # Read as a mask of the image, the same ROI samples columns 7 * (0.125 … 0.5) = 0.9 … 3.5.
    np.testing.assert_array_equal(whole.target_mask[0, 0], [[1, 1, 1, 0]] * 4)


def test_an_object_with_a_box_only_trains_class_and_box_but_no_mask(mode):
    setting = {"total": 6, "positive_ratio": 0.5}
    result = run(mode, ROIS, gt_has_mask=np.array([[True, False]]), **setting)
    np.testing.assert_array_equal(result.roi_gt_box_assignment[0], [0, 0, 1, -1, -1, -1])
    np.testing.assert_array_equal(result.target_class_ids[0], [1, 1, 2, 0, 0, 0])
    np.testing.assert_array_equal(result.has_mask[0], [1, 1, 0, 0, 0, 0])
    assert result.target_mask[0, 0].all() and not result.target_mask[0, 2:].any()
    everything = run(mode, ROIS, **setting)
    np.testing.assert_array_equal(everything.has_mask[0], [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(result.target_bbox, everything.target_bbox)
    assert everything.target_mask[0, 2].all()


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 2**31))
def test_law_a_missing_mask_changes_nothing_but_masks(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 0.6, [2, 30, 2])
    rois = np.concatenate([low, low + rng.uniform(0.05, 0.4, [2, 30, 2])], 2).astype(np.float32)
    ids, boxes = rng.integers(-1, 4, [2, 4]), rois[:, 3:7]
    masks = rng.integers(0, 2, [2, 5, 5, 4]).astype(np.float32)
    has_mask = rng.random([2, 4]) < 0.5
    inputs = (rois, ids, boxes, masks, rng.random([2, 30]).astype(np.float32))
    some, everything = (
        run(Mode("eager"), *inputs, total=12, gt_has_mask=has)
        for has in (has_mask, np.ones([2, 4], bool))
    )
    of_object = np.take_along_axis(has_mask, np.maximum(some.roi_gt_box_assignment, 0), axis=1)
    np.testing.assert_array_equal(some.has_mask, some.positive & of_object)
    np.testing.assert_array_equal(everything.has_mask, everything.positive)
    for name in set(some._fields) - {"has_mask", "mask_boxes", "target_mask"}:
        np.testing.assert_array_equal(getattr(some, name), getattr(everything, name), name)
    for name in ("mask_boxes", "target_mask"):
        ours, all_of_them = getattr(some, name), getattr(everything, name)
        np.testing.assert_array_equal(ours[some.has_mask], all_of_them[some.has_mask])
        assert not ours[~some.has_mask].any()


def test_no_object_no_roi_and_nothing_at_all(mode):
    none = np.zeros([1, 0, 4], np.float32)
    empty = run(mode, ROIS, ids=np.zeros([1, 0]), boxes=none, masks=FULL[..., :0], total=4)
    assert (empty.roi_ix == -1).all() and not empty.target_mask.any()
    no_roi = run(mode, none, total=4)
    assert (no_roi.roi_ix == -1).all() and np.isfinite(no_roi.target_bbox).all()


def test_padding_takes_no_part_even_if_it_overlaps(mode):
    result = run(mode, ROIS, ids=[[1, 0]], total=6, positive_ratio=0.5)
    np.testing.assert_allclose(result.overlaps[0, :, 1], -1)
    np.testing.assert_allclose(result.overlaps[0, 6], -1)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.integers(0, 2**31), st.booleans())
def test_laws(seed, fill):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 0.6, [2, 30, 2])
    rois = np.concatenate([low, low + rng.uniform(0.05, 0.4, [2, 30, 2])], 2).astype(np.float32)
    rois[:, 25:] = 0
    ids, boxes = rng.integers(-1, 4, [2, 3]), rois[:, 3:6]
    masks = rng.integers(0, 2, [2, 5, 5, 3]).astype(np.float32)
    draws = rng.random([2, 30]).astype(np.float32)
    setting = {"total": 12, "fill_negatives": fill}
    result = run(Mode("graph"), rois, ids, boxes, masks, draws, **setting)
    r = type(result)(*(np.asarray(x) for x in result))
    assert (r.positive.sum(1) <= int(12 * 0.33)).all()
    assert not (r.positive & r.negative).any()
    np.testing.assert_array_equal(r.target_class_ids > 0, r.positive)
    for i in range(2):
        chosen = r.roi_ix[i][r.roi_ix[i] >= 0]
        assert len(set(chosen)) == len(chosen)
        assert (r.roi_iou_max[i][r.roi_ix[i][r.positive[i]]] >= 0.5).all()
        assert (r.roi_iou_max[i][r.roi_ix[i][r.negative[i]]] < 0.5).all()
        one = run(Mode("eager"), rois[i : i + 1], ids[i : i + 1], boxes[i : i + 1],
                  masks[i : i + 1], draws[i : i + 1], **setting)  # fmt: skip
        for ours, theirs in zip(r, one, strict=True):
            np.testing.assert_allclose(ours[i], theirs[0], rtol=1e-5, atol=1e-6)
    assert set(np.unique(r.target_mask)) <= {0, 1}


def test_the_gradient_into_the_rois_can_be_stopped():
    rois = tf.constant([ROIS[:2]])
    call = lambda x, stop: detection_targets(  # noqa: E731
        x, tf.constant([[1, 2]]), tf.constant(GT), tf.constant(FULL), tf.constant([[0.0, 1]]),
        total=6, stop_gradient=stop,
    )  # fmt: skip
    for stop in (False, True):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(rois)
            result = call(rois, stop)
            bbox, mask = tf.reduce_sum(result.target_bbox), tf.reduce_sum(result.target_mask)
        assert (tape.gradient(bbox, rois) is None) == stop
        assert tape.gradient(mask, rois) is None


@pytest.mark.parametrize("crowd", ["", "crowd_"])
@pytest.mark.parametrize("kind", ["mini", "full"])
def test_goldens(mode, training_goldens, crowd, kind):
    g = training_goldens
    ids = g[f"rpn_{crowd}gt_class_ids"]
    shape = g["gt_masks_full_shape"]
    masks = g["gt_mini_masks"] if kind == "mini" else np.unpackbits(g["gt_masks_full_packed"])[
        : shape.prod()
    ].reshape(shape)  # fmt: skip
    boxes = norm_boxes(tf.constant(g["gt_boxes"], tf.float32), tf.constant([256.0, 256]))
    result = run(
        mode, [g["dt_proposals"]], [ids], boxes.numpy()[np.newaxis], masks[np.newaxis],
        total=32, mini_masks=kind == "mini",
    )  # fmt: skip
    real = g["dt_proposals"].any(1)
    np.testing.assert_array_equal(
        np.flatnonzero(result.is_positive[0][real]), g[f"dt_{crowd}positive_candidates"]
    )
    np.testing.assert_array_equal(
        np.flatnonzero(result.is_negative[0][real]), g[f"dt_{crowd}negative_candidates"]
    )
    close(result.overlaps[0][real][:, ids > 0], g[f"dt_{crowd}overlaps"])
    theirs = {n: g[f"dt_{crowd}{kind}_{n}_identity_shuffle"] for n in
              ("rois", "class_ids", "deltas", "masks")}  # fmt: skip
    np.testing.assert_array_equal(result.rois[0], theirs["rois"])
    np.testing.assert_array_equal(result.target_class_ids[0], theirs["class_ids"])
    close(result.target_bbox[0], theirs["deltas"])
    np.testing.assert_array_equal(result.target_mask[0], theirs["masks"])
