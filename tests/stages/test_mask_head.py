"""Mask head: a mask for every real detection, and none for padding."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close, fill_with_noise, weights_of

from mrcnn_explained.stages.mask_head import MaskHead

CLASSES = np.array([[1, 2, 0, 0], [3, 1, 2, 0]], np.int32)
VALID = CLASSES > 0


@pytest.fixture(scope="module")
def small():
    """A head for crops of 4 x 4 cells with two channels, four classes; weights and crops."""
    head = MaskHead(2, num_classes=4, channels=3)
    weights = fill_with_noise(weights_of(head))
    crops = np.random.default_rng(0).standard_normal([2, 4, 4, 4, 2]).astype(np.float32)
    return head, weights, crops


def test_only_real_detections_are_computed(small, mode):
    found = mode(small[0])(small[2], CLASSES, VALID)
    assert found.rows.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]]
    assert all(len(field) == 5 for field in found[:-1])
    assert found.class_mask.shape == (2, 4, 8, 8)
    assert (found.class_mask[~VALID] == 0).all() and (found.class_mask[VALID] > 0).all()


def test_every_layer_matches_its_witness(small, mode):
    head, w, crops = small
    found = mode(head)(crops, CLASSES, VALID)
    x = crops[VALID].astype(np.float64)
    for k in range(1, 5):
        x = witness.conv_layer(w, f"mrcnn_mask_conv{k}", x)
        x = witness.relu(witness.norm_layer(w, f"mrcnn_mask_bn{k}", x))
        close(getattr(found, f"conv{k}"), x, spread=1e-5)
    deconv = w["mrcnn_mask_deconv/kernel"], w["mrcnn_mask_deconv/bias"]
    x = witness.relu(witness.deconvolution(x, *deconv))
    close(found.deconv, x, spread=1e-5)
    masks = 1 / (1 + np.exp(-witness.conv_layer(w, "mrcnn_mask", x)))
    close(found.mrcnn_mask, masks, spread=1e-5)
    chosen = [mask[..., c] for mask, c in zip(masks, CLASSES[VALID], strict=True)]
    close(found.class_mask[VALID], chosen, spread=1e-5)


def test_classes_do_not_compete(small, mode):
    # A sigmoid a class: the probabilities of a pixel do not add up to one.
    masks = mode(small[0])(small[2], CLASSES, VALID).mrcnn_mask
    assert np.abs(masks.sum(-1) - 1).max() > 0.1 and masks.min() > 0 and masks.max() < 1


def test_padding_can_be_computed_too_and_changes_no_other_row(small, mode):
    head, _, crops = small
    few, all_rows = mode(head)(crops, CLASSES, VALID), mode(head)(crops, CLASSES, VALID | True)
    assert len(all_rows.rows) == 8
    close(few.class_mask[VALID], all_rows.class_mask[VALID], spread=1e-5)


def test_no_detection_at_all(small, mode):
    found = mode(small[0])(small[2], 0 * CLASSES, VALID & False)
    assert found.mrcnn_mask.shape == (0, 8, 8, 4)
    assert found.class_mask.shape == (2, 4, 8, 8) and (found.class_mask == 0).all()


def test_a_batch_equals_its_images_one_by_one(small, mode):
    head, _, crops = small
    both = mode(head)(crops, CLASSES, VALID).class_mask
    for i in range(2):
        rows = slice(i, i + 1)
        alone = mode(head)(crops[rows], CLASSES[rows], VALID[rows]).class_mask
        np.testing.assert_allclose(both[i], alone[0], atol=1e-6)


@pytest.fixture(scope="module")
def golden_head(weight_by_rule):
    head = MaskHead(256, num_classes=7)
    for name, variable in weights_of(head).items():
        variable.assign(weight_by_rule(name, variable.shape))
    return head


def test_goldens_of_the_recorded_crops(golden_head, goldens, mode):
    seen = 0
    for k in range(2, 6):
        slices, rows = goldens[f"mask_pooled_P{k}_slice"], goldens[f"mask_pooled_P{k}_slice_ix"]
        class_ids = np.array([[goldens["detections"][i, d, 4] for i, d in rows]], np.int32)
        found = mode(golden_head)(slices[None], class_ids, class_ids > 0)
        for place, (i, d) in enumerate(rows):
            if class_ids[0, place] == 0:
                continue  # a zero-padded row: no mask
            mask_of_class = goldens[f"img{i}_mask_of_class"][d]
            np.testing.assert_allclose(found.class_mask[0, place], mask_of_class, atol=1e-5)
            row = found.rows[:, 1].tolist().index(place)
            if d < 4:
                every = goldens[f"img{i}_mask_all_classes_first4"][d]
                np.testing.assert_allclose(found.mrcnn_mask[row], every, atol=1e-5)
                seen += 1
    assert seen >= 4


@pytest.mark.parametrize("image", [0, 1])
def test_end_to_end_the_masks_are_the_golden_ones(golden_trace, goldens, image):
    masks = goldens[f"img{image}_mask_of_class"]
    found = golden_trace.mask_head.class_mask[image]
    np.testing.assert_allclose(found[: len(masks)], masks, atol=2e-3)
    assert (found[len(masks) :] == 0).all()
    first4 = golden_trace.mask_head.mrcnn_mask[golden_trace.mask_head.rows[:, 0] == image][:4]
    np.testing.assert_allclose(first4, goldens[f"img{image}_mask_all_classes_first4"], atol=2e-3)


def test_it_runs_with_a_number_of_rows_known_only_at_run_time(small):
    # One graph for any number of detections: it is traced once.
    traced = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 4, 4, 2]),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None], tf.bool),
        ],
        autograph=False,
    )
    def graph(*inputs):
        traced.append(1)
        return small[0](*inputs).class_mask

    for valid in (VALID, VALID & False, VALID | True):
        assert graph(small[2], CLASSES, valid).shape == (2, 4, 8, 8)
    assert len(traced) == 1
