"""Proposals: top-k, deltas, clipping, NMS, padding."""

import numpy as np
import pytest
import witness
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.proposals import given_rois, propose


def scored(probabilities):
    """rpn_class [B, A, 2] from the probability of an object."""
    p = np.asarray(probabilities, np.float32)
    return np.stack([1 - p, p], axis=-1)


def grid(count):
    """Boxes that do not touch, side by side."""
    x = np.arange(count) / count
    return np.stack([0 * x, x, 0 * x + 0.5, x + 0.5 / count], axis=1).astype(np.float32)


NO_DELTAS = np.zeros([1, 4, 4], np.float32)


def test_the_best_anchors_come_first(mode):
    found = mode(propose)(scored([[0.2, 0.9, 0.5, 0.7]]), NO_DELTAS, grid(4), count=3)
    assert found.top_ix.tolist() == [[1, 3, 2, 0]]
    np.testing.assert_allclose(found.scores, [[0.9, 0.7, 0.5, 0.2]])
    np.testing.assert_array_equal(found.rpn_rois[0], grid(4)[[1, 3, 2]])
    assert found.post_nms_ix.tolist() == [[0, 1, 2]] and found.valid.all()
    assert found.nms.reached.tolist() == [[True, True, True, False]]


def test_only_the_best_are_candidates_and_missing_rois_are_zero_rows(mode):
    found = mode(propose)(
        scored([[0.2, 0.9, 0.5, 0.7]]), NO_DELTAS, grid(4), count=5, pre_nms_limit=2
    )
    assert found.top_ix.tolist() == [[1, 3]] and found.rpn_rois.shape == (1, 5, 4)
    assert found.valid.tolist() == [[True, True, False, False, False]]
    assert found.post_nms_ix.tolist() == [[0, 1, -1, -1, -1]]
    assert (found.rpn_rois[0, 2:] == 0).all() and (found.rpn_rois[0, :2] != 0).any()


def test_of_equal_scores_the_lower_anchor_comes_first(mode):
    found = mode(propose)(scored([[0.5, 0.5, 0.5, 0.5]]), NO_DELTAS, grid(4), pre_nms_limit=3)
    assert found.top_ix.tolist() == [[0, 1, 2]]


def test_deltas_are_multiplied_by_their_standard_deviations(mode):
    # An anchor 0.2 high and 0.4 wide, deltas (1, 1, 1, 1) in units of (0.1, 0.1, 0.2, 0.2):
    # the centre (0.5, 0.5) moves by 0.02 and 0.04, both sides grow by exp(0.2).
    anchor = np.array([[0.4, 0.3, 0.6, 0.7]], np.float32)
    found = mode(propose)(scored([[0.9]]), np.ones([1, 1, 4], np.float32), anchor, count=1)
    np.testing.assert_allclose(found.deltas, [[[0.1, 0.1, 0.2, 0.2]]])
    high, wide = 0.1 * np.exp(0.2), 0.2 * np.exp(0.2)
    expected = [0.52 - high, 0.54 - wide, 0.52 + high, 0.54 + wide]
    np.testing.assert_allclose(found.refined_anchors[0, 0], expected, rtol=1e-5)
    other = mode(propose)(
        scored([[0.9]]), np.ones([1, 1, 4], np.float32), anchor, std_dev=(1, 2, 3, 4)
    )
    np.testing.assert_allclose(other.deltas, [[[1, 2, 3, 4]]])


def test_boxes_are_clipped_to_the_whole_molded_image(mode):
    anchors = np.array([[-0.2, -0.1, 0.3, 1.4], [1.1, 1.1, 1.5, 1.5]], np.float32)
    found = mode(propose)(scored([[0.9, 0.8]]), np.zeros([1, 2, 4], np.float32), anchors, count=2)
    np.testing.assert_allclose(found.refined_anchors[0], anchors, atol=1e-7)
    np.testing.assert_allclose(
        found.refined_anchors_clipped[0], [[0, 0, 0.3, 1], [1, 1, 1, 1]], atol=1e-7
    )
    # A box without area is not removed (deviation 31), and it is no padding.
    assert found.valid.tolist() == [[True, True]]


def test_nms_comes_after_clipping_and_records_which_box_suppressed_which(mode):
    # Both reach far above the image, where they differ; what is left of them is equal.
    anchors = np.array([[-5, 0, 0.5, 0.5], [-0.1, 0, 0.5, 0.5]], np.float32)
    found = mode(propose)(scored([[0.8, 0.9]]), np.zeros([1, 2, 4], np.float32), anchors, count=2)
    assert found.nms.suppressed_by.tolist() == [[-1, 0]]  # candidate 0 is anchor 1
    np.testing.assert_allclose(found.nms.suppressed_iou, [[0, 1]], atol=1e-6)
    assert found.valid.tolist() == [[True, False]]


