"""Open a dataset by name, as the command line does."""

import os
from pathlib import Path
from typing import Any

from mrcnn_explained.data.dataset import Dataset, DatasetError
from mrcnn_explained.data.frames import FrameChoice
from mrcnn_explained.data.records import short
from mrcnn_explained.media.pixels import ValueRange, check_range

SCENES = 500  # drawn by default
SUBSET, YEAR = "val", "2017"  # of a folder of COCO by default
KINDS = ("shapes", "coco", "via", "labelme")

#: What each kind of dataset needs as its source.
NEEDS = {
    "coco": "the folder of annotations/ and images, or its JSON file",
    "via": "its JSON file",
    "labelme": "its folder, or one of its JSON files",
}


def open_dataset(
    kind: str,
    source: Path | None = None,
    *,
    count: int | None = None,
    seed: int = 0,
    size: int = 512,
    subset: str | None = None,
    year: str | None = None,
    images: Path | None = None,
    attribute: str | None = None,
    frame: FrameChoice = "auto",
    crowds: bool = True,
    value_range: ValueRange | None = None,
) -> Dataset:
    """Open a dataset of one of KINDS, or of the kind that a file shows ("auto").

    kind         "shapes" uses count, seed and size; "coco" uses source (a file or a folder),
                 subset and year; "via" uses source (a file) and attribute; "labelme" uses source
                 (a file or a folder)
    count        scenes to draw; default: 500
    seed         of the scenes
    size         side of the scenes, pixels
    subset       of a folder of COCO: "train", "val", …; default: "val"
    year         of a folder of COCO, as in its file names; default: "2017"
    images       the folder of the images; None: where the tools put them
    attribute    VIA's region attribute that names the class; None: the only one with values
    frame        "upright" or "stored": the frame of photos in which the objects were drawn;
                 "auto": the declared sizes decide
    crowds       False: COCO's objects with iscrowd 1 are single objects
    value_range  values of the image files that are black and white; None: each image's largest
                 value decides

    Raises DatasetError for another kind, or a source or an option that does not fit the kind.
    """
    if kind not in (*KINDS, "auto"):
        raise DatasetError(
            f"dataset {short(kind)!r} is unknown; expected one of {', '.join(KINDS)}"
        )
    if kind == "shapes":
        has_no_effect = {
            "source": source,
            "--subset": subset,
            "--year": year,
            "--images": images,
            "--class-attribute": attribute,
            "--orientation": None if frame == "auto" else frame,
            "--crowds": None if crowds else "objects",
            "--value-range": value_range,
        }
        return _open_shapes(has_no_effect, count or SCENES, seed, size)
    if source is None:
        needed = NEEDS.get(kind, "an annotation file")
        raise DatasetError(f"dataset {kind} needs {needed}: --dataset {kind} PATH")
    if kind == "auto":
        kind = kind_of(source, subset, year)
    if count is not None:
        raise DatasetError(f"--count is for dataset shapes, which is drawn; {source} is {kind}'s")
    for name, value in (("--subset", subset), ("--year", year)):
        if value is not None and not (kind == "coco" and os.path.isdir(source)):
            raise DatasetError(
                f"{name} chooses a file in a folder of dataset coco; {source} is not one"
            )
    if attribute is not None and kind != "via":
        raise DatasetError(f"--class-attribute is for dataset via; {source} is {kind}'s")
    if not crowds and kind != "coco":
        raise DatasetError(f"--crowds is for dataset coco; {source} is {kind}'s")
    dataset = _open_annotated(kind, source, images, attribute, subset, year, frame, crowds)
    dataset.value_range = check_range(value_range)
    return dataset


def _open_annotated(
    kind: str,
    source: Path,
    images: Path | None,
    attribute: str | None,
    subset: str | None,
    year: str | None,
    frame: FrameChoice,
    crowds: bool,
) -> Dataset:
    """Open the dataset of an annotation file; the arguments are those of `open_dataset`."""
    if kind == "coco":
        from mrcnn_explained.data.coco import CocoDataset
        from mrcnn_explained.data.layouts import coco_file

        file = coco_file(source, subset or SUBSET, year or YEAR)
        return CocoDataset(file, images, frame=frame, crowds=crowds)
    if kind == "labelme":
        from mrcnn_explained.data.labelme import LabelmeDataset

        return LabelmeDataset(source, images, frame=frame)
    from mrcnn_explained.data.via import ViaDataset

    return ViaDataset(source, images, attribute, frame=frame)


def _open_shapes(has_no_effect: dict[str, Any], count: int, seed: int, size: int) -> Dataset:
    """Open the dataset that is drawn; refuse what has no effect on it."""
    for name, value in has_no_effect.items():
        if value is not None:
            raise DatasetError(
                f"dataset shapes is drawn from a seed and takes no {name}, but {value} came"
            )
    from mrcnn_explained.data.shapes import ShapesDataset

    return ShapesDataset(count, seed, size)


def kind_of(source: Path, subset: str | None = None, year: str | None = None) -> str:
    """Return the kind of dataset that a file or a folder holds: coco, via or labelme.

    Raises DatasetError, with what the file is, for one that is not read.
    """
    from mrcnn_explained.data.document import read_document, tool_of
    from mrcnn_explained.data.layouts import coco_file, files_below

    if not os.path.isdir(source):
        return tool_of(read_document(source))
    try:
        coco_file(source, subset or SUBSET, year or YEAR)
    except DatasetError:
        if files_below(source, (".json",)):
            return "labelme"
        raise
    return "coco"


def annotation_files(
    kind: str, source: Path | None, *, subset: str | None = None, year: str | None = None
) -> list[Path]:
    """Return the files that hold a dataset's annotations; none for one that is drawn.

    kind, source, subset, year    as `open_dataset` takes them
    """
    if source is None or kind == "shapes":
        return []
    if kind == "labelme":
        from mrcnn_explained.data.layouts import files_below

        return files_below(source, (".json",)) if os.path.isdir(source) else [source]
    if kind == "coco":
        from mrcnn_explained.data.layouts import coco_file

        return [coco_file(source, subset or SUBSET, year or YEAR)]
    return [source]
