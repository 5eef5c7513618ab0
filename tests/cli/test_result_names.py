"""Ids and names in the results of `detect`: COCO's where images or classes are COCO's."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn_explained.cli.result_names import result_names
from mrcnn_explained.coco_classes import (
    COCO_CATEGORY_IDS,
    COCO_CLASSES,
    category_ids,
    coco_image_ids,
)
from mrcnn_explained.config import Config

NAMED = ["000000000139.jpg", "000000581781.jpg"]
OWN = ["a.png", "b.png"]


def test_the_numbers_that_coco_gives():
    numbers = {"person": 1, "fire hydrant": 11, "stop sign": 13, "cat": 17, "backpack": 27,
               "bottle": 44, "wine glass": 46, "dining table": 67, "toilet": 70, "tv": 72,
               "book": 84, "toothbrush": 90}  # fmt: skip
    assert {name: COCO_CATEGORY_IDS[name] for name in numbers} == numbers
    assert len(COCO_CATEGORY_IDS) == 80
    ids = category_ids(COCO_CLASSES)
    assert ids[0] == 0 and ids[80] == 90 and list(ids) == sorted(set(ids))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["BG", "toothbrush", "cat"], (0, 90, 17)),
        (["background", "cat", "balloon"], None),
        (["background", "Cat"], None),
        (["background"], None),
        ([], None),
    ],
)
def test_categories_by_name(names, expected):
    assert category_ids(names) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (NAMED, (139, 581781)),
        (["val2014/COCO_val2014_000000000042.jpg", "train/000000000009.JPG"], (42, 9)),
        (["000000000139.jpg", "a.jpg"], None),
        (["000000000139.jpg", "x/000000000139.png"], None),
        (["139.jpg"], None),
        (["0000000001390.jpg"], None),
        ([], None),
    ],
)
def test_image_ids_by_name(names, expected):
    assert (coco_image_ids(names) or None) == expected


@pytest.mark.parametrize(
    ("images", "classes", "image_ids", "toothbrush", "note"),
    [
        (NAMED, COCO_CLASSES, (139, 581781), 90, "COCO's, read .*; category_id is COCO's"),
        (OWN, COCO_CLASSES, (0, 1), 90, "0, 1, … .*; category_id is COCO's"),
        (NAMED, ("BG", "toothbrush"), (139, 581781), 90, "COCO's, read .*; category_id is COCO's"),
        (OWN, ("BG", "toothbrush"), (0, 1), 1, "0, 1, … .*; category_id is the model's number"),
        (NAMED, ("BG", "x"), (139, 581781), 1, "COCO's, read .*; category_id is the model's"),
        (OWN, (), (0, 1), 1, "0, 1, … .*; category_id is the model's number"),
    ],
)
def test_ids_of_results(images, classes, image_ids, toothbrush, note):
    called = result_names(images, classes)
    last = len(classes) - 1 if len(classes) > 1 else 1
    assert called.image_ids == image_ids
    assert called.categories([last]) == [toothbrush]
    assert re.search(note, called.note)


def test_two_images_of_one_stem_have_two_names():
    called = result_names(["a.jpg", "a.png", "x/a.png", "b.jpg", "x/c.png", "b.jpg.png"], ())
    assert called.csv_ids == ("a.jpg", "a.png", "x/a.png", "b", "c", "b.jpg.png")
    assert called.drawn == (
        "a.jpg.png", "a.png", "x/a.png", "b.jpg.png.png", "x/c.png", "b.jpg.png"
    )  # fmt: skip
    assert len(set(called.csv_ids)) == len(set(called.drawn)) == 6


# Scored with pycocotools ----------------------------------------------------------------------


class Model:
    """A model of COCO's classes; its detections are made by hand."""

    config = Config.coco()


def square(top, left, side, shape=(64, 64)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def detections(*objects):
    """(class name, score, mask) as `MaskRCNN.detect` returns them."""
    masks = np.stack([mask for _, _, mask in objects], axis=-1)
    rows = [np.argwhere(mask) for _, _, mask in objects]
    rois = [[*r.min(axis=0), *(r.max(axis=0) + 1)] for r in rows]
    return {
        "rois": np.array(rois, np.int32),
        "class_ids": np.array([COCO_CLASSES.index(name) for name, _, _ in objects], np.int32),
        "scores": np.array([score for _, score, _ in objects], np.float32),
        "masks": masks,
    }


def annotations():
    """Two images of COCO's validation set, with squares of toothbrushes and one cat."""
    from mrcnn_explained.evaluation.export import coco_results

    truth = {
        139: detections(("toothbrush", 1, square(0, 0, 20)), ("toothbrush", 1, square(30, 30, 20))),
        581781: detections(("toothbrush", 1, square(10, 10, 30)), ("cat", 1, square(40, 0, 20))),
    }
    for found in truth.values():
        found["class_ids"] = np.array(category_ids(COCO_CLASSES))[found["class_ids"]]
    rows = [row for image, found in truth.items() for row in coco_results(image, **found)]
    return {
        "images": [{"id": image, "height": 64, "width": 64} for image in truth],
        "categories": [{"id": number, "name": name} for name, number in COCO_CATEGORY_IDS.items()],
        "annotations": [
            {**row, "id": i, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}
            for i, row in enumerate(rows, start=1)
        ],
    }


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_results_of_coco_images_score_as_computed_by_hand(kind, tmp_path):
    from mrcnn_explained.cli.detect import _coco_rows

    found = [
        # The first toothbrush is right, the second is not found, and one is wrong.
        detections(("toothbrush", 0.9, square(0, 0, 20)), ("toothbrush", 0.6, square(0, 44, 20))),
        detections(("toothbrush", 0.8, square(10, 10, 30)), ("cat", 0.7, square(40, 0, 20))),
    ]
    called = result_names(NAMED, COCO_CLASSES)
    rows = [row for i in range(2) for row in _coco_rows(Model, found[i], NAMED[i], i, called)]
    assert [(row["class"], row["category_id"]) for row in rows] == [
        ("toothbrush", 90), ("toothbrush", 90), ("toothbrush", 90), ("cat", 17)
    ]  # fmt: skip
    (tmp_path / "gt.json").write_text(json.dumps(annotations()))
    (tmp_path / "dt.json").write_text(json.dumps(rows))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "gt.json"))
        score = COCOeval(truth, truth.loadRes(str(tmp_path / "dt.json")), kind)
        score.evaluate()
        score.accumulate()
        score.summarize()
    # Toothbrush: right at .9 and .8, wrong at .6; 2 of 3 found. Precision is 1 up to the recall
    # 2/3, that is at 67 of the 101 recalls 0, .01, … 1, and 0 above. Cat: 1. The mean of both:
    assert score.stats[0] == pytest.approx((67 / 101 + 1) / 2)
