"""CocoDataset: annotations in COCO's format, read by pycocotools."""

import contextlib
import io
import json
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32
from pycocotools.coco import COCO

from mrcnn_explained.data.dataset import Dataset, DatasetError


class CocoDataset(Dataset):
    """Images with polygons, run lengths and crowds.

    annotations    the .json file
    images         the folder that its file names are in
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
        except (ValueError, KeyError, AssertionError, TypeError, json.JSONDecodeError) as error:
            raise DatasetError(f"{annotations} is not in COCO's format: {error!r}") from error
        for category in categories:
            self.add_class("coco", category["id"], category["name"])
        for image, file in zip(records, files, strict=True):
            self.add_image("coco", image["id"], file)
        self.prepare()

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return every annotated object, a crowd's class negative."""
        source_id = self.image_info[image_id]["id"]
        annotations = self.coco.loadAnns(self.coco.getAnnIds([source_id]))
        masks = [self.coco.annToMask(a).astype(bool) for a in annotations]
        class_ids = [
            self.map_source_class_id(f"coco.{a['category_id']}") * (-1 if a.get("iscrowd") else 1)
            for a in annotations
        ]
        empty = np.zeros([*self._shapes[source_id], 0], bool)
        return np.stack(masks, -1) if masks else empty, np.array(class_ids, np.int32)


def coco_folder(
    folder: str | PathLike[str], subset: str = "val", year: str = "2017"
) -> CocoDataset:
    """Open a COCO folder as it is unpacked: annotations/instances_val2017.json and val2017/."""
    folder = Path(folder)
    name = f"instances_{subset}{year}.json"
    return CocoDataset(folder / "annotations" / name, folder / f"{subset}{year}")
