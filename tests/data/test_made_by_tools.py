"""Files that the tools' own packages wrote (tools/foreign_files.py) hold what was drawn."""

from pathlib import Path

import numpy as np
import pytest

from mrcnn_explained.data.objects import load_objects
from mrcnn_explained.data.open import open_dataset

FOLDER = Path(__file__).parent / "made_by_tools"
TRIANGLE, CRATE = [5, 10, 25, 30], [10, 35, 30, 55]  # y1, x1, y2, x2


def objects(dataset):
    found = load_objects(dataset, 0)
    names = [dataset.class_names[i] for i in found.class_ids]
    boxes = {name: box.tolist() for name, box in zip(names, found.boxes, strict=True)}
    return boxes, found


@pytest.mark.parametrize("name", ["inside", "outside"])
def test_labelme(name):
    dataset = open_dataset("labelme", FOLDER / "labelme" / f"{name}.json")
    boxes, found = objects(dataset)
    assert list(boxes) == ["sail", "crate", "buoy"] and not found.problems
    for label, box in (("sail", TRIANGLE), ("crate", CRATE), ("buoy", [24, 14, 36, 26])):
        np.testing.assert_allclose(boxes[label], box, atol=1)
    assert dataset.load_image(0).shape == (40, 60, 3) and (dataset.load_image(0) == 90).all()


def test_a_mask_of_labelme_lies_where_it_was_drawn():
    boxes, found = objects(open_dataset("labelme", FOLDER / "labelme" / "mask.json"))
    assert boxes == {"hull": [22, 8, 26, 14]} and found.masks.sum() == 4 * 6


def test_datumaro_as_cvat_uses_it():
    dataset = open_dataset("coco", FOLDER / "datumaro_coco")
    boxes, _ = objects(dataset)
    np.testing.assert_allclose(boxes["sail"], TRIANGLE, atol=1)
    np.testing.assert_allclose(boxes["crate"], CRATE, atol=0)
    np.testing.assert_allclose(boxes["hull"], [30, 3, 38, 20], atol=1)
    assert dataset.load_image(0).shape == (40, 60, 3)
