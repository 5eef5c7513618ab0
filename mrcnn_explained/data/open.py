"""Open a dataset by name, as the command line does."""

from pathlib import Path

from mrcnn_explained.data.dataset import Dataset, DatasetError

KINDS = ("shapes", "coco", "via")


def open_dataset(
    kind: str,
    source: Path | None = None,
    *,
    count: int = 500,
    seed: int = 0,
    size: int = 512,
    subset: str = "val",
    year: str = "2017",
    images: Path | None = None,
    attribute: str | None = None,
) -> Dataset:
    """Open a dataset of one of KINDS.

    kind         "shapes" uses count, seed and size; "coco" uses source (a folder), subset and
                 year; "via" uses source (a JSON file), images and attribute
    count        scenes to draw
    seed         of the scenes
    size         side of the scenes, pixels
    subset       of COCO: "train", "val", …
    year         of COCO, as in its file names
    images       the folder of VIA's images; None: that of the JSON file
    attribute    VIA's region attribute that names the class; None: the only one

    Raises DatasetError for another kind, or a source that does not fit the kind.
    """
    if kind not in KINDS:
        raise DatasetError(f"dataset {kind!r} is unknown; expected one of {', '.join(KINDS)}")
    if kind == "shapes":
        if source is not None:
            raise DatasetError(
                f"dataset shapes is drawn from a seed and takes no source, but {source} came"
            )
        from mrcnn_explained.data.shapes import ShapesDataset

        return ShapesDataset(count, seed, size)
    if source is None:
        what = "the folder of annotations/ and images" if kind == "coco" else "its JSON file"
        raise DatasetError(f"dataset {kind} needs {what}: --dataset {kind} PATH")
    if kind == "coco":
        from mrcnn_explained.data.coco import coco_folder

        return coco_folder(source, subset, year)
    from mrcnn_explained.data.via import ViaDataset

    return ViaDataset(source, images, attribute)
