"""File formats of a survey's table. An unknown format is refused before anything is imported."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mrcnn_explained.errors import InputError
from mrcnn_explained.system.files import atomic_write, write_csv

FORMATS = ("csv", "parquet")

#: The columns of the table, with their meanings.
COLUMNS = {
    "image": "name of the image",
    "kind": "roi, detection or object (of the dataset)",
    "class": "class of the ROI, the detection or the object",
    "y1": "top edge, pixels of the original image",
    "x1": "left edge",
    "y2": "bottom edge, outside the box",
    "x2": "right edge, outside the box",
    "side": "sqrt(height x width), pixels of the molded image",
    "exact_level": "result of the level equation, before rounding",
    "level": "pyramid level that the box reads; for an object, the level of an ROI that fits it",
    "to_boundary": "pixels that the side lies above (+) or below (-) the nearest level boundary",
    "fate": "what became of an ROI: detection, or the filter that dropped it; of an object: found, "
    "or the stage at which it was lost",
    "fate_row": "of an ROI: row of the detection, or the ROI that suppressed it; else empty",
    "fate_iou": "of an ROI: IoU with the ROI that suppressed it; else empty",
}

#: Columns of whole numbers and of floats; the others are text.
WHOLE_NUMBERS = ("y1", "x1", "y2", "x2", "level", "fate_row")
FLOATS = ("side", "exact_level", "to_boundary", "fate_iou")
MAY_BE_EMPTY = ("fate_row", "fate_iou")  # None, where a fate has no such number


def check_format(kind: str) -> None:
    """Raise InputError for a format that cannot be written here, before any image is read."""
    if kind not in FORMATS:
        raise InputError(f"--format is {kind!r}; expected one of {', '.join(FORMATS)}")
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise InputError(
            "--format parquet needs pyarrow: pip install 'mrcnn-explained[ray]', or use "
            "--format csv"
        )


def write_table(path: Path, parts: Iterable[Mapping[str, Any]], kind: str) -> None:
    """Write the rows of a survey's parts, whole or not at all.

    parts    of each image, in order; see job.read_parts
    kind     one of FORMATS
    """
    if kind == "parquet":
        _write_parquet(path, parts)
    else:
        write_csv(path, list(COLUMNS), _rows(parts), digits=6)


def _rows(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all parts."""
    for part in parts:
        yield from part["rows"]


def _write_parquet(path: Path, parts: Iterable[Mapping[str, Any]]) -> None:
    """Write the table as Parquet, one part at a time."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pyarrow.string())
    kinds |= dict.fromkeys(WHOLE_NUMBERS, pyarrow.int32())
    kinds |= dict.fromkeys(FLOATS, pyarrow.float64())
    schema = pyarrow.schema(kinds)
    with atomic_write(path) as file, ParquetWriter(file, schema) as writer:
        for part in parts:
            writer.write_table(pyarrow.Table.from_pylist(part["rows"], schema))
