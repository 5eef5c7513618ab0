"""VIA's other files: CSV, version 3's project and CSV; and which attribute names the class."""

import json

import numpy as np
import pytest

from data.annotation_files import accounted, dump, rect, save_image, via
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.via import ViaDataset

CSV_HEAD = (
    "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    "region_attributes"
)


def quoted(content):
    return '"' + json.dumps(content).replace('"', '""') + '"'


def csv_row(name, count, number, shape, attributes):
    return f"{name},1,{quoted({})},{count},{number},{quoted(shape)},{quoted(attributes)}"


def test_the_csv_of_version_2(tmp_path):
    shapes = [rect(10, 5, 8, 4)["shape_attributes"], {"name": "point", "cx": 1, "cy": 1}]
    rows = [csv_row("a.png", 2, i, s, {"kind": "cat"}) for i, s in enumerate(shapes)]
    empty = csv_row("b.png", 0, 0, {}, {})
    save_image(tmp_path / "a.png")
    for head in (CSV_HEAD, f"#{CSV_HEAD}"):  # version 1 writes the sign
        (tmp_path / "via.csv").write_text("\n".join([head, *rows, empty]) + "\n")
        data = ViaDataset(tmp_path / "via.csv")
        assert data.class_names == ["BG", "cat"] and data.num_images == 1
        assert data.load_objects(0).boxes.tolist() == [[5, 10, 9, 18]]
        assert accounted(data) == (1, 1)


def via3_project(values, attribute):
    shapes = {
        "rect": [2, 10, 5, 8, 4],
        "polygon": [7, 10, 10, 40, 10, 40, 30, 10, 30],
        "circle": [3, 60, 60, 10],
        "ellipse": [4, 60, 60, 20, 10],
        "point": [1, 3, 3],
    }
    metadata = {
        f"1_{name}": {"vid": "1", "flg": 0, "z": [], "xy": shape, "av": {"1": value}}
        for (name, shape), value in zip(shapes.items(), values, strict=True)
    }
    metadata["1_whole"] = {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {"1": "0"}}
    return {
        "project": {"pid": "x", "rev": "1", "vid_list": ["1"]},
        "config": {},
        "attribute": {"1": attribute},
        "file": {"1": {"fid": "1", "fname": "a.png", "type": 2, "loc": 1, "src": ""}},
        "metadata": metadata,
        "view": {"1": {"fid_list": ["1"]}},
    }


def test_the_project_of_version_3(tmp_path):
    save_image(tmp_path / "a.png")
    options = {"aname": "kind", "type": 4, "options": {"0": "cat", "1": "dog"}}
    content = via3_project(["0", "1", "0", "1", "0"], options)
    data = ViaDataset(dump(tmp_path / "via.json", content))
    assert data.class_names == ["BG", "cat", "dog"] and data.num_images == 1
    found = data.load_objects(0)
    assert found.class_ids.tolist() == [1, 2, 1, 2]
    assert found.boxes[:2].tolist() == [[5, 10, 9, 18], [10, 10, 31, 41]]
    assert accounted(data) == (4, 1) and data.problems[0].annotation == "region 5"


def test_a_checkbox_of_version_3(tmp_path):
    save_image(tmp_path / "a.png")
    options = {"aname": "kind", "type": 2, "options": {"0": "cat", "1": "dog"}}
    content = via3_project(["0", "0,1", "", "1", "0"], options)
    data = ViaDataset(dump(tmp_path / "via.json", content))
    assert data.load_mask(0)[1].tolist() == [1, 2]
    assert [p.annotation for p in data.problems] == ["region 2", "region 3", "region 5"]


def test_the_csv_of_version_3(tmp_path):
    attribute = {"1": {"aname": "kind", "type": 4, "options": {"0": "cat"}}}
    lines = [
        "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "# Notes:",
        f"# ATTRIBUTE = {json.dumps(attribute)}",
        "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,"
        "metadata",
        f'"1_a",{quoted(["a.png"])},0,{quoted([])},{quoted([2, 10, 5, 8, 4])},{quoted({"1": "0"})}',
    ]
    (tmp_path / "via.csv").write_text("\n".join(lines) + "\n")
    save_image(tmp_path / "a.png")
    data = ViaDataset(tmp_path / "via.csv")
    assert data.class_names == ["BG", "cat"]
    assert data.load_objects(0).boxes.tolist() == [[5, 10, 9, 18]]


def test_a_project_of_version_2(tmp_path):
    save_image(tmp_path / "a.png")
    project = {
        "_via_settings": {"ui": {}, "core": {}},
        "_via_img_metadata": via(a=[rect(10, 5, 8, 4, kind="cat")]),
        "_via_attributes": {"region": {"kind": {"type": "text"}}, "file": {}},
    }
    assert ViaDataset(dump(tmp_path / "p.json", project)).load_mask(0)[1].tolist() == [1]


def test_the_only_attribute_with_values_names_the_class(tmp_path):
    save_image(tmp_path / "a.png")
    regions = [rect(10, 5, 8, 4, name="", type="cat", quality={"good": False})]
    assert ViaDataset(dump(tmp_path / "v.json", via(a=regions))).class_names == ["BG", "cat"]
    regions = [rect(10, 5, 8, 4, name="Tom", type="cat")]
    path = dump(tmp_path / "v.json", via(a=regions))
    with pytest.raises(DatasetError, match="attributes name, type: choose the one.*--class-attrib"):
        ViaDataset(path)
    assert ViaDataset(path, attribute="type").class_names == ["BG", "cat"]
    with pytest.raises(DatasetError, match="has the attribute color; its attributes are name, typ"):
        ViaDataset(path, attribute="color")


def test_images_without_regions_can_be_kept(tmp_path):
    for name in "ab":
        save_image(tmp_path / f"{name}.png")
    path = dump(tmp_path / "v.json", via(a=[rect(10, 5, 8, 4)], b=[]))
    assert ViaDataset(path).num_images == 1
    data = ViaDataset(path, empty=True)
    assert data.num_images == 2 and data.load_mask(1)[0].shape == (128, 160, 0)


def test_numbers_and_strange_text_as_classes(tmp_path):
    save_image(tmp_path / "a.png")
    regions = [rect(10, 5, 8, 4, kind=7), rect(10, 5, 8, 4, kind="\ud800"), rect(1, 1, 2, 2)]
    data = ViaDataset(dump(tmp_path / "v.json", via(a=regions)))
    assert data.class_names == ["BG", "7", "\\ud800"]
    np.testing.assert_array_equal(data.load_mask(0)[1], [1, 2])


def test_names_that_are_almost_equal_are_noted(tmp_path):
    save_image(tmp_path / "a.png")
    regions = [rect(10, 5, 8, 4, kind=kind) for kind in ("cat", "Cat", "dog", "black cat")]
    data = ViaDataset(dump(tmp_path / "v.json", via(a=regions)))
    assert [note.reason for note in data.notes] == ["'Cat' and 'cat' are different classes"]
