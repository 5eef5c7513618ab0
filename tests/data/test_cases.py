"""Inputs that people had trouble with, rebuilt from public reports, each with the right reading."""

import json

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from data.annotation_files import (
    accounted,
    annotation,
    coco,
    corners,
    dump,
    pixels,
    rect,
    run_counts,
    save_image,
    via,
)
from mrcnn_explained.config import Config
from mrcnn_explained.data.classes import class_map, in_model_classes
from mrcnn_explained.data.coco import CocoDataset, coco_folder
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.objects import check_problems, extract_boxes, load_objects
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.data.via import ViaDataset

BOX = (30, 20, 70, 100)


def reasons(findings):
    return [finding.reason for finding in findings]


# 01 ---------------------------------------------------------------------------------------------


def test_01_a_checkbox_of_via_names_the_class(tmp_path):
    free, taken = {"status": {"free": True}}, {"status": {"taken": True}}
    both = {"status": {"free": True, "taken": True}}
    unticked = {"status": {"free": True, "taken": False}}
    content = via(
        a=[rect(10, 10, 9, 9, **free), rect(30, 10, 9, 9, **taken), rect(50, 10, 9, 9, **unticked)],
        b=[rect(10, 10, 9, 9, **taken), rect(30, 10, 9, 9), rect(50, 10, 9, 9, **both)],
    )
    for name in "ab":
        save_image(tmp_path / f"{name}.png")
    data = ViaDataset(dump(tmp_path / "via.json", content))
    assert data.class_names == ["BG", "free", "taken"]
    assert [data.load_mask(i)[1].tolist() for i in (0, 1)] == [[1, 2, 1], [2]]
    assert [str(problem).split("via.json, ")[1] for problem in data.problems] == [
        "image b.png, region 2: it has no class: its attribute status is empty",
        "image b.png, region 3: it has 2 classes: free, taken",
    ]
    assert accounted(data) == (4, 2)


# 02 ---------------------------------------------------------------------------------------------


def test_02_one_point_does_not_take_the_polygons_away(tmp_path):
    point = {"shape_attributes": {"name": "point", "cx": 30, "cy": 99}, "region_attributes": {}}
    good = [rect(10 + 50 * c, 10 + 40 * r, 40, 30) for r in range(3) for c in range(3)]
    save_image(tmp_path / "a.png")
    data = ViaDataset(dump(tmp_path / "via.json", via(a=[*good, point])))
    found = data.load_objects(0)
    assert found.masks.shape == (128, 160, 9) and found.masks.any((0, 1)).all()
    [problem] = found.problems
    assert problem.annotation == "region 10" and "point" in problem.reason
    with pytest.raises(DatasetError, match=r"via\.json, image a\.png, region 10: .*--broken skip"):
        check_problems(data)


# 03 ---------------------------------------------------------------------------------------------


def test_03_annotation_ids_that_start_again_on_each_image(tmp_path):
    boxes = {1: [(10, 10, 40, 40), (60, 60, 100, 120)], 2: [(20, 100, 50, 140)], 3: [BOX]}
    for image_id in boxes:
        save_image(tmp_path / f"{image_id}.png")
    rows = [annotation(n + 1, i, box) for i, own in boxes.items() for n, box in enumerate(own)]
    content = coco(rows, {i: f"{i}.png" for i in boxes})
    data = CocoDataset(dump(tmp_path / "a.json", content))
    for index, own in enumerate(boxes.values()):
        np.testing.assert_array_equal(data.load_objects(index).boxes, own)
    assert data.load_objects(2).names == ("annotation 1 (number 4 of the file)",)


# 04 ---------------------------------------------------------------------------------------------


ABSENT = object()
WITHOUT_POLYGON = {
    "empty": [],
    "nested empty": [[]],
    "absent": ABSENT,
    "null": None,
    "four numbers": [20, 30, 100, 70],
    "two points": [[20, 30, 100, 70]],
}


