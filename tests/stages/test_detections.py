"""Detections: four filters, each of which records the ROIs that it removes."""

import numpy as np
import witness
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.detections import select_detections

WHOLE = np.array([[0, 0, 1, 1]], np.float32)


def head(classes, scores, num_classes=4):
    """mrcnn_class [1, N, C]: the class of each ROI with its score, the rest spread evenly."""
    rows = [[(1 - s) / (num_classes - 1)] * num_classes for s in scores]
    for row, c, s in zip(rows, classes, scores, strict=True):
        row[c] = s
    return np.array([rows], np.float32)


def apart(count):
    """ROIs that do not touch."""
    x = np.arange(count) / count
    return np.stack([0 * x, x, 0 * x + 0.9, x + 0.5 / count], axis=1).astype(np.float32)[None]


def still(count, num_classes=4):
    return np.zeros([1, count, num_classes, 4], np.float32)


def test_each_filter_removes_one(mode):
    # ROI 0 is background, 1 is unsure, 2 is kept, 3 has the same place and class as 2 and
    # less score, 4 the same place but another class: kept.
    rois = apart(5)
    rois[0, 3:] = rois[0, 2]
    found = mode(select_detections)(
        rois, head([0, 1, 2, 2, 3], [0.9, 0.6, 0.9, 0.8, 0.85]), still(5), WHOLE, max_instances=3
    )
    assert found.class_ids.tolist() == [[0, 1, 2, 2, 3]]
    assert found.is_foreground.tolist() == [[False, True, True, True, True]]
    assert found.is_confident.tolist() == [[True, False, True, True, True]]
    assert found.nms.reached.tolist() == [[False, False, True, True, True]]
    assert found.nms.suppressed_by.tolist() == [[-1, -1, -1, 2, -1]]
    np.testing.assert_allclose(found.nms.suppressed_iou, [[0, 0, 0, 1, 0]])
    assert found.survives_nms.tolist() == found.kept.tolist() == [[False, False, True, False, True]]
    assert found.detection_roi.tolist() == [[2, 4, -1]]
    assert found.valid.tolist() == [[True, True, False]]
    np.testing.assert_allclose(found.detections[0, 0], [*rois[0, 2], 2, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found.detections[0, 1], [*rois[0, 4], 3, 0.85], rtol=1e-6)
    assert (found.detections[0, 2] == 0).all()


def test_exactly_the_confidence_is_enough(mode):
    found = mode(select_detections)(
        apart(2), head([1, 1], [0.75, 0.7499]), still(2), WHOLE, min_confidence=0.75
    )
    assert found.is_confident.tolist() == [[True, False]]


def test_confidence_zero_lets_all_pass(mode):
    found = mode(select_detections)(
        apart(2), head([1, 2], [0.3, 0.28]), still(2), WHOLE, min_confidence=0
    )
    assert found.kept.all()


def test_only_the_best_are_kept_and_of_equal_ones_the_lower_row(mode):
    scores = [0.8, 0.95, 0.8, 0.9]
    found = mode(select_detections)(
        apart(4), head([1, 2, 3, 1], scores), still(4), WHOLE, max_instances=3
    )
    assert found.detection_roi.tolist() == [[1, 3, 0]]
    assert found.survives_nms.all() and found.kept.tolist() == [[True, True, False, True]]
    assert found.nms.rank.tolist() == [[2, 0, 3, 1]]


def test_a_class_keeps_no_more_than_may_be_reported(mode):
    # Two places, three objects of class 1: the third is never reached; class 2 starts at zero.
    found = mode(select_detections)(
        apart(4), head([1, 1, 1, 2], [0.95, 0.9, 0.85, 0.8]), still(4), WHOLE, max_instances=2
    )
    assert found.survives_nms.tolist() == [[True, True, False, True]]
    assert found.nms.reached.tolist() == [[True, True, False, True]]
    assert found.detection_roi.tolist() == [[0, 1]]


def test_the_box_moves_by_the_deltas_of_its_own_class(mode):
    # A ROI 0.4 high: dy = 1 in units of 0.1 moves it by 0.04. Class 1 would move it up by 2.
    rois = np.array([[[0.2, 0.2, 0.6, 0.4]]], np.float32)
    deltas = still(1)
    deltas[0, 0, 2, 0], deltas[0, 0, 1, 0] = 1, -2
    found = mode(select_detections)(rois, head([2], [0.9]), deltas, WHOLE)
    assert found.deltas_specific.tolist() == [[[1, 0, 0, 0]]]
    np.testing.assert_allclose(found.refined_rois, [[[0.24, 0.2, 0.64, 0.4]]], rtol=1e-5)
    other = mode(select_detections)(rois, head([2], [0.9]), deltas, WHOLE, std_dev=(0.5, 1, 1, 1))
    np.testing.assert_allclose(other.refined_rois, [[[0.4, 0.2, 0.8, 0.4]]], rtol=1e-5)


def test_boxes_are_clipped_to_the_window_and_nms_sees_them_clipped(mode):
    # Two ROIs that differ only in the padding above the window: equal once clipped.
    rois = np.array([[[0, 0, 0.5, 0.5], [0.2, 0, 0.5, 0.5]]], np.float32)
    window = np.array([[0.25, 0, 0.75, 1]], np.float32)
    found = mode(select_detections)(rois, head([1, 1], [0.9, 0.8]), still(2), window)
    np.testing.assert_allclose(found.refined_rois_clipped, [[[0.25, 0, 0.5, 0.5]] * 2])
    assert found.nms.suppressed_by.tolist() == [[-1, 0]]


def test_each_image_has_its_own_window(mode):
    rois = np.tile(np.array([[[0, 0, 1, 1]]], np.float32), [2, 1, 1])
    windows = np.array([[0.25, 0, 0.75, 1], [0, 0.125, 1, 0.5]], np.float32)
    scores = np.tile(head([1], [0.9]), [2, 1, 1])
    found = mode(select_detections)(rois, scores, np.tile(still(1), [2, 1, 1, 1]), windows)
    np.testing.assert_array_equal(found.detections[:, 0, :4], windows)


def test_no_detection_at_all(mode):
    found = mode(select_detections)(
        apart(3), head([0] * 3, [0.9] * 3), still(3), WHOLE, max_instances=5
    )
    assert not found.valid.any() and (found.detections == 0).all()
    assert (found.detection_roi == -1).all() and found.detections.shape == (1, 5, 6)
    assert not found.survives_nms.any() and not found.nms.reached.any()


def by_witness(rois, probabilities, deltas, window, confidence, threshold, limit):
    """The detections of one image, in plain Python: (rows kept, verdict, boxes)."""
    classes = [max(range(len(p)), key=lambda c: (p[c], -c)) for p in probabilities]
    scores = [p[c] for p, c in zip(probabilities, classes, strict=True)]
    boxes = []
    for roi, c, delta in zip(rois, classes, deltas, strict=True):
        scaled = [d * s for d, s in zip(delta[c], (0.1, 0.1, 0.2, 0.2), strict=True)]
        boxes.append(witness.clipped(witness.moved(roi, scaled), window))
    candidates = [c > 0 and s >= confidence for c, s in zip(classes, scores, strict=True)]
    verdict = witness.greedy_nms(boxes, scores, candidates, threshold, limit, classes)
    best = sorted(verdict[0], key=lambda row: (-scores[row], row))[:limit]
    return best, verdict, boxes


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([0.0, 0.5]))
def test_random_rois_match_their_witness(seed, limit, confidence):
    rng = np.random.default_rng(seed)
    rois = np.sort(rng.uniform(0, 1, [2, 12, 2, 2]), axis=2).reshape(2, 12, 4)
    logits, deltas = rng.normal(0, 2, [2, 12, 3]), rng.normal(0, 1, [2, 12, 3, 4])
    window = np.array([[0.1, 0, 0.9, 1], [0, 0.2, 1, 0.8]])
    rois, probabilities, deltas, window = (
        x.astype(np.float32) for x in (rois, witness.softmax(logits), deltas, window)
    )
    setting = {"min_confidence": confidence, "nms_threshold": 0.2, "max_instances": limit}
    found = select_detections(rois, probabilities, deltas, window, **setting)
    for i in range(2):
        best, (kept, by, _, reached), boxes = by_witness(
            rois[i], probabilities[i], deltas[i], window[i], confidence, 0.2, limit
        )
        assert found.detection_roi[i].numpy().tolist() == best + [-1] * (limit - len(best))
        assert np.flatnonzero(found.survives_nms[i]).tolist() == sorted(kept)
        assert np.flatnonzero(found.kept[i]).tolist() == sorted(best)
        assert found.nms.suppressed_by[i].numpy().tolist() == by
        assert found.nms.reached[i].numpy().tolist() == reached
        np.testing.assert_allclose(
            found.detections[i, : len(best), :4], np.reshape([boxes[b] for b in best], [-1, 4]),
            atol=1e-5,
        )  # fmt: skip


