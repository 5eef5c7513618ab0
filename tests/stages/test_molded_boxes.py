"""ROIs of the caller: boxes are normalised, and everything else is refused in words."""

import numpy as np
import pytest

from mrcnn_explained.errors import ImageError
from mrcnn_explained.stages.image import mold_image
from mrcnn_explained.stages.molded_boxes import mold_rois


def molded(*shapes):
    """Images of these (h, w), molded to 64 x 64."""
    images = [np.zeros([h, w, 3], np.uint8) for h, w in shapes]
    return mold_image(images, min_dim=64, max_dim=64, num_classes=2)


ONE = molded((64, 64))


@pytest.mark.parametrize(
    "rois",
    [
        None, 3, "1,2,3,4", b"box", {"a": 1}, [], [[]], [1, 2, 3, 4], [[1, 2, 3]],
        [["1", "2", "3", "4"]], [[0, 0, 10, 10], [1, 2]], [[[0, 0, 10, 10]], [[0, 0, 9, 9]]],
        [[None, 0, 9, 9]], [[0, 0, 9, {}]],
        [[True, False, True, True]], [[0, 0, np.nan, 9]], [[0, 0, np.inf, 9]], [[0, 0, 10**30, 9]],
        [[0, 0, 10**400, 9]], [[5, 5, 5, 9]], [[9, 5, 5, 9]], [[0, 0, 1, 1]], [[-1e9, 0, 5, 5]],
        np.zeros([0, 4]), np.zeros([2, 2, 4]), np.zeros([2, 4], complex), [[[[0, 0, 9, 9]]]],
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_boxes_is_refused_in_words(rois):
    with pytest.raises(ImageError) as caught:
        mold_rois(rois, ONE)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "rois", [[[0, 0, 9, 9]], [[[0, 0, 9, 9]]], np.ones([3, 4], int) * [0, 1, 7, 8]], ids=str
)
def test_boxes_of_one_image(rois):
    boxes = np.asarray(mold_rois(rois, ONE))
    expected = (np.asarray(rois, float).reshape(1, -1, 4) - [0, 0, 1, 1]) / 63
    np.testing.assert_allclose(boxes, expected, rtol=1e-6)


def test_a_box_that_shrinks_to_less_than_a_pixel():
    large = molded((640, 640))
    with pytest.raises(ImageError, match="ROI 1 of image 0 is less than one pixel"):
        mold_rois([[0, 0, 100, 100], [300, 300, 305, 400]], large)
    with pytest.raises(ImageError, match="less than one pixel"):  # at the border
        mold_rois([[635, 0, 640, 640]], large)
    assert np.isfinite(np.asarray(mold_rois([[300, 300, 310, 310]], large))).all()


def test_boxes_of_several_images_are_padded():
    two = molded((64, 64), (32, 64))
    boxes = np.asarray(mold_rois([[[0, 0, 9, 9]], [[0, 0, 9, 9], [1, 1, 8, 8]]], two))
    assert boxes.shape == (2, 2, 4) and not boxes[0, 1].any()
    with pytest.raises(ImageError, match="rois came for 1 images, but there are 2"):
        mold_rois([[[0, 0, 9, 9]]], two)