def test_the_threshold_is_the_highest_overlap_allowed(mode):
    anchors = np.array([[0, 0, 1, 1], [0, 0, 1, 0.6]], np.float32)  # IoU 0.6
    scores, deltas = scored([[0.9, 0.8]]), np.zeros([1, 2, 4], np.float32)
    assert mode(propose)(scores, deltas, anchors, nms_threshold=0.7).valid.sum() == 2
    assert mode(propose)(scores, deltas, anchors, nms_threshold=0.5).valid.sum() == 1


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0.1, 0.5, 0.9]))
def test_random_proposals_match_their_witness(seed, count, threshold):
    rng = np.random.default_rng(seed)
    anchors = rng.uniform(0, 1, [20, 2, 2])
    anchors = np.sort(anchors, axis=1).reshape(20, 4).astype(np.float32)
    deltas = rng.normal(0, 2, [2, 20, 4]).astype(np.float32)
    scores = rng.permuted(np.tile(np.arange(20) / 20, [2, 1]), axis=1)
    found = propose(
        scored(scores), deltas, anchors, count=count, pre_nms_limit=15, nms_threshold=threshold
    )
    for image in range(2):
        order = sorted(range(20), key=lambda a: -scores[image, a])[:15]
        moved = [witness.moved(anchors[a], deltas[image, a] * [0.1, 0.1, 0.2, 0.2]) for a in order]
        boxes = [witness.clipped(box, [0, 0, 1, 1]) for box in moved]
        kept, by, _, reached = witness.greedy_nms(
            boxes, scores[image, order], [True] * 15, threshold, count
        )
        assert found.top_ix[image].numpy().tolist() == order
        padded = kept + [-1] * (count - len(kept))
        assert found.post_nms_ix[image].numpy().tolist() == padded
        assert found.nms.suppressed_by[image].numpy().tolist() == by
        assert found.nms.reached[image].numpy().tolist() == reached
        expected = [boxes[k] if k >= 0 else [0] * 4 for k in padded]
        np.testing.assert_allclose(found.rpn_rois[image], expected, atol=1e-5)


def test_a_batch_equals_its_images_one_by_one(mode):
    rng = np.random.default_rng(0)
    scores, deltas = scored(rng.uniform(0, 1, [2, 30])), rng.normal(0, 1, [2, 30, 4])
    deltas = deltas.astype(np.float32)
    both = mode(propose)(scores, deltas, grid(30), count=10)
    for i in range(2):
        alone = mode(propose)(scores[i : i + 1], deltas[i : i + 1], grid(30), count=10)
        for name in both._fields:
            of_both, of_one = getattr(both, name), getattr(alone, name)
            pairs = zip(of_both, of_one, strict=True) if name == "nms" else [(of_both, of_one)]
            for together, single in pairs:
                np.testing.assert_allclose(together[i], single[0], atol=1e-6, err_msg=name)


def test_given_rois_pass_through(mode):
    rois = np.array([[[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0]]], np.float32)
    found = mode(given_rois)(rois)
    np.testing.assert_array_equal(found.rpn_rois, rois)
    assert found.valid.tolist() == [[True, False]]
    assert found.post_nms_ix.tolist() == [[-1, -1]]
    assert found.scores.shape == (1, 0) and found.pre_nms_anchors.shape == (1, 0, 4)
    assert found.nms.rank.shape == (1, 0)


def golden_inputs(goldens):
    """Scores, deltas and anchors that the goldens' top-k came from.

    Only the candidates' own scores are recorded, so every other anchor gets 0; the deltas are
    recorded after the multiplication, so the standard deviations are 1 here.
    """
    from mrcnn_explained.stages.anchors import pyramid_anchors

    anchors = pyramid_anchors((448, 448)).boxes.numpy()
    scores, deltas = np.zeros([2, len(anchors)]), np.zeros([2, len(anchors), 4], np.float32)
    for i, top in enumerate(goldens["prop_topk_ix"]):
        scores[i, top] = goldens[f"prop_img{i}_scores"]
        deltas[i, top] = goldens[f"prop_img{i}_deltas_scaled"]
    return scored(scores), deltas, anchors


def test_goldens(goldens, mode):
    found = mode(propose)(
        *golden_inputs(goldens), count=150, pre_nms_limit=2000, std_dev=(1, 1, 1, 1)
    )
    np.testing.assert_array_equal(found.top_ix, goldens["prop_topk_ix"])
    for i in range(2):
        np.testing.assert_array_equal(found.scores[i], goldens[f"prop_img{i}_scores"])
        np.testing.assert_array_equal(found.deltas[i], goldens[f"prop_img{i}_deltas_scaled"])
        for ours, theirs in (
            (found.refined_anchors[i], goldens[f"prop_img{i}_boxes_refined"]),
            (found.refined_anchors_clipped[i], goldens[f"prop_img{i}_boxes_clipped"]),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found.post_nms_ix[i], goldens[f"prop_img{i}_nms_indices"])
    np.testing.assert_allclose(found.rpn_rois, goldens["rpn_rois"], rtol=1e-5, atol=1e-6)
    assert found.valid.all()


@pytest.mark.parametrize("image", [0, 1])
def test_golden_deltas_are_those_of_the_rpn_times_the_standard_deviations(goldens, image):
    top = goldens["prop_topk_ix"][image]
    recorded = top % 7 == 0  # the goldens hold every seventh row of the RPN's output
    raw = goldens["rpn_bbox_every7"][image, top[recorded] // 7]
    scaled = raw * np.array([0.1, 0.1, 0.2, 0.2], np.float32)
    np.testing.assert_array_equal(goldens[f"prop_img{image}_deltas_scaled"][recorded], scaled)


def test_end_to_end_the_same_rois_are_proposed(golden_trace, goldens):
    # As sets: scores that differ in the last bit may change places.
    for ours, theirs in zip(golden_trace.proposals.rpn_rois, goldens["rpn_rois"], strict=True):
        distance = np.abs(ours[:, None] - theirs[None]).max(-1)
        assert (distance.min(axis=0) < 1e-4).all() and (distance.min(axis=1) < 1e-4).all()
