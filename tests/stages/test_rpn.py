"""Region proposal network: one small network on every level."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close, fill_with_noise, weights_of

from mrcnn_explained.stages.anchors import pyramid_anchors
from mrcnn_explained.stages.rpn import RegionProposalNetwork


@pytest.fixture(scope="module")
def small():
    """An RPN for two channels, its weights, and five maps of a 128 x 192 image."""
    rpn = RegionProposalNetwork(2, anchors_per_cell=3, channels=4)
    weights = fill_with_noise(weights_of(rpn))
    rng = np.random.default_rng(0)
    sizes = [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    return rpn, weights, [rng.standard_normal([2, h, w, 2]).astype(np.float32) for h, w in sizes]


def run(small, mode, rpn=None):
    return mode(lambda *maps: (rpn or small[0])(maps))(*small[2])


def test_every_level_matches_its_witness(small, mode):
    found, w = run(small, mode), small[1]
    for level, features in enumerate(small[2][2:], start=2):
        x = features.astype(np.float64)
        shared = witness.relu(witness.conv_layer(w, "rpn_conv_shared", x))
        logits = witness.conv_layer(w, "rpn_class_raw", shared)
        deltas = witness.conv_layer(w, "rpn_bbox_pred", shared)
        close(found.shared[level], shared, spread=1e-5)
        # Channels of a cell: anchor by anchor, within an anchor value by value.
        logits, deltas = (y.reshape(*y.shape[:3], 3, -1) for y in (logits, deltas))
        close(found.level_class_logits[level], logits, spread=1e-5)
        close(found.level_class[level], witness.softmax(logits), spread=1e-5)
        close(found.level_bbox[level], deltas, spread=1e-5)


def test_rows_are_in_the_order_of_the_anchors(small, mode):
    found, anchors = run(small, mode), pyramid_anchors((128, 192))
    assert found.rpn_class.shape[1] == len(anchors.boxes)
    level, row, column = (x.numpy() for x in (anchors.level, anchors.row, anchors.column))
    for a in np.random.default_rng(1).integers(0, len(level), 50):
        place = (row[a], column[a], a % 3)  # three anchors a cell, and every level a multiple
        for levels, rows in (
            (found.level_class_logits, found.rpn_class_logits),
            (found.level_class, found.rpn_class),
            (found.level_bbox, found.rpn_bbox),
        ):
            np.testing.assert_array_equal(levels[level[a] - 2][(slice(None), *place)], rows[:, a])


def test_the_two_probabilities_add_up_to_one(small, mode):
    found = run(small, mode)
    np.testing.assert_allclose(found.rpn_class.sum(-1), 1, rtol=1e-6)
    # A softmax of two is a sigmoid of their difference.
    gap = found.rpn_class_logits[..., 1] - found.rpn_class_logits[..., 0]
    np.testing.assert_allclose(found.rpn_class[..., 1], 1 / (1 + np.exp(-gap)), rtol=1e-5)


def test_every_level_uses_the_same_weights(small, mode):
    rpn, _, maps = small
    once = mode(lambda *m: rpn(m))(maps[2]).rpn_bbox
    twice = mode(lambda *m: rpn(m))(maps[2], maps[2]).rpn_bbox
    close(twice, np.concatenate([once, once], axis=1), spread=1e-6)


def test_a_stride_leaves_every_second_cell_out(mode, small):
    rpn = RegionProposalNetwork(2, anchors_per_cell=1, channels=4, stride=2)
    found = run(small, mode, rpn)
    anchors = pyramid_anchors((128, 192), ratios=(1,), anchor_stride=2)
    assert found.rpn_bbox.shape[1] == len(anchors.boxes)


def test_a_batch_equals_its_images_one_by_one(small):
    rpn, _, maps = small
    both = rpn([tf.constant(m) for m in maps])
    for i in range(2):
        alone = rpn([tf.constant(m[i : i + 1]) for m in maps])
        close(both.rpn_class[i], alone.rpn_class[0], spread=1e-5)


@pytest.mark.parametrize("name", ["rpn_class_logits", "rpn_class", "rpn_bbox"])
def test_goldens(golden_trace, goldens, name):
    found = getattr(golden_trace.rpn, name)
    close(found[:, ::7], goldens[f"{name}_every7"], spread=1e-3)
    close(found[:, -300:], goldens[f"{name}_last300"], spread=1e-3)
