"""Annotation files of others: COCO's polygons, run lengths and crowds; VIA's regions."""

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn_explained.data.annotations import load_sample
from mrcnn_explained.data.coco import CocoDataset, coco_folder
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.data.via import ViaDataset


def save_image(path, height=40, width=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full([height, width, 3], 90, np.uint8)).save(path)


def uncompressed(mask):
    """COCO's run lengths: how many 0, how many 1, …, down the columns."""
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


@pytest.fixture
def coco(tmp_path):
    save_image(tmp_path / "val2017" / "a.png")
    crowd = np.zeros([40, 60], bool)
    crowd[20:30, 5:15] = True
    content = {
        "images": [{"id": 42, "file_name": "a.png", "height": 40, "width": 60}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 42, "category_id": 18, "iscrowd": 0, "area": 100,
             "bbox": [10, 5, 10, 10],
             "segmentation": [[10, 5, 20, 5, 20, 15, 10, 15]]},
            {"id": 2, "image_id": 42, "category_id": 3, "iscrowd": 1, "area": 100,
             "bbox": [5, 20, 10, 10],
             "segmentation": {"size": [40, 60], "counts": uncompressed(crowd)}},
        ],
    }  # fmt: skip
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    return tmp_path


def test_polygons_run_lengths_and_crowds_of_coco(coco):
    data = coco_folder(coco)
    assert data.class_names == ["BG", "cat", "dog"] and data.image_info[0]["id"] == 42
    masks, ids = data.load_mask(0)
    np.testing.assert_array_equal(ids, [2, -1])
    np.testing.assert_array_equal(extract_boxes(masks), [[5, 10, 15, 20], [20, 5, 30, 15]])
    assert masks[..., 0].sum() == masks[..., 1].sum() == 100
    assert data.load_image(0).shape == (40, 60, 3)
    opened = open_dataset("coco", coco)
    assert opened.image_reference(0) == "coco: 42"


def test_an_image_without_annotations_has_none(coco):
    path = coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "annotations": []}))
    masks, ids = coco_folder(coco).load_mask(0)
    assert masks.shape == (40, 60, 0) and not len(ids)


def test_a_missing_image_of_coco_is_named(coco):
    (coco / "val2017" / "a.png").unlink()
    from mrcnn_explained.config import Config

    config = Config.slim(num_classes=3, image_min_dim=64, image_max_dim=64)
    with pytest.raises(DatasetError, match=r"val2017\.json, image 42 \(a\.png\): .*--images"):
        load_sample(coco_folder(coco), 0, config)


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"images": [{"id": 1}], "categories": []}'])
def test_files_that_are_not_cocos(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DatasetError, match=r"a\.json is not in COCO's format"):
        CocoDataset(tmp_path / "a.json", tmp_path)
    with pytest.raises(DatasetError, match="is not a file"):
        CocoDataset(tmp_path / "b.json", tmp_path)


# VIA --------------------------------------------------------------------------------------------


REGIONS = [
    {"shape_attributes": {"name": "polygon", "all_points_x": [10, 19, 19, 10],
                          "all_points_y": [5, 5, 14, 14]}, "region_attributes": {"kind": "b"}},
    {"shape_attributes": {"name": "rect", "x": 30, "y": 2, "width": 8, "height": 4},
     "region_attributes": {"kind": "a"}},
    {"shape_attributes": {"name": "circle", "cx": 45, "cy": 25, "r": 5},
     "region_attributes": {"kind": "a"}},
    {"shape_attributes": {"name": "ellipse", "cx": 20, "cy": 30, "rx": 12, "ry": 4, "theta": 0},
     "region_attributes": {"kind": "c"}},
]  # fmt: skip


def via(tmp_path, regions=None, project=False, **more):
    save_image(tmp_path / "a.png")
    entries = {
        "a.png123": {"filename": "a.png", "size": 123, "regions": regions or REGIONS},
        "b.png5": {"filename": "b.png", "size": 5, "regions": []},
    }
    path = tmp_path / "via.json"
    path.write_text(json.dumps({"_via_img_metadata": entries} if project else entries))
    return ViaDataset(path, **more)


@pytest.mark.parametrize("project", [False, True])
def test_regions_of_via(tmp_path, project):
    data = via(tmp_path, project=project)
    assert data.class_names == ["BG", "a", "b", "c"]
    assert data.num_images == 1  # images without regions were not annotated
    assert str(data.notes[0]).endswith(
        "images without regions, which are left out as not annotated: 1"
    )
    masks, ids = data.load_mask(0)
    np.testing.assert_array_equal(ids, [2, 1, 1, 3])
    boxes = extract_boxes(masks)
    np.testing.assert_array_equal(boxes[1], [2, 30, 6, 38])
    np.testing.assert_array_equal(boxes[2], [21, 41, 30, 50])
    assert abs(masks[..., 2].sum() - np.pi * 25) < 12
    assert boxes[3][3] - boxes[3][1] > 2.5 * (boxes[3][2] - boxes[3][0])


def test_regions_of_version_1_are_numbered(tmp_path):
    numbered = {str(i): r for i, r in enumerate(REGIONS)}
    data = via(tmp_path, regions=numbered)
    assert data.load_mask(0)[0].shape == (40, 60, 4)


def test_without_attributes_all_regions_are_objects(tmp_path):
    plain = [{**r, "region_attributes": {}} for r in REGIONS]
    assert via(tmp_path, regions=plain).class_names == ["BG", "object"]


def test_several_attributes_need_a_word(tmp_path):
    two = [{**REGIONS[0], "region_attributes": {"kind": "a", "color": "red"}}]
    with pytest.raises(DatasetError, match="attributes color, kind: choose the one"):
        via(tmp_path, regions=two)
    assert via(tmp_path, regions=two, attribute="color").class_names == ["BG", "red"]


def test_regions_without_an_area(tmp_path):
    point = [{"shape_attributes": {"name": "point", "cx": 1, "cy": 1}, "region_attributes": {}}]
    data = via(tmp_path, regions=point)
    assert data.load_mask(0)[0].shape == (40, 60, 0)
    [problem] = data.load_objects(0).problems
    assert str(problem).endswith(
        "via.json, image a.png, region 1: a region of the kind 'point' has no area; draw a polygon "
        "around it"
    )


@pytest.mark.parametrize("content", ["x", "[]", '{"a": {"filename": "a.png"}}'])
def test_files_that_are_not_vias(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DatasetError, match="is not an export of the VGG Image Annotator"):
        ViaDataset(tmp_path / "a.json")


def test_opening_by_name(tmp_path):
    assert open_dataset("shapes", count=3, size=64).num_images == 3
    for kind, source, message in (
        ("voc", None, "'voc' is unknown; expected one of shapes, coco, via"),
        ("shapes", tmp_path, "takes no source"),
        ("coco", None, "needs the folder of annotations/"),
        ("via", None, "needs its JSON file"),
        ("via", tmp_path / "no.json", "cannot be read"),
    ):
        with pytest.raises(DatasetError, match=message):
            open_dataset(kind, source)
