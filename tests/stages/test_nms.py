"""Non-maximum suppression, and its verdict on every candidate."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.nms import nms_keep, nms_verdict


def decide(run, boxes, scores, candidates=None, *, threshold=0.5, limit=10, groups=None):
    """Keep, then explain: (rows kept, best first; the verdict)."""
    boxes, scores = np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
    everyone = np.ones(len(scores), bool) if candidates is None else np.array(candidates, bool)
    setting = {"threshold": threshold, "limit": limit}
    if groups is None:
        keep = run(nms_keep)(boxes, scores, everyone, **setting)
        return keep[keep >= 0].tolist(), run(nms_verdict)(boxes, scores, everyone, keep, **setting)
    groups = np.array(groups, np.int32)
    keeps = [run(nms_keep)(boxes, scores, everyone & (groups == g), **setting) for g in set(groups)]
    keep = np.concatenate(keeps)
    kept = sorted(keep[keep >= 0].tolist(), key=lambda row: (-scores[row], row))
    explain = lambda b, s, c, k, g: nms_verdict(b, s, c, k, groups=g, **setting)  # noqa: E731
    return kept, run(explain)(boxes, scores, everyone, keep, groups)


def holds(found, expected, count):
    """A decision equals that of the witness, field by field."""
    (kept, verdict), (should_keep, by, at, reached) = found, expected
    assert kept == should_keep
    rank = [should_keep.index(row) if row in should_keep else -1 for row in range(count)]
    assert verdict.rank.tolist() == rank
    assert verdict.suppressed_by.tolist() == by
    np.testing.assert_allclose(verdict.suppressed_iou, at, atol=1e-6)
    assert verdict.reached.tolist() == reached


A_ROW_OF_THREE = [[0, 0, 1, 10], [0, 2, 1, 12], [0, 5, 1, 15]]


def test_three_boxes_by_hand(mode):
    # Each is 10 wide. a and b share 8 of 12: 2/3. a and c share 5 of 15: 1/3. b and c share
    # 7 of 13. At 0.5, a suppresses b; c overlaps only b by more, and b is gone: c is kept.
    kept, verdict = decide(mode, A_ROW_OF_THREE, [0.9, 0.8, 0.7])
    assert kept == [0, 2]
    assert verdict.rank.tolist() == [0, -1, 1]
    assert verdict.suppressed_by.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(verdict.suppressed_iou, [0, 2 / 3, 0], rtol=1e-6)
    assert verdict.reached.all()


def test_the_order_of_rows_does_not_matter_the_order_of_scores_does(mode):
    # Now b is best: it suppresses both neighbours, 2/3 and 7/13.
    kept, verdict = decide(mode, A_ROW_OF_THREE, [0.8, 0.9, 0.7])
    assert kept == [1] and verdict.suppressed_by.tolist() == [1, -1, 1]
    np.testing.assert_allclose(verdict.suppressed_iou, [2 / 3, 0, 7 / 13], rtol=1e-6)


def test_of_two_boxes_that_could_suppress_the_better_one_is_named(mode):
    # The last box lies between two kept ones; it shares 6 of 14 with the first (3/7) and
    # 8 of 12 with the second (2/3). Both pass 0.4; the first has the better score.
    row = [[0, 0, 1, 10], [0, 6, 1, 16], [0, 4, 1, 14]]
    kept, verdict = decide(mode, row, [0.9, 0.8, 0.7], threshold=0.4)
    assert kept == [0, 1] and verdict.suppressed_by.tolist() == [-1, -1, 0]
    np.testing.assert_allclose(verdict.suppressed_iou[2], 3 / 7, rtol=1e-6)


def test_a_box_at_exactly_the_threshold_does_not_suppress(mode):
    # The last box is half the first one's union (IoU 1/2) and shares 1.5 of 2 with the second.
    row = [[0, 0, 1, 1], [0, 0.5, 1, 2], [0, 0, 1, 2]]
    kept, verdict = decide(mode, row, [0.9, 0.8, 0.7], threshold=0.5)
    assert kept == [0, 1] and verdict.suppressed_by.tolist() == [-1, -1, 1]
    np.testing.assert_allclose(verdict.suppressed_iou[2], 0.75)


def test_exactly_the_threshold_stays(mode):
    # 1x1 in 1x2: IoU is exactly 1/2, and "more than" is the rule.
    kept, verdict = decide(mode, [[0, 0, 1, 2], [0, 0, 1, 1]], [0.9, 0.8], threshold=0.5)
    assert kept == [0, 1] and verdict.suppressed_by.tolist() == [-1, -1]


def test_of_equal_scores_the_lower_row_comes_first(mode):
    kept, verdict = decide(mode, [[0, 0, 1, 1]] * 3, [0.5, 0.5, 0.5])
    assert kept == [0] and verdict.suppressed_by.tolist() == [-1, 0, 0]


def test_boxes_without_area_never_suppress_each_other(mode):
    kept, verdict = decide(mode, [[0.5, 0.5, 0.5, 0.5]] * 2 + [[0, 0, 1, 1]], [0.9, 0.8, 0.7])
    assert kept == [0, 1, 2] and (verdict.suppressed_iou == 0).all()


def test_candidates_after_the_limit_are_never_reached(mode):
    # A limit of two. The first box would suppress the third, and the fourth would be kept;
    # NMS reaches neither, because two are kept already.
    row = [[0, 0, 1, 10], [0, 20, 1, 30], [0, 0, 1, 10], [0, 40, 1, 50]]
    kept, verdict = decide(mode, row, [0.9, 0.8, 0.7, 0.6], limit=2)
    assert kept == [0, 1]
    assert verdict.reached.tolist() == [True, True, False, False]
    assert verdict.suppressed_by.tolist() == [-1] * 4 and verdict.rank.tolist() == [0, 1, -1, -1]


def test_rows_that_take_no_part_are_neither_kept_nor_suppress(mode):
    kept, verdict = decide(mode, [[0, 0, 1, 1]] * 2, [0.9, 0.8], [False, True])
    assert kept == [1] and verdict.reached.tolist() == [False, True]
    assert verdict.rank.tolist() == [-1, 0] and verdict.suppressed_by.tolist() == [-1, -1]


def test_groups_are_not_compared_with_each_other(mode):
    # Three equal boxes, two of one class.
    kept, verdict = decide(mode, [[0, 0, 1, 1]] * 3, [0.9, 0.8, 0.7], groups=[1, 2, 1])
    assert kept == [0, 1] and verdict.suppressed_by.tolist() == [-1, -1, 0]
    assert verdict.rank.tolist() == [0, 1, -1]


def test_the_limit_counts_in_each_group(mode):
    apart = [[0, x, 1, x + 1] for x in range(5)]
    kept, verdict = decide(mode, apart, [0.9, 0.8, 0.7, 0.6, 0.5], limit=2, groups=[1, 1, 1, 2, 2])
    assert kept == [0, 1, 3, 4]
    assert verdict.reached.tolist() == [True, True, False, True, True]


def test_a_score_of_zero_takes_part(mode):
    kept, verdict = decide(mode, [[0, 0, 1, 1], [2, 2, 3, 3]], [0, 0])
    assert kept == [0, 1] and verdict.reached.all()


def test_no_candidate_at_all(mode):
    kept, verdict = decide(mode, np.zeros([0, 4]), [])
    assert kept == [] and all(field.shape == (0,) for field in verdict)
    kept, verdict = decide(mode, [[0, 0, 1, 1]] * 2, [0.9, 0.8], [False, False])
    assert kept == [] and not verdict.reached.any() and (verdict.rank == -1).all()


def test_the_kept_rows_are_padded_to_the_limit(mode):
    boxes, scores = np.array([[0, 0, 1, 1]], np.float32), np.array([0.5], np.float32)
    keep = mode(nms_keep)(boxes, scores, np.array([True]), threshold=0.5, limit=4)
    assert keep.tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_goldens_with_ties_and_odd_boxes(roi_goldens, mode, threshold):
    boxes, scores = roi_goldens["nms_boxes"], roi_goldens["nms_scores"]
    found = decide(mode, boxes, scores, threshold=threshold)
    assert found[0] == roi_goldens[f"nms_keep_{threshold}"].tolist()
    holds(found, witness.greedy_nms(boxes, scores, [True] * 10, threshold, 10), 10)


@pytest.mark.parametrize("image", [0, 1])
def test_golden_candidates_and_a_verdict_for_each_of_2000(goldens, mode, image):
    boxes = goldens[f"prop_img{image}_boxes_clipped"]
    scores = goldens[f"prop_img{image}_scores"]
    found = decide(mode, boxes, scores, threshold=0.7, limit=150)
    assert found[0] == goldens[f"prop_img{image}_nms_indices"].tolist()
    holds(found, witness.greedy_nms(boxes, scores, [True] * 2000, 0.7, 150), 2000)
    assert (found[1].suppressed_iou[found[1].suppressed_by >= 0] > 0.7).all()


@pytest.mark.parametrize("count", [255, 256, 257, 700])
def test_more_candidates_than_one_block_holds(count):
    # The verdict compares 256 rows at a time; nothing may change at the seams.
    rng = np.random.default_rng(count)
    corner, size = rng.uniform(0, 10, [count, 2]), rng.uniform(1, 4, [count, 2])
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    scores = rng.permutation(count) / count
    found = decide(_eager, boxes, scores, threshold=0.3, limit=count)
    holds(found, witness.greedy_nms(boxes, scores, [True] * count, 0.3, count), count)
    assert (found[1].suppressed_by >= 0).sum() > count / 3


def _eager(function):
    run = lambda *tensors, **plain: function(*map(tf.constant, tensors), **plain)  # noqa: E731
    return lambda *tensors, **plain: tf.nest.map_structure(np.asarray, run(*tensors, **plain))


corner = st.integers(0, 8)
candidate = st.tuples(corner, corner, corner, corner, st.integers(0, 5), st.booleans())
cases = st.lists(candidate, min_size=1, max_size=14)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases, st.sampled_from([0.0, 0.31, 0.49, 0.7]), st.integers(1, 4))
def test_any_case_matches_the_greedy_witness(case, threshold, limit):
    # Whole-number corners and six scores: many ties, crossed boxes and boxes without area.
    boxes = [row[:4] for row in case]
    scores = [row[4] / 5 for row in case]
    candidates = [row[5] for row in case]
    found = decide(_eager, boxes, scores, candidates, threshold=threshold, limit=limit)
    holds(found, witness.greedy_nms(boxes, scores, candidates, threshold, limit), len(case))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases, st.integers(1, 3), st.data())
def test_any_case_with_groups_matches_the_greedy_witness(case, limit, data):
    groups = [data.draw(st.integers(1, 3)) for _ in case]
    boxes, scores = [row[:4] for row in case], [row[4] / 5 for row in case]
    everyone = [True] * len(case)
    found = decide(_eager, boxes, scores, threshold=0.31, limit=limit, groups=groups)
    expected = witness.greedy_nms(boxes, scores, everyone, 0.31, limit, groups)
    holds(found, expected, len(case))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases)
def test_kept_boxes_do_not_overlap_and_suppressed_boxes_do(case):
    boxes, scores = [row[:4] for row in case], [row[4] / 5 for row in case]
    kept, verdict = decide(_eager, boxes, scores, threshold=0.4, limit=20)
    assert all(witness.overlap(boxes[a], boxes[b]) <= 0.4 for a in kept for b in kept if a != b)
    for row, by in enumerate(verdict.suppressed_by):
        assert (by >= 0) != (row in kept)
        assert by < 0 or (witness.overlap(boxes[row], boxes[by]) > 0.4 and by in kept)
