"""CocoDataset: annotations in COCO's format, read with pycocotools."""

import contextlib
import io
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32
from pycocotools.coco import COCO

from mrcnn_explained.data.dataset import Dataset, DatasetError


class CocoDataset(Dataset):
    """Images with objects as polygons or run lengths; crowds have negative classes.

    annotations    the .json file
    images         the folder that its file names are relative to

    Raises DatasetError for a file that is not in COCO's format.
    """

    def __init__(self, annotations: str | PathLike[str], images: str | PathLike[str]):
        super().__init__()
        annotations, folder = Path(annotations), Path(images)
        if not annotations.is_file():
            raise DatasetError(f"{annotations} is not a file; give COCO's instances_….json")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.coco = COCO(str(annotations))
            categories = self.coco.loadCats(sorted(self.coco.getCatIds()))
            records = self.coco.loadImgs(sorted(self.coco.getImgIds()))
            self._shapes = {image["id"]: (image["height"], image["width"]) for image in records}
            files = [folder / image["file_name"] for image in records]
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            raise DatasetError(f"{annotations} is not in COCO's format: {error!r}") from error
        for category in categories:
            self.add_class("coco", category["id"], category["name"])
        for image, file in zip(records, files, strict=True):
            self.add_image("coco", image["id"], file)
        self.prepare()

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""
        source_id = self.image_info[image_id]["id"]
        annotations = self.coco.loadAnns(self.coco.getAnnIds([source_id]))
        if not annotations:
            return np.zeros([*self._shapes[source_id], 0], bool), np.zeros(0, np.int32)
        masks = [self.coco.annToMask(annotation).astype(bool) for annotation in annotations]
        class_ids = [self._class_id(annotation) for annotation in annotations]
        return np.stack(masks, -1), np.array(class_ids, np.int32)

    def _class_id(self, annotation: dict[str, Any]) -> int:
        """Return the class id here of an annotation, negative for a crowd."""
        class_id = self.map_source_class_id(f"coco.{annotation['category_id']}")
        return -class_id if annotation.get("iscrowd") else class_id


def coco_folder(
    folder: str | PathLike[str], subset: str = "val", year: str = "2017"
) -> CocoDataset:
    """Open a COCO folder: annotations/instances_val2017.json and the images in val2017/."""
    folder = Path(folder)
    name = f"instances_{subset}{year}.json"
    return CocoDataset(folder / "annotations" / name, folder / f"{subset}{year}")