@pytest.mark.parametrize("kind", WITHOUT_POLYGON)
def test_04_a_box_without_a_polygon_is_a_box(tmp_path, kind):
    row = annotation(1, 1, BOX, segmentation=WITHOUT_POLYGON[kind])
    if row["segmentation"] is ABSENT:
        del row["segmentation"]
    save_image(tmp_path / "a.png")
    rows = [row, annotation(2, 1, (0, 0, 10, 10))]
    found = CocoDataset(dump(tmp_path / "a.json", coco(rows))).load_objects(0)
    assert found.boxes.tolist() == [list(BOX), [0, 0, 10, 10]]
    assert found.has_mask.tolist() == [False, True] and found.class_ids.tolist() == [1, 1]
    assert found.masks[..., 0].sum() == 40 * 80  # the filled box


BROKEN_SEGMENTATIONS = {
    "flat": ([[20, 30, 60, 50, 100, 70]], "flat"),
    "one point": ([[20, 30, 20, 30, 20, 30]], "1 point"),
    "two points": ([[20, 30, 20, 30, 50, 30]], "2 different points"),
    "odd": ([[20, 30, 60, 50, 100]], "5 coordinates"),
    "text": ([["a", "b", "c", "d", "e", "f"]], "holds str"),
    "null in it": ([[20, 30, None, 50, 100, 70]], "holds null"),
    "far away": ([[20, 30, 1e30, 50, 100, 70]], "beyond any image"),
    "not a number": ([[20, 30, float("nan"), 50, 100, 70]], "holds nan"),
    "outside": ([[320, 30, 360, 30, 360, 70]], "outside of the image"),
    "a number": (7, "is int"),
    "numbers and lists": ([[20, 30, 60, 30, 60, 50], 7], "is int"),
    "no counts": ({"size": [128, 160]}, "no counts"),
    "no size": ({"counts": [128 * 160]}, "no size"),
    "other size": ({"size": [160, 128], "counts": [128 * 160]}, "160"),
    "huge size": ({"size": [10**9, 10**9], "counts": [10**18]}, "beyond any image"),
    "large size": ({"size": [10**6, 10**6], "counts": [10**12]}, "mask is 1000000x1000000"),
    "too few": ({"size": [128, 160], "counts": [5, 5]}, "fill 10 pixels"),
    "too many": ({"size": [128, 160], "counts": [5, 10**9]}, "fill 1000000005"),
    "negative": ({"size": [128, 160], "counts": [-5, 128 * 160 + 5]}, "no number of pixels"),
    "empty mask": ({"size": [128, 160], "counts": [128 * 160]}, "covers no pixel"),
    "cut text": ({"size": [128, 160], "counts": "abc"}, "run lengths"),
    "foreign text": ({"size": [128, 160], "counts": "äöü\x00"}, "run lengths are broken"),
    "endless text": ({"size": [128, 160], "counts": "o" * 10_000 + "0"}, "too large"),
}


@pytest.mark.parametrize("kind", BROKEN_SEGMENTATIONS)
def test_04_a_broken_segmentation_is_a_problem_and_the_others_stay(tmp_path, kind):
    segmentation, reason = BROKEN_SEGMENTATIONS[kind]
    save_image(tmp_path / "a.png")
    rows = [annotation(7, 1, BOX, segmentation=segmentation), annotation(8, 1, BOX)]
    found = CocoDataset(dump(tmp_path / "a.json", coco(rows))).load_objects(0)
    assert found.names == ("annotation 8",) and found.boxes.tolist() == [list(BOX)]
    [problem] = found.problems
    assert reason in problem.reason and len(str(problem)) < 300 + len(str(tmp_path))
    assert "image 1 (a.png), annotation 7" in str(problem)


