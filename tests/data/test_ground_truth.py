"""The one filter of ground truth: crowds and empty masks are no objects."""

import numpy as np

from mrcnn_explained.data.ground_truth import load_ground_truth, real_objects


class Three:
    """One image with an object, a crowd and an empty mask."""

    class_names = ("background", "square")

    def load_mask(self, image_id):
        masks = np.zeros([8, 8, 3], np.uint8)
        masks[1:4, 2:7, 0] = masks[4:8, 4:8, 1] = 1
        return masks, [1, -1, 1]


def test_what_is_a_real_object():
    boxes = [[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2], [1, 1, 1, 5], [1, 1, 5, 1]]
    real = real_objects([3, 0, -3, 1, 1], boxes)
    assert real.tolist() == [True, False, False, False, False]
    assert real_objects([], np.zeros([0, 4])).tolist() == []


def test_ground_truth_leaves_out_crowds_and_empty_masks():
    truth = load_ground_truth(Three(), 0)
    assert truth.boxes.tolist() == [[1, 2, 4, 7]] and truth.class_ids.tolist() == [1]
    assert truth.masks.shape == (8, 8, 1) and truth.masks.dtype == bool and truth.masks.sum() == 15