def golden(goldens, images=slice(None)):
    """The stage's golden input and settings."""
    names = ("rpn_rois", "mrcnn_class", "mrcnn_bbox", "det_window_norm")
    return [goldens[name][images] for name in names], {"min_confidence": 0.8, "max_instances": 40}


def test_goldens(goldens, mode):
    inputs, setting = golden(goldens)
    found = mode(select_detections)(*inputs, **setting)
    for i in range(2):
        np.testing.assert_array_equal(found.class_ids[i], goldens[f"det_img{i}_class_ids"])
        np.testing.assert_array_equal(found.class_scores[i], goldens[f"det_img{i}_class_scores"])
        deltas = goldens[f"det_img{i}_deltas_specific"]
        np.testing.assert_array_equal(found.deltas_specific[i], deltas)
        refined = goldens[f"det_img{i}_refined"]
        np.testing.assert_allclose(found.refined_rois[i], refined, rtol=1e-5, atol=1e-6)
        clipped = goldens[f"det_img{i}_refined_clipped"]
        np.testing.assert_allclose(found.refined_rois_clipped[i], clipped, rtol=1e-5, atol=1e-6)

        rows = lambda mask: np.flatnonzero(mask).tolist()  # noqa: E731
        assert rows(found.is_foreground[i]) == goldens[f"det_img{i}_keep_fg"].tolist()
        both = found.is_foreground[i] & found.is_confident[i]
        assert rows(both) == goldens[f"det_img{i}_keep_conf"].tolist()
        by_class = goldens[f"det_img{i}_nms_keep_class_order"]
        assert rows(found.survives_nms[i]) == sorted(by_class.tolist())
        by_roi = goldens[f"det_img{i}_keep_after_nms_sorted_by_roi"]
        assert rows(found.survives_nms[i]) == by_roi.tolist()
        final = goldens[f"det_img{i}_keep_final"]
        assert found.detection_roi[i, : len(final)].tolist() == final.tolist()
        assert (found.detection_roi[i, len(final) :] == -1).all()
    np.testing.assert_allclose(found.detections, goldens["detections"], rtol=1e-5, atol=1e-6)