BROKEN_FIELDS = {
    "category": ({"category_id": 5}, "no category 5"),
    "image": ({"image_id": 5}, "no image 5"),
    "no image": ({"image_id": None}, "no image None"),
    "iscrowd": ({"iscrowd": "maybe"}, "iscrowd is maybe"),
    "list as id": ({"category_id": [1]}, "no category"),
    "flat box": ({"bbox": [1, 1, 0, 9], "segmentation": []}, "has no area"),
    "short box": ({"bbox": [1, 1], "segmentation": []}, "four numbers"),
    "nothing": ({"bbox": None, "segmentation": []}, "neither a polygon nor a box"),
}


@pytest.mark.parametrize("kind", BROKEN_FIELDS)
def test_an_annotation_that_points_nowhere_is_reported(tmp_path, kind):
    fields, reason = BROKEN_FIELDS[kind]
    save_image(tmp_path / "a.png")
    rows = [{**annotation(7, 1, BOX), **fields}, annotation(8, 1, BOX)]
    data = CocoDataset(dump(tmp_path / "a.json", coco(rows)))
    [problem] = data.problems
    assert reason in problem.reason and problem.annotation == "annotation 7"
    assert accounted(data) == (1, 1) and data.reading.objects_in_file == 2


def test_ids_as_text_are_numbers_and_are_counted(tmp_path):
    save_image(tmp_path / "a.png")
    content = coco([annotation("1", "1", BOX, "1", iscrowd="0")])
    data = CocoDataset(dump(tmp_path / "a.json", content))
    assert data.load_objects(0).boxes.tolist() == [list(BOX)] and not data.problems
    assert reasons(data.notes) == [
        "annotations whose ids of image or category are text and taken as numbers: 1",
        "annotations with iscrowd as text: 1",
    ]


# 06 ---------------------------------------------------------------------------------------------


def brush_masks(tmp_path):
    mask = np.zeros([128, 160], bool)
    mask[10:60, 10:70] = True
    segmentation = {"size": [128, 160], "counts": run_counts(mask)}
    save_image(tmp_path / "a.png")
    rows = [annotation(n, 1, BOX, iscrowd=1, segmentation=segmentation) for n in (1, 2)]
    return dump(tmp_path / "a.json", coco(rows)), mask


def test_06_a_file_of_crowds_only_is_refused_or_read_as_objects(tmp_path):
    path, mask = brush_masks(tmp_path)
    data = CocoDataset(path)
    assert data.load_mask(0)[1].tolist() == [-1, -1]
    with pytest.raises(DatasetError, match="all 2 objects have iscrowd 1.*--crowds objects"):
        check_problems(data)
    data = open_dataset("coco", path, crowds=False)
    assert not data.problems
    found = data.load_objects(0)
    assert found.class_ids.tolist() == [1, 1]
    np.testing.assert_array_equal(found.masks[..., 0], mask)


# 07: tests/data/test_frames.py


# 08 ---------------------------------------------------------------------------------------------


