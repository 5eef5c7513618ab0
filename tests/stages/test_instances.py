"""Instances: boxes and masks in pixels of the original image."""

import numpy as np
import pytest
import witness

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.stages.instances import full_mask, original_boxes, unmold

ORIGINAL, MOLDED, WINDOW = [[50, 100, 3]], [[256, 256, 3]], [[64, 0, 192, 256]]


def detections_of(boxes_px, classes, scores, molded=256):
    """Rows [1, D, 6] from boxes in pixels of the molded image."""
    import tensorflow as tf

    boxes = norm_boxes(tf.constant(boxes_px, tf.float32), tf.constant([molded, molded])).numpy()
    boxes[np.array(classes) == 0] = 0
    return np.concatenate([boxes, np.c_[classes, scores]], axis=1)[None].astype(np.float32)


def lift(detections, masks, original=None):
    return unmold(
        detections, masks, np.array(original or ORIGINAL), np.array(MOLDED), np.array(WINDOW)
    )


def test_a_box_by_hand():
    # 50 x 100 pixels lie as 128 x 256 in rows 64…192: the whole window is the whole image.
    # Its lower right quarter, rows 128…192 and columns 128…256, is 25…50, 50…100 (to the
    # rounding of the normalised grid).
    found = lift(
        detections_of([[64, 0, 192, 256], [128, 128, 192, 256]], [1, 2], [0.9, 0.8]),
        np.ones([1, 2, 4, 4], np.float32),
    )
    assert found.rois[0].tolist() == [[0, 0, 50, 100], [25, 50, 50, 100]]
    assert found.class_ids[0].tolist() == [1, 2]
    np.testing.assert_allclose(found.scores[0], [0.9, 0.8], rtol=1e-6)
    assert found.masks[0].shape == (50, 100, 2) and found.masks[0].dtype == bool
    assert found.masks[0][..., 0].all()
    assert found.masks[0][25:, 50:, 1].all() and found.masks[0][..., 1].sum() == 25 * 50


def test_zero_padded_rows_are_left_out():
    found = lift(
        detections_of([[64, 0, 192, 256], [0, 0, 0, 0]], [3, 0], [0.9, 0]),
        np.ones([1, 2, 4, 4], np.float32),
    )
    assert found.detection[0].tolist() == [0] and found.masks[0].shape == (50, 100, 1)


def test_a_box_without_area_is_left_out_and_later_boxes_stay():
    # Even a box of no height gets one pixel when y2 moves out of it again; one crossed by
    # two molded pixels, 0.8 original ones, loses it again.
    rows = detections_of(
        [[64, 0, 192, 256], [102, 100, 100, 200], [128, 0, 192, 256]], [1, 2, 3], [0.9, 0.8, 0.7]
    )
    masks = np.ones([1, 3, 4, 4], np.float32)
    masks[0, 1] = 0  # had its row been confused with the next one's, that would be empty
    found = lift(rows, masks)
    assert found.detection[0].tolist() == [0, 2] and found.class_ids[0].tolist() == [1, 3]
    assert found.masks[0][25:, :, 1].all()


def test_no_object_at_all():
    found = lift(np.zeros([1, 4, 6], np.float32), np.zeros([1, 4, 4, 4], np.float32))
    assert found.rois[0].shape == (0, 4) and found.masks[0].shape == (50, 100, 0)
    assert len(found.class_ids[0]) == len(found.scores[0]) == len(found.detection[0]) == 0


def test_exactly_one_half_belongs_to_the_object():
    assert full_mask(np.full([2, 2], 0.5, np.float32), [0, 0, 2, 2], (2, 2)).all()
    assert not full_mask(np.full([2, 2], 0.499, np.float32), [0, 0, 2, 2], (2, 2)).any()
    assert full_mask(np.full([2, 2], 0.3, np.float32), [0, 0, 2, 2], (2, 2), threshold=0.3).all()


@pytest.mark.parametrize("box", [[3, 5, 30, 19], [0, 0, 40, 40], [10, 10, 11, 12], [1, 2, 9, 38]])
def test_a_mask_matches_its_witness(box):
    mask = np.random.default_rng(sum(box)).uniform(0, 1, [7, 7]).astype(np.float32)
    found = full_mask(mask, np.array(box), (40, 40))
    height, width = box[2] - box[0], box[3] - box[1]
    scaled = witness.scaled(mask, height, width)
    sure = np.abs(scaled - 0.5) > 1e-6
    inside = found[box[0] : box[2], box[1] : box[3]]
    assert ((inside == (scaled >= 0.5)) | ~sure).all()
    assert found.sum() == inside.sum()


def test_molding_and_unmolding_a_box_cancel_out():
    # Pixels of the original → molded → normalised → pixels of the original.
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.integers(0, 50, [40, 2, 2]) * [1, 2], axis=1).reshape(40, 4)
    molded = boxes * 2.56 + [64, 0, 64, 0]
    normal = detections_of(molded, [1] * 40, [1] * 40)[0, :, :4]
    found = original_boxes(normal, ORIGINAL[0], MOLDED[0], WINDOW[0])
    assert np.abs(found - boxes).max() <= 1  # the grids of H and H-1 cells differ by up to one


def test_every_image_has_its_own_size():
    rows = np.concatenate([detections_of([[64, 0, 192, 256]], [1], [0.9])] * 2)
    found = unmold(
        rows, np.ones([2, 1, 4, 4], np.float32), np.array([[50, 100, 3], [10, 20, 3]]),
        np.array(MOLDED * 2), np.array(WINDOW * 2),
    )  # fmt: skip
    assert [m.shape for m in found.masks] == [(50, 100, 1), (10, 20, 1)]
    assert [r.tolist() for r in found.rois] == [[[0, 0, 50, 100]], [[0, 0, 10, 20]]]


def test_goldens_bit_for_bit(goldens):
    masks = np.zeros([2, 40, 28, 28], np.float32)
    for i in range(2):
        of_class = goldens[f"img{i}_mask_of_class"]
        masks[i, : len(of_class)] = of_class
    meta = goldens["image_meta"].astype(int)
    found = unmold(goldens["detections"], masks, meta[:, 1:4], meta[:, 4:7], goldens["window_px"])
    for i in range(2):
        np.testing.assert_array_equal(found.rois[i], goldens[f"img{i}_final_rois_px"])
        np.testing.assert_array_equal(found.class_ids[i], goldens[f"img{i}_final_class_ids"])
        np.testing.assert_array_equal(found.scores[i], goldens[f"img{i}_final_scores"])
        assert found.masks[i].shape == tuple(goldens[f"img{i}_final_masks_shape"])
        packed = np.packbits(found.masks[i], axis=None)
        np.testing.assert_array_equal(packed, goldens[f"img{i}_final_masks_packbits"])