def test_golden_rois_that_nms_suppressed_name_the_box_that_did_it(goldens, mode):
    inputs, setting = golden(goldens)
    found = mode(select_detections)(*inputs, **setting)
    for i in range(2):
        _, (_, by, at, reached), _ = by_witness(*(x[i] for x in inputs), 0.8, 0.3, 40)
        assert found.nms.suppressed_by[i].tolist() == by
        assert found.nms.reached[i].tolist() == reached
        np.testing.assert_allclose(found.nms.suppressed_iou[i], at, atol=1e-5)
    assert (found.nms.suppressed_by >= 0).sum(1).tolist() == [14, 3]


def test_a_batch_equals_its_images_one_by_one(goldens, mode):
    inputs, setting = golden(goldens)
    both = mode(select_detections)(*inputs, **setting)
    for i in range(2):
        inputs, _ = golden(goldens, slice(i, i + 1))
        alone = mode(select_detections)(*inputs, **setting)
        np.testing.assert_array_equal(both.detections[i], alone.detections[0])
        np.testing.assert_array_equal(both.nms.rank[i], alone.nms.rank[0])


def test_end_to_end_the_same_objects_are_found(golden_trace, goldens):
    for ours, theirs in zip(golden_trace.detections.detections, goldens["detections"], strict=True):
        distance = np.abs(ours[:, None] - theirs[None]).max(-1)
        assert (distance.min(axis=0) < 1e-3).all() and (distance.min(axis=1) < 1e-3).all()
