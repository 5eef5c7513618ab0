"""ViaDataset: annotations of the VGG Image Annotator, versions 1 and 2, as JSON."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32
from skimage.draw import disk, ellipse, polygon, polygon2mask

from mrcnn_explained.data.dataset import Dataset, DatasetError
from mrcnn_explained.media.images import load_image

ONE_CLASS = "object"  # where no attribute tells classes apart


class ViaDataset(Dataset):
    """Regions drawn in VIA: polygons, rectangles, circles and ellipses.

    annotations    the exported JSON, or a saved project
    images       the folder of the images; None: that of the file
    attribute      the region attribute that names the class; None: the only one there is
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
        entries = [e for e in _read(annotations) if e["regions"]]  # unannotated ones, as there
        self.attribute = attribute or _only_attribute(annotations, entries)
        names = [_class_name(r, self.attribute) for e in entries for r in e["regions"]]
        for class_id, name in enumerate(sorted(set(names)), start=1):
            self.add_class("via", class_id, name)
        for entry in entries:
            self.add_image(
                "via", entry["filename"], folder / entry["filename"], regions=entry["regions"]
            )
        self.prepare()

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the regions as masks; the file does not know the image's size."""
        info = self.image_info[image_id]
        shape = load_image(info["path"]).shape[:2]
        masks = [_draw(region, shape, info["id"]) for region in info["regions"]]
        names = [_class_name(region, self.attribute) for region in info["regions"]]
        return np.stack(masks, -1), np.array([self.class_names.index(n) for n in names], np.int32)


def _read(path: Path) -> list[dict[str, Any]]:
    """The entries of a file, one an image, their regions as a list."""
    try:
        content = json.loads(path.read_text())
        content = content.get("_via_img_metadata", content)
        entries = [
            {
                "filename": entry["filename"],
                "regions": list(
                    entry["regions"].values()
                    if isinstance(entry["regions"], Mapping)  # version 1
                    else entry["regions"]
                ),
            }
            for entry in content.values()
        ]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"{path} is not an export of the VGG Image Annotator ({error!r}): give its JSON of "
            "annotations, or a saved project"
        ) from error
    return entries


def _only_attribute(path, entries):
    found = sorted({a for e in entries for r in e["regions"] for a in r["region_attributes"]})
    if len(found) > 1:
        raise DatasetError(
            f"regions in {path} have the attributes {', '.join(found)}: say which one names the "
            "class (attribute=…, --class-attribute …)"
        )
    return found[0] if found else None


def _class_name(region, attribute):
    value = region["region_attributes"].get(attribute) if attribute else None
    return str(value) if value else ONE_CLASS


def _draw(region, shape, filename):
    """One region as a mask; its part outside the image is cut off."""
    form, mask = region["shape_attributes"], np.zeros(shape, bool)
    kind = form.get("name")
    if kind in ("polygon", "polyline"):
        corners = np.stack([form["all_points_y"], form["all_points_x"]], axis=1)
        return polygon2mask(shape, corners)
    if kind == "rect":
        y, x, height, width = (form[k] for k in ("y", "x", "height", "width"))
        inside = polygon(
            [y, y, y + height - 1, y + height - 1], [x, x + width - 1, x + width - 1, x], shape
        )
    elif kind == "circle":
        inside = disk((form["cy"], form["cx"]), form["r"], shape=shape)
    elif kind == "ellipse":
        angle = -form.get("theta", 0)  # VIA turns clockwise
        inside = ellipse(form["cy"], form["cx"], form["ry"], form["rx"], shape, angle)
    else:
        raise DatasetError(
            f"{filename}: a region of the kind {kind!r} has no area; draw polygons, rectangles, "
            "circles or ellipses"
        )
    mask[inside] = True
    return mask
