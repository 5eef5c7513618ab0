"""Labelme's files, one per image, and folders of them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from data.annotation_files import accounted, coco, dump, save_image
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.labelme import LabelmeDataset
from mrcnn_explained.data.open import open_dataset


def shape(label, points, kind="polygon", group=None, **more):
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, **more}


def labelme(*shapes, image="a.png", size=(128, 160)):
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


SQUARE = [[10, 20], [30, 20], [30, 50], [10, 50]]


def read(tmp_path, *shapes):
    save_image(tmp_path / "a.png")
    return LabelmeDataset(dump(tmp_path / "a.json", labelme(*shapes)))


def test_shapes_of_every_kind(tmp_path):
    mask = np.zeros([5, 6], bool)
    mask[1:, 2:] = True
    data = read(
        tmp_path,
        shape("b", SQUARE),
        shape("a", [[30, 50], [10, 20]], "rectangle"),
        shape("a", [[60, 60], [60, 70]], "circle"),
        shape("c", [[100, 90], [105, 94]], "mask", mask=png(mask)),
        shape("a", [[10.0, 20.0], [30.0, 20.0], [30.0, 50.0]], None),
    )
    assert data.class_names == ["BG", "a", "b", "c"]
    found = data.load_objects(0)
    assert found.class_ids.tolist() == [2, 1, 1, 3, 1] and found.has_mask.all()
    assert found.boxes[:2].tolist() == [[20, 10, 50, 30]] * 2
    assert found.boxes[2].tolist() == [50, 50, 70, 70]
    assert found.boxes[3].tolist() == [91, 102, 95, 106] and found.masks[..., 3].sum() == 16
    assert found.names[1] == "shape 2" and accounted(data) == (5, 0)


BROKEN = {
    "point": (shape("a", [[1, 1]], "point"), "has no area"),
    "line": (shape("a", [[1, 1], [5, 5]], "line"), "has no area"),
    "linestrip": (shape("a", [[1, 1], [5, 5], [9, 1]], "linestrip"), "has no area"),
    "two points": (shape("a", [[1, 1], [5, 5]]), "2 different points"),
    "flat": (shape("a", [[1, 1], [5, 5], [9, 9]]), "flat"),
    "click": (shape("a", [[1, 1], [1, 1]], "rectangle"), "has no area"),
    "circle of a click": (shape("a", [[1, 1], [1, 1]], "circle"), "has no area"),
    "no label": (shape("", SQUARE), "no label"),
    "number as label": (shape(3, SQUARE), "no label"),
    "no points": (shape("a", None), "no points"),
    "empty": (shape("a", []), "no points"),
    "pairs": (shape("a", [[1, 1, 1], [2, 2, 2]]), "two coordinates"),
    "null": (shape("a", [[1, None], [2, 2], [4, 1]]), "holds null"),
    "unknown": (shape("a", SQUARE, "cube"), "'cube' are not known"),
    "mask without": (shape("a", [[1, 1], [9, 9]], "mask"), "missing"),
    "mask broken": (shape("a", [[1, 1], [9, 9]], "mask", mask="AAAA"), "not a PNG"),
    "mask no base64": (shape("a", [[1, 1], [9, 9]], "mask", mask="äö"), "not in base64"),
    "background": (shape("_background_", SQUARE), "background"),
    "a number": (7, "is int"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_shapes_that_are_no_objects_are_reported(tmp_path, kind):
    given, reason = BROKEN[kind]
    data = read(tmp_path, shape("b", SQUARE), given)
    found = data.load_objects(0)
    assert found.boxes.tolist() == [[20, 10, 50, 30]]
    assert [problem.annotation for problem in found.problems] == ["shape 2"]
    assert reason in found.problems[0].reason and accounted(data) == (1, 1)


def test_shapes_of_a_group_are_one_object(tmp_path):
    other = [[100, 100], [110, 100], [110, 110], [100, 110]]
    data = read(tmp_path, shape("a", SQUARE, group=1), shape("a", other, group=1))
    found = data.load_objects(0)
    assert found.boxes.tolist() == [[20, 10, 110, 110]] and found.masks.sum() == 600 + 100
    assert data.reading.objects_in_file == 1
    data = read(tmp_path, shape("a", SQUARE, group=1), shape("b", other, group=1))
    assert data.load_objects(0).class_ids.tolist() == [1, 2]


def test_a_folder_of_files(tmp_path):
    save_image(tmp_path / "images" / "a.png")
    save_image(tmp_path / "images" / "b.png")
    for name in "ab":
        content = labelme(shape(name, SQUARE), image=f"..\\images\\{name}.png")
        dump(tmp_path / "labels" / f"{name}.json", content)
    dump(tmp_path / "labels" / "settings.json", {"theme": "dark"})
    dump(tmp_path / "labels" / ".hidden" / "c.json", labelme(shape("c", SQUARE)))
    (tmp_path / "labels" / "cut.json").write_text('{"shapes": [')
    data = open_dataset("auto", tmp_path / "labels")
    assert data.class_names == ["BG", "a", "b"] and data.num_images == 2
    assert data.load_mask(1)[1].tolist() == [2] and accounted(data) == (2, 0)
    assert "cut.json" in str(data.problems[0]) and "settings.json" in data.notes[0].reason


def test_a_file_of_another_tool(tmp_path):
    with pytest.raises(DatasetError, match="this is COCO: use --dataset coco"):
        LabelmeDataset(dump(tmp_path / "a.json", coco([])))
    with pytest.raises(DatasetError, match="holds no Labelme file"):
        LabelmeDataset(tmp_path)
