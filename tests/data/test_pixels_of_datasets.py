"""Images of datasets come in by the same way as others: their range, and arrays of own classes."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import load_sample
from mrcnn_explained.data.dataset import Dataset, DatasetError, load_pixels
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.errors import ImageError, ImageWarning


@pytest.fixture
def camera(tmp_path):
    """A COCO file of one 12-bit image, dark but for one pixel, with one object."""
    pixels = np.full([40, 60], 400, np.uint16)
    pixels[0, 0] = 900
    Image.fromarray(pixels).save(tmp_path / "a.png")
    polygon = [10, 10, 50, 10, 50, 30, 10, 30]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 40, "width": 60}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 800,
             "bbox": [10, 10, 40, 20], "segmentation": [polygon]}
        ],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    return tmp_path / "a.json"


def test_the_range_of_a_dataset(camera):
    guessed = open_dataset("coco", camera, images=camera.parent)
    with pytest.warns(ImageWarning, match="are taken as 10 bits"):
        assert guessed.load_image(0)[5, 5, 0] == round(400 * 255 / 1023)
    given = open_dataset("coco", camera, images=camera.parent, value_range=(0, 4095))
    assert given.load_image(0)[5, 5, 0] == round(400 * 255 / 4095)
    with pytest.raises(ImageError, match="lower one first"):
        open_dataset("coco", camera, images=camera.parent, value_range=(5, 5))
    with pytest.raises(DatasetError, match="takes no --value-range"):
        open_dataset("shapes", value_range=(0, 1))


class Own(Dataset):
    """A user's class, whose images are floats 0…1 of one channel."""

    def __init__(self, array):
        super().__init__()
        self.array = array
        self.add_class("own", 1, "cell")
        self.add_image("own", "a.npy", "a.npy")
        self.prepare()

    def load_image(self, image_id):
        return self.array

    def load_mask(self, image_id):
        mask = np.zeros([*self.array.shape[:2], 1], bool)
        mask[10:30, 10:50] = True
        return mask, np.array([1], np.int32)


def test_arrays_of_a_users_class_are_converted_when_training():
    config = Config(num_classes=2, image_min_dim=64, image_max_dim=64)
    floats, whole = Own(np.full([40, 60], 0.5)), Own(np.full([40, 60, 3], 128, np.uint8))
    assert load_pixels(floats, 0).tolist() == whole.array.tolist()
    found, expected = (load_sample(dataset, 0, config)[0] for dataset in (floats, whole))
    np.testing.assert_array_equal(found.resized, expected.resized)


def test_an_array_without_meaning_is_refused_by_name():
    with pytest.raises(ImageError, match=r"^own: a.npy holds float64 values from -1.0"):
        load_pixels(Own(np.full([40, 60], -1.0)), 0)
