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
    """Open `shapes` (count, seed, size), `coco` (folder, subset, year) or `via` (file, …).

    Raises DatasetError for a kind that is none of KINDS, or a source that does not fit it.
    """
    if kind not in KINDS:
        raise DatasetError(f"dataset {kind!r} is none of {', '.join(KINDS)}")
    if kind == "shapes":
        if source is not None:
            raise DatasetError(f"dataset shapes is drawn by rule and takes no source: {source}")
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
