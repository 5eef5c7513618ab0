"""Annotation files: COCO, VIA 1 to 3 as JSON and CSV, Labelme."""

import copy
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .mutations import mutate_bytes, mutate_json
from .registry import loader

HEIGHT, WIDTH = 60, 80


def save_images(folder: Path) -> None:
    """Write the images that the files name."""
    for number in range(3):
        Image.fromarray(np.zeros([HEIGHT, WIDTH, 3], np.uint8)).save(folder / f"{number}.png")


def coco_files(folder: Path) -> list[bytes]:
    """Return a file with polygons, run lengths of both kinds, boxes and crowds."""
    save_images(folder)
    size = [HEIGHT, WIDTH]
    shapes = (
        {"segmentation": [[5, 5, 25, 5, 25, 25]]},
        {"segmentation": {"size": size, "counts": [100, 50, 4650]}, "iscrowd": 1},
        {"segmentation": {"size": size, "counts": r"jU1n0n00^\3"}},
        {"segmentation": []},
    )
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(3)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 18, "name": "dog", "supercategory": ""}],
        "annotations": [
            {"id": 4 * i + k, "image_id": i, "category_id": (1, 18)[k % 2], "iscrowd": 0,
             "area": 100, "bbox": [5, 5, 20, 20], **shape}
            for i in range(3)
            for k, shape in enumerate(shapes)
        ],
    }  # fmt: skip
    return [json.dumps(content).encode()]


def via_regions() -> list[dict]:
    """Return a region of every kind."""
    shapes = (
        {"name": "polygon", "all_points_x": [5, 25, 25, 5], "all_points_y": [5, 5, 25, 25]},
        {"name": "rect", "x": 30, "y": 10, "width": 10, "height": 10},
        {"name": "circle", "cx": 20, "cy": 30, "r": 8},
        {"name": "ellipse", "cx": 40, "cy": 30, "rx": 8, "ry": 5, "theta": 0.3},
    )
    values = ("cat", "dog", {"cat": True}, "dog")
    return [
        {"shape_attributes": dict(shape), "region_attributes": {"kind": value}}
        for shape, value in zip(shapes, values, strict=True)
    ]


def via_files(folder: Path) -> list[bytes]:
    """Return the files of VIA 1, 2 and 3."""
    save_images(folder)
    entries = {
        f"{i}.png1": {"filename": f"{i}.png", "size": 1, "regions": via_regions()} for i in range(3)
    }
    first = copy.deepcopy(entries)
    for entry in first.values():
        entry["regions"] = {str(k): region for k, region in enumerate(entry["regions"])}
    shapes = [[2, 9, 9, 20, 20], [7, 1, 1, 40, 1, 40, 30], [3, 30, 30, 9], [4, 40, 30, 9, 5]]
    third = {
        "project": {"pid": "x"},
        "attribute": {"1": {"aname": "kind", "type": 4, "options": {"0": "cat", "1": "dog"}}},
        "file": {"1": {"fid": "1", "fname": "0.png", "type": 2, "loc": 1, "src": ""}},
        "metadata": {
            str(k): {"vid": "1", "flg": 0, "z": [], "xy": xy, "av": {"1": str(k % 2)}}
            for k, xy in enumerate(shapes)
        },
        "view": {"1": {"fid_list": ["1"]}},
    }
    project = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}
    return [json.dumps(content).encode() for content in (entries, first, project, third)]


def via_tables(folder: Path) -> list[bytes]:
    """Return the CSV of VIA 2."""
    save_images(folder)
    rows = [
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
        "region_attributes"
    ]
    for number, region in enumerate(via_regions()):
        cells = [json.dumps(part).replace('"', '""') for part in region.values()]
        rows.append(f'0.png,1,"{{}}",4,{number},"{cells[0]}","{cells[1]}"')
    return ["\n".join(rows).encode()]


def labelme_files(folder: Path) -> list[bytes]:
    """Return a file with shapes of every kind and a group."""
    save_images(folder)
    corners = [[1, 1], [20, 1], [20, 20]]
    kinds = (("polygon", None), ("polygon", 1), ("polygon", 1), ("rectangle", None))
    shapes = []
    for kind, group in (*kinds, ("circle", None)):
        points = corners[::2] if kind == "rectangle" else corners
        shapes.append({"label": "a", "points": points, "group_id": group, "shape_type": kind})
    shapes[-1]["points"] = corners[:2]
    content = {
        "version": "5.5.0",
        "shapes": shapes,
        "imagePath": "0.png",
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    return [json.dumps(content).encode()]


def check_account(dataset) -> None:
    """Read all objects; those in the file must be used or reported. Refuse a file with problems."""
    from mrcnn_explained.data.objects import check_problems
    from mrcnn_explained.data.records import lost_objects
    from mrcnn_explained.errors import InputError

    used, lost = 0, lost_objects(dataset.reading.problems)
    for image_id in dataset.image_ids:
        record = dataset.reading.images[image_id]
        try:
            found = dataset.load_objects(image_id)
        except InputError:
            lost += len(record.objects) + len(record.problems)
            continue
        used += len(found.class_ids)
        lost += lost_objects(found.problems)
    assert used + lost == dataset.reading.objects_in_file
    check_problems(dataset)


@loader("coco", samples=coco_files, mutate=mutate_json, suffix=".json")
def read_coco(path: Path) -> None:
    """Read COCO's format."""
    from mrcnn_explained.data.coco import CocoDataset

    check_account(CocoDataset(path))


@loader("via", samples=via_files, mutate=mutate_json, suffix=".json")
def read_via(path: Path) -> None:
    """Read VIA's JSON."""
    from mrcnn_explained.data.via import ViaDataset

    check_account(ViaDataset(path))


@loader("via table", samples=via_tables, mutate=mutate_bytes, suffix=".csv")
def read_via_table(path: Path) -> None:
    """Read VIA's CSV."""
    from mrcnn_explained.data.via import ViaDataset

    check_account(ViaDataset(path))


@loader("labelme", samples=labelme_files, mutate=mutate_json, suffix=".json")
def read_labelme(path: Path) -> None:
    """Read Labelme's format."""
    from mrcnn_explained.data.labelme import LabelmeDataset

    check_account(LabelmeDataset(path))