LAYOUTS = {
    "roboflow": ("train/_annotations.coco.json", "train/a_jpg.rf.1f.jpg", "a_jpg.rf.1f.jpg"),
    "roboflow's folder": ("train/_annotations.coco.json", "train/a.jpg", "a.jpg"),
    "cvat": ("annotations/instances_default.json", "images/default/a.png", "a.png"),
    "cvat, old": ("annotations/instances_default.json", "images/a.png", "a.png"),
    "coco": ("annotations/instances_train2017.json", "train2017/a.png", "a.png"),
    "label studio": ("result.json", "images/7f-a.png", "images/7f-a.png"),
    "label studio, windows": ("result.json", "images/7f-a.png", "images\\7f-a.png"),
    "label studio, project": ("result.json", "images/7f-a.png", "../label/data/12/7f-a.png"),
    "labelme2coco": ("annotations.json", "JPEGImages/a.jpg", "JPEGImages/a.jpg"),
    "makesense": ("labels_my-project_2024.json", "a.png", "a.png"),
    "windows": ("a.json", "photos/a.png", "C:\\Users\\me\\photos\\a.png"),
    "address": ("a.json", "a b.png", "https://example.org/data/a%20b.png?w=3"),
    "capitals": ("a.json", "a.png", "A.PNG"),
    "subfolder": ("a.json", "deep/down/a.png", "a.png"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_08_images_are_found_where_the_tools_put_them(tmp_path, kind):
    file, stored, name = LAYOUTS[kind]
    save_image(tmp_path / stored, pixels(128, 160, [BOX]))
    path = dump(tmp_path / file, coco([annotation(0, 0, BOX)], {0: name}))
    for data in (CocoDataset(path), CocoDataset(path, (tmp_path / stored).parent)):
        assert not data.problems and data.load_objects(0).boxes.tolist() == [list(BOX)]
        assert data.load_image(0)[50, 50].tolist() != [110, 110, 110]
    if file.split("/")[-1] in ("_annotations.coco.json", "result.json", "annotations.json"):
        assert open_dataset("coco", tmp_path, subset="train").num_images == 1


def test_08_a_byte_order_mark_is_no_error(tmp_path):
    save_image(tmp_path / "a.png")
    text = json.dumps(coco([annotation(1, 1, BOX)]))
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.json").write_bytes(text.encode(encoding))
        assert CocoDataset(tmp_path / "a.json").load_mask(0)[1].tolist() == [1]


def test_08_classes_of_the_exports_without_objects_are_none(tmp_path):
    """Roboflow's first category is the project, labelme2coco's the background."""
    save_image(tmp_path / "a.png")
    content = coco([annotation(1, 1, BOX)], categories={0: "leaves", 1: "leaf"})
    content["categories"][1]["supercategory"] = "leaves"
    assert CocoDataset(dump(tmp_path / "a.json", content)).class_names == ["BG", "leaf"]
    content = coco([annotation(1, 1, BOX)], categories={0: "_background_", 1: "leaf"})
    data = CocoDataset(dump(tmp_path / "a.json", content))
    assert data.class_names == ["BG", "leaf"] and "_background_" in data.notes[0].reason


@pytest.mark.parametrize("group", [["leaves"], {"a": 1}, 7, None])
def test_08_a_supercategory_that_is_no_text_is_none(tmp_path, group):
    save_image(tmp_path / "a.png")
    content = coco([annotation(1, 1, BOX)])
    content["categories"][0]["supercategory"] = group
    assert CocoDataset(dump(tmp_path / "a.json", content)).load_mask(0)[1].tolist() == [1]


def test_08_names_that_several_files_have_are_refused(tmp_path):
    for folder in ("one", "two"):
        save_image(tmp_path / folder / "a.png")
    path = dump(tmp_path / "a.json", coco([annotation(1, 1, BOX)]))
    data = CocoDataset(path)
    with pytest.raises(DatasetError, match=r"2 files are called a\.png \(one/a\.png, two/a\.png\)"):
        data.load_objects(0)
    assert accounted(data) == (0, 1) and data.problems[0].lost == 1
    assert CocoDataset(path, tmp_path / "two").load_objects(0).boxes.tolist() == [list(BOX)]


def test_08_a_folder_without_a_known_layout_says_what_to_give(tmp_path):
    with pytest.raises(DatasetError, match="is not a file.*give the .json file itself"):
        open_dataset("coco", tmp_path)
    with pytest.raises(DatasetError, match="--images is .*nowhere, which is not a folder"):
        CocoDataset(dump(tmp_path / "a.json", coco([])), tmp_path / "nowhere")


# 11 ---------------------------------------------------------------------------------------------


def fruit(tmp_path, name, *kinds):
    regions = [rect(10 + 40 * i, 10, 30, 30, fruit=kind) for i, kind in enumerate(kinds)]
    save_image(tmp_path / name / "a.png")
    return ViaDataset(dump(tmp_path / name / "via.json", via(a=regions)))


def test_11_classes_are_matched_by_name(tmp_path):
    names = ("BG", "apple", "banana", "cherry")
    config = Config.slim(num_classes=4, class_names=names)
    fewer = fruit(tmp_path, "fewer", "cherry", "apple")
    assert fewer.load_mask(0)[1].tolist() == [2, 1]
    mapped = in_model_classes(fewer, config)
    assert mapped.class_names == names and mapped.load_mask(0)[1].tolist() == [3, 1]
    assert load_objects(mapped, 0).class_ids.tolist() == [3, 1]
    assert mapped.source_class_ids == {"": [0], "via": [0, 1, 3]}
    same = fruit(tmp_path, "same", "banana", "apple", "cherry")
    assert in_model_classes(same, config) is same


def test_11_a_class_that_the_model_lacks_is_refused_by_name(tmp_path):
    config = Config.slim(num_classes=4, class_names=("BG", "apple", "banana", "cherry"))
    other = fruit(tmp_path, "other", "cherry", "banana", "date")
    with pytest.raises(DatasetError, match="no class 'date'; its classes are 'apple', 'banana'"):
        class_map(other, config)
    nameless = Config.slim(num_classes=4)
    assert class_map(other, nameless).model_ids(np.array([3, -1])).tolist() == [3, -1]
    with pytest.raises(DatasetError, match="has 4 classes with the background, the model 7"):
        class_map(other, Config.slim(num_classes=7))


def test_11_the_ids_of_coco_are_kept_for_its_results(tmp_path):
    save_image(tmp_path / "a.png")
    content = coco([annotation(1, 1, BOX, 90)], categories={1: "person", 90: "toothbrush"})
    data = CocoDataset(dump(tmp_path / "a.json", content))
    classes = class_map(data, Config.coco())
    assert classes.model_ids(data.load_mask(0)[1]).tolist() == [80]
    assert classes.category_ids(np.array([80, 1])).tolist() == [90, 1]


def test_a_list_of_classes_without_objects_refuses_nothing(tmp_path):
    save_image(tmp_path / "a.png")
    content = coco([annotation(1, 1, BOX)], categories={1: "leaf", 2: "stone"})
    data = CocoDataset(dump(tmp_path / "a.json", content))
    config = Config.slim(num_classes=2, class_names=("BG", "leaf"))
    assert class_map(data, config).to_model.tolist() == [0, 1, 0]


# 18 ---------------------------------------------------------------------------------------------


HEIGHT, WIDTH = 120, 200
Y, X = np.mgrid[:HEIGHT, :WIDTH] + 0.0


def shape(name, **numbers):
    return {"name": name, **numbers}


def poly(x, y, name="polygon"):
    return shape(name, all_points_x=x, all_points_y=y)


def analytic_rect(s):
    right, bottom = s["x"] + s["width"] - 1, s["y"] + s["height"] - 1
    return (s["x"] <= X) & (right >= X) & (s["y"] <= Y) & (bottom >= Y)


def analytic_ellipse(s):
    """VIA turns clockwise on the screen."""
    rx, ry, theta = s.get("rx", s.get("r")), s.get("ry", s.get("r")), s.get("theta", 0)
    dx, dy = X - s["cx"], Y - s["cy"]
    u, v = dx * np.cos(theta) + dy * np.sin(theta), dy * np.cos(theta) - dx * np.sin(theta)
    return (u / rx) ** 2 + (v / ry) ** 2 < 1


def analytic_polygon(s):
    outline = Outline(np.c_[np.float64(s["all_points_x"]), np.float64(s["all_points_y"])])
    inside = outline.contains_points(np.c_[X.ravel(), Y.ravel()], radius=0.01)
    other = outline.contains_points(np.c_[X.ravel(), Y.ravel()], radius=-0.01)
    return (inside | other).reshape(HEIGHT, WIDTH)


ANALYTIC = {
    "rect": analytic_rect,
    "circle": analytic_ellipse,
    "ellipse": analytic_ellipse,
    "polygon": analytic_polygon,
}
SHAPES = {
    "rect": shape("rect", x=20, y=10, width=30, height=20),
    "rect beyond": shape("rect", x=190, y=110, width=30, height=20),
    "rect negative": shape("rect", x=-5, y=-5, width=15, height=15),
    "rect of one pixel": shape("rect", x=5, y=5, width=1, height=1),
    "rect with fractions": shape("rect", x=20.5, y=10.5, width=30, height=20),
    "rect as text": shape("rect", x="20", y="10", width="30", height="20"),
    "circle": shape("circle", cx=60, cy=60, r=20.4),
    "circle at the edge": shape("circle", cx=0, cy=60, r=20),
    "ellipse": shape("ellipse", cx=100, cy=60, rx=40, ry=12),
    "ellipse turned": shape("ellipse", cx=100, cy=60, rx=40, ry=12, theta=0.5),
    "ellipse beyond": shape("ellipse", cx=190, cy=100, rx=40, ry=12, theta=-0.8),
    "polygon": poly([10, 60, 30, 5], [10, 20, 70, 40]),
    "polygon to the last pixel": poly([150, 200, 200, 150], [80, 80, 120, 120]),
    "polygon far beyond": poly([100.3, 90_000, 90_000], [60.6, -80_000, 90_000]),
    "polygon closed": poly([10, 40, 40, 10, 10], [10, 10, 30, 30, 10]),
    "polygon as text": poly(["10", "40", "40"], ["10", "10", "30"]),
}
NO_OBJECTS = {
    "rect of a click": (shape("rect", x=50, y=50, width=0, height=0), "has no area"),
    "rect without height": (shape("rect", x=50, y=50, width=9, height=0), "has no area"),
    "rect of negative width": (shape("rect", x=50, y=50, width=-9, height=9), "has no area"),
    "rect outside": (shape("rect", x=300, y=10, width=30, height=20), "outside of the image"),
    "rect with null": (shape("rect", x=None, y=10, width=30, height=20), "holds null"),
    "rect without width": (shape("rect", x=1, y=10, height=20), "holds null"),
    "rect with a word": (shape("rect", x="left", y=10, width=30, height=20), "holds str"),
    "rect far away": (shape("rect", x=2**63, y=10, width=30, height=20), "beyond any image"),
    "circle without radius": (shape("circle", cx=60, cy=60, r=0), "has no area"),
    "ellipse without a radius": (shape("ellipse", cx=60, cy=60, rx=3), "holds null"),
    "polygon of two": (poly([10, 40], [10, 30]), "2 different points"),
    "polygon of one": (poly([10], [10]), "1 point"),
    "polygon of none": (poly([], []), "0 different points"),
    "polygon of three on a line": (poly([10, 20, 30], [10, 20, 30]), "flat"),
    "polygon uneven": (poly([10, 40, 40], [10, 10]), "3 values of x, but 2 of y"),
    "polygon far away": (poly([1e30, 1, 9], [1, 9, 9]), "beyond any image"),
    "polygon of numbers": (poly(3, 4), "is int"),
    "polyline": (poly([10, 40, 40], [10, 10, 30], "polyline"), "has no area"),
    "point": (shape("point", cx=3, cy=3), "has no area"),
    "no shape": ({}, "has no area"),
    "null": (None, "is missing"),
}


def one_region(tmp_path, shape_attributes):
    save_image(tmp_path / "a.png", pixels(HEIGHT, WIDTH))
    region = {"shape_attributes": shape_attributes, "region_attributes": {"k": "x"}}
    return ViaDataset(dump(tmp_path / "via.json", via(a=[region]))).load_objects(0)


@pytest.mark.parametrize("kind", SHAPES)
def test_18_shapes_of_via_are_drawn_as_they_are(tmp_path, kind):
    given = SHAPES[kind]
    found = one_region(tmp_path, given)
    numbers = {k: float(v) if isinstance(v, str) and k != "name" else v for k, v in given.items()}
    expected = ANALYTIC[given["name"]](numbers)
    np.testing.assert_array_equal(found.masks[..., 0], expected)
    np.testing.assert_array_equal(found.boxes, extract_boxes(expected[..., np.newaxis]))
    cut = "it reaches beyond the image: that part is cut off"
    assert reasons(found.notes) == ([cut] if kind.split()[-1] in CUT else [])


CUT = ("beyond", "negative", "edge")


@pytest.mark.parametrize("kind", NO_OBJECTS)
def test_18_shapes_without_area_are_problems(tmp_path, kind):
    given, reason = NO_OBJECTS[kind]
    found = one_region(tmp_path, given)
    assert found.masks.shape == (HEIGHT, WIDTH, 0) and len(found.problems) == 1
    assert reason in found.problems[0].reason and found.problems[0].annotation == "region 1"


# 19 ---------------------------------------------------------------------------------------------


VIA = via(a=[rect(10, 10, 20, 20, kind="Käfer")])
LABELME = {
    "version": "5.2.1",
    "shapes": [{"label": "cat", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}],
    "imagePath": "a.png",
    "imageHeight": 128,
    "imageWidth": 160,
}
FOREIGN = {
    "coco": (coco([]), "this is COCO: use --dataset coco"),
    "labelme": (LABELME, "this is a Labelme file: use --dataset labelme"),
    "label studio": (
        [{"id": 1, "annotations": [{"result": []}], "data": {"image": "/data/1/a.png"}}],
        "Label Studio's own JSON; export it from Label Studio as COCO",
    ),
    "createml": ([{"image": "a.png", "annotations": []}], "CreateML"),
    "results": ([{"image_id": 1, "category_id": 1, "score": 0.5}], "COCO results"),
    "geojson": ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
    "config": ({"num_classes": 3, "image_min_dim": 64}, "config"),
    "unknown": ({"secret": "x" * 1000}, "give its JSON or CSV"),
    "number": (7, "give its JSON or CSV"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_19_a_file_of_another_tool_is_named(tmp_path, kind):
    content, message = FOREIGN[kind]
    with pytest.raises(DatasetError) as caught:
        ViaDataset(dump(tmp_path / "x.json", content))
    text = str(caught.value).replace(str(tmp_path), "")
    assert message in text and len(text) < 300 and "\n" not in text and "xxx" not in text


def test_19_via_given_as_coco_or_labelme(tmp_path):
    path = dump(tmp_path / "x.json", VIA)
    for kind in ("coco", "labelme"):
        with pytest.raises(DatasetError, match="VGG Image Annotator: use --dataset via"):
            open_dataset(kind, path)
    assert open_dataset("auto", path).class_names == ["BG", "Käfer"]


def test_19_encodings(tmp_path):
    save_image(tmp_path / "a.png")
    text = json.dumps(VIA, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "x.json").write_bytes(text.encode(encoding))
        assert ViaDataset(tmp_path / "x.json").class_names == ["BG", "Käfer"]
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=r"x\.json is not in UTF-8 \(byte \d+\): save it again"):
        ViaDataset(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ("1" * 10_000, "too long to read"),
        ("{", r"is not JSON \(Expecting .*, line 1\)"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        ViaDataset(tmp_path / "x.json")


def test_pipes_and_folders_are_refused_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.json")
    for name, message in (("pipe.json", "not a regular file"), (".", "is a folder")):
        with pytest.raises(DatasetError, match=message):
            ViaDataset(tmp_path / name)
    with pytest.raises(DatasetError, match="cannot be the name of a file"):
        ViaDataset("a\0b.json")


def test_the_folder_of_coco_is_still_the_default_way(tmp_path):
    save_image(tmp_path / "val2017" / "a.png")
    save_image(tmp_path / "train2017" / "a.png")
    path = tmp_path / "annotations" / "instances_val2017.json"
    dump(path, coco([annotation(1, 1, BOX, segmentation=[corners(*BOX)])]))
    data = coco_folder(tmp_path)
    assert data.image_info[0]["path"] == tmp_path / "val2017" / "a.png"
