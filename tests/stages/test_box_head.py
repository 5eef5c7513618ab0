"""Box head: classes and box deltas of every ROI."""

import numpy as np
import pytest
import witness
from conftest import close, fill_with_noise, weights_of

from mrcnn_explained.stages.box_head import BoxHead


@pytest.fixture(scope="module")
def small():
    """A head for crops of 3 x 3 cells with two channels, four classes; weights and crops."""
    head = BoxHead(2, num_classes=4, pool_size=3, units=5)
    weights = fill_with_noise(weights_of(head))
    crops = np.random.default_rng(0).standard_normal([2, 6, 3, 3, 2]).astype(np.float32)
    return head, weights, crops


def test_every_layer_matches_its_witness(small, mode):
    head, w, crops = small
    found = mode(head)(crops)
    # The P x P convolution is a matrix product of the flattened crop: rows, columns, channels.
    flat = crops.reshape(2, 6, -1).astype(np.float64)
    conv1 = flat @ w["mrcnn_class_conv1/kernel"].reshape(18, 5) + w["mrcnn_class_conv1/bias"]
    bn1 = witness.norm_layer(w, "mrcnn_class_bn1", conv1)
    relu1 = witness.relu(bn1)
    conv2 = relu1 @ w["mrcnn_class_conv2/kernel"][0, 0] + w["mrcnn_class_conv2/bias"]
    bn2 = witness.norm_layer(w, "mrcnn_class_bn2", conv2)
    shared = witness.relu(bn2)
    logits = shared @ w["mrcnn_class_logits/kernel"] + w["mrcnn_class_logits/bias"]
    deltas = shared @ w["mrcnn_bbox_fc/kernel"] + w["mrcnn_bbox_fc/bias"]
    steps = (conv1, bn1, relu1, conv2, bn2, shared, logits, witness.softmax(logits))
    for name, ours, theirs in zip(found._fields, found, steps, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * theirs.std(), err_msg=name)
    # Four numbers of class 0, then four of class 1, …
    close(found.mrcnn_bbox, deltas.reshape(2, 6, 4, 4), spread=1e-5)


def test_one_roi_does_not_change_another(small, mode):
    head, _, crops = small
    changed = crops.copy()
    changed[1, 2] += 1
    before, after = mode(head)(crops), mode(head)(changed)
    same = (np.abs(before.mrcnn_class_logits - after.mrcnn_class_logits) < 1e-5).all(-1)
    assert same.sum() == 11 and not same[1, 2]


def test_a_batch_equals_its_images_one_by_one(small, mode):
    head, _, crops = small
    both = mode(head)(crops)
    for i in range(2):
        for together, alone in zip(both, mode(head)(crops[i : i + 1]), strict=True):
            close(together[i], alone[0], spread=1e-5)


@pytest.fixture(scope="module")
def golden_head(weight_by_rule):
    head = BoxHead(256, num_classes=7)
    for name, variable in weights_of(head).items():
        variable.assign(weight_by_rule(name, variable.shape))
    return head


def test_goldens_of_the_recorded_crops(golden_head, goldens, mode):
    for k in range(2, 6):
        image, roi = goldens[f"cls_pooled_P{k}_slice_ix"].T
        found = mode(golden_head)(goldens[f"cls_pooled_P{k}_slice"][None])
        for ours, theirs in (
            (found.shared, goldens["pool_squeeze"]),
            (found.mrcnn_class_logits, goldens["mrcnn_class_logits"]),
            (found.mrcnn_class, goldens["mrcnn_class"]),
            (found.mrcnn_bbox, goldens["mrcnn_bbox"]),
        ):
            close(ours[0], theirs[image, roi], spread=2e-5)


def test_golden_probabilities_are_the_softmax_of_the_logits(goldens):
    expected = witness.softmax(goldens["mrcnn_class_logits"].astype(np.float64))
    np.testing.assert_allclose(goldens["mrcnn_class"], expected, atol=1e-6)


def test_end_to_end_all_rois_but_those_on_a_knife_edge_are_scored_alike(golden_trace, goldens):
    # A ROI that ends at exactly 1.0 may lose its last row of samples to one float's rounding:
    # the goldens' README. And an ROI may have changed places with one of the same score.
    far = np.abs(golden_trace.box_head.mrcnn_class - goldens["mrcnn_class"]).max(-1) > 1e-3
    moved = np.abs(golden_trace.proposals.rpn_rois - goldens["rpn_rois"]).max(-1) > 1e-4
    ends_at_one = (goldens["rpn_rois"][..., 2:] > 1 - 1e-6).any(-1)
    assert not (far & ~moved & ~ends_at_one).any()
    assert far.mean() < 0.05
