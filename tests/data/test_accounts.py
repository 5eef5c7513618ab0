"""Nothing is lost in silence: the objects in a file are those that are used plus those reported.

Files of the three formats are broken at random places; whatever they hold, they are read, or
refused in one line.
"""

import copy
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.annotation_files import accounted, annotation, coco, dump, rect, save_image, via
from data.test_labelme import SQUARE, labelme, shape
from mrcnn_explained.data.coco import CocoDataset
from mrcnn_explained.data.labelme import LabelmeDataset
from mrcnn_explained.data.via import ViaDataset
from mrcnn_explained.errors import InputError

FILES = int(os.environ.get("FUZZED_FILES", "300"))
LONGEST = 300  # characters of a message, without the folder

STRANGE = (
    None, True, 0, 1, -1, 0.5, 1e30, float("nan"), float("inf"), 2**63, 2**70, 10**9, "", "1", "x",
    "\ud800", "a\x00b", "9" * 30, "{n}", [], {}, [[]], [None], [1], [1, 2, 3, 4], [[1, 2, 3, 4]],
    [[0, 0, 0, 0, 0, 0]], [[5, 5, 9e5, 5, 25, 9e5]], {"counts": "", "size": [60, 80]},
    {"counts": [2**62, 2**62], "size": [60, 80]}, {"counts": [10**12], "size": [10**6, 10**6]},
    "word " * 200,
)  # fmt: skip


def coco_file():
    runs = {"size": [60, 80], "counts": [100, 50, 4650]}
    rows = [
        annotation(3 * i + k, i, (5, 5, 25, 25), 1 + k % 2, **more)
        for i in range(3)
        for k, more in enumerate(({}, {"segmentation": runs}, {"segmentation": []}))
    ]
    images = {i: f"{i}.png" for i in range(3)}
    return coco(rows, images, {1: "cat", 2: "dog"}, size=(60, 80))


def via_file():
    polygon = {"name": "polygon", "all_points_x": [5, 25, 25], "all_points_y": [5, 5, 25]}
    ellipse = {"name": "ellipse", "cx": 40, "cy": 30, "rx": 8, "ry": 5, "theta": 0.3}
    regions = [
        rect(30, 10, 10, 10, kind="dog"),
        {"shape_attributes": polygon, "region_attributes": {"kind": "cat"}},
        {"shape_attributes": ellipse, "region_attributes": {"kind": {"cat": True}}},
    ]
    return copy.deepcopy(via(**{str(i): regions for i in range(3)}))


def labelme_file():
    shapes = [shape("a", SQUARE), shape("a", SQUARE, group=1), shape("b", SQUARE, group=1)]
    shapes += [shape("b", [[1, 1], [20, 20]], kind) for kind in ("rectangle", "circle")]
    return copy.deepcopy(labelme(*shapes, image="0.png", size=(60, 80)))


KINDS = {
    "coco": (coco_file, CocoDataset),
    "via": (via_file, ViaDataset),
    "labelme": (labelme_file, LabelmeDataset),
}


def places(value):
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value) if type(value) is list else 0)
    for key in keys:
        yield value, key
        yield from places(value[key])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzzed")
    for i in range(3):
        save_image(path / f"{i}.png", np.zeros([60, 80, 3], np.uint8))
    return path


@settings(max_examples=FILES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(kind=st.sampled_from(list(KINDS)), data=st.data())
def test_objects_in_a_file_are_used_or_reported(folder, kind, data):
    make, opened = KINDS[kind]
    content = make()
    for _ in range(data.draw(st.integers(0, 4))):
        holder, key = data.draw(st.sampled_from(list(places(content)) or [([0], 0)]))
        if data.draw(st.booleans()) and data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(STRANGE)))
    path = dump(folder / "file.json", content)

    def check(message):
        """A message is one line without the file's content."""
        text = str(message).replace(str(folder), "")
        assert len(text) < LONGEST and "\n" not in text and "word word word word" * 4 not in text

    try:
        dataset = opened(path)
        assert sum(accounted(dataset)) == dataset.reading.objects_in_file
        for finding in (*dataset.problems, *dataset.notes):
            check(finding)
        for image_id in dataset.image_ids:
            found = dataset.load_objects(image_id)
            assert found.masks.shape[2] == len(found.class_ids) == len(found.names)
            for finding in (*found.problems, *found.notes):
                check(finding)
    except InputError as error:
        check(error)
