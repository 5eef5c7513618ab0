"""ViaDataset: annotations of the VGG Image Annotator, versions 1 and 2, as JSON."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Bool, Int32
from skimage.draw import disk, ellipse, polygon, polygon2mask

from mrcnn_explained.data.dataset import Dataset, DatasetError
from mrcnn_explained.media.images import load_image

ONE_CLASS = "object"  # the class of regions that no attribute names

Region = Mapping[str, Any]  # "shape_attributes" and "region_attributes", as VIA writes them


class Entry(TypedDict):
    """The annotations of one image."""

    filename: str
    regions: list[Region]


class ViaDataset(Dataset):
    """Regions drawn in VIA: polygons, polylines (closed), rectangles, circles and ellipses.

    annotations    the exported JSON, or a saved project
    images         the folder of the images; None: that of the file
    attribute      the region attribute that names the class; None: the only one in the file

    Images without regions are left out, as in Matterport's balloon sample. Raises DatasetError
    for a file that is not VIA's.
    """

    def __init__(
        self,
        annotations: str | PathLike[str],
        images: str | PathLike[str] | None = None,
        attribute: str | None = None,
    ):
        super().__init__()
        annotations = Path(annotations)
        folder = Path(images) if images else annotations.parent
        entries = [entry for entry in _read(annotations) if entry["regions"]]
        self.attribute = attribute or _only_attribute(annotations, entries)
        names = {_class_name(r, self.attribute) for e in entries for r in e["regions"]}
        for class_id, name in enumerate(sorted(names), start=1):
            self.add_class("via", class_id, name)
        for entry in entries:
            name = entry["filename"]
            self.add_image("via", name, folder / name, regions=entry["regions"])
        self.prepare()

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the regions as masks, and their classes."""
        info = self.image_info[image_id]
        height, width, _ = load_image(info["path"]).shape  # VIA's file does not hold the size
        masks = [_draw(region, (height, width), info["id"]) for region in info["regions"]]
        names = [_class_name(region, self.attribute) for region in info["regions"]]
        return np.stack(masks, -1), np.array([self.class_names.index(n) for n in names], np.int32)


def _read(path: Path) -> list[Entry]:
    """Return the entries of a file, one per image, their regions as a list."""
    try:
        content = json.loads(path.read_text())
        content = content.get("_via_img_metadata", content)
        entries: list[Entry] = []
        for entry in content.values():
            regions = entry["regions"]
            if isinstance(regions, Mapping):  # version 1 numbers them
                regions = regions.values()
            entries.append({"filename": entry["filename"], "regions": list(regions)})
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"{path} is not an export of the VGG Image Annotator ({error!r}): give its JSON of "
            "annotations, or a saved project"
        ) from error
    return entries


def _only_attribute(path: Path, entries: Sequence[Entry]) -> str | None:
    """Return the one attribute that regions have, None if they have none."""
    found = sorted({a for e in entries for r in e["regions"] for a in r["region_attributes"]})
    if len(found) > 1:
        raise DatasetError(
            f"regions in {path} have the attributes {', '.join(found)}: choose the one that names "
            "the class (attribute=…, --class-attribute …)"
        )
    return found[0] if found else None


def _class_name(region: Region, attribute: str | None) -> str:
    """Return the name of a region's class."""
    value = region["region_attributes"].get(attribute) if attribute else None
    return str(value) if value else ONE_CLASS


def _draw(region: Region, shape: tuple[int, int], filename: str) -> Bool[np.ndarray, "h w"]:
    """Draw one region as a mask; parts outside the image are cut off."""
    outline, mask = region["shape_attributes"], np.zeros(shape, bool)
    kind = outline.get("name")
    if kind in ("polygon", "polyline"):
        corners = np.stack([outline["all_points_y"], outline["all_points_x"]], axis=1)
        return polygon2mask(shape, corners)
    if kind == "rect":
        top, left = outline["y"], outline["x"]
        bottom, right = top + outline["height"] - 1, left + outline["width"] - 1
        inside = polygon([top, top, bottom, bottom], [left, right, right, left], shape)
    elif kind == "circle":
        inside = disk((outline["cy"], outline["cx"]), outline["r"], shape=shape)
    elif kind == "ellipse":
        angle = -outline.get("theta", 0)  # VIA turns clockwise
        center, radii = (outline["cy"], outline["cx"]), (outline["ry"], outline["rx"])
        inside = ellipse(*center, *radii, shape, angle)
    else:
        raise DatasetError(
            f"{filename}: a region of the kind {kind!r} has no area; draw polygons, rectangles, "
            "circles or ellipses"
        )
    mask[inside] = True
    return mask
