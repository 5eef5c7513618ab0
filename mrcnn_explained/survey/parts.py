"""Parts: the rows of each image in a file of its own, written whole or not at all.

A part is one JSON document with its head in the first line: only that line is read to see whether
the part is still valid.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mrcnn_explained.errors import InputError, shown
from mrcnn_explained.stages.levels import ROI_LEVELS
from mrcnn_explained.survey.formats import COLUMNS, FLOATS, MAY_BE_EMPTY, WHOLE_NUMBERS
from mrcnn_explained.system.files import atomic_write, check_file, read_json
from mrcnn_explained.system.folders import clear_leftovers

PARTS = "parts/[0-9]*.json"  # pattern of whole parts in a survey's folder
LARGEST_PART = 2**26  # bytes: about 300,000 rows
LARGEST_HEAD = 2**16  # bytes of its first line


def part_path(folder: Path, number: int) -> Path:
    """Return the path of an image's part.

    folder    of the survey
    number    of the image
    """
    return folder / "parts" / f"{number:06}.json"


def write_part(path: Path, head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write an image's part: its `head`, and the `rows` below it."""
    text = f'{json.dumps(head)[:-1]},\n"rows": {json.dumps(list(rows))}}}\n'
    with atomic_write(path) as file:
        file.write(text.encode())


def read_part(path: Path) -> dict[str, Any]:
    """Return a part: the contents of its head, and `rows`.

    Raises InputError for a part that is missing, was cut or edited, or is not one.
    """
    part = read_json(path, "a part of a survey", largest=LARGEST_PART)
    if problem := _wrong_part(part):
        raise InputError(
            f"{path} is damaged: {problem}; run the survey again, which surveys its image again"
        )
    return part


def read_head(path: Path) -> dict[str, Any]:
    """Return the head of a part; {} if the part is missing or damaged."""
    try:
        check_file(path, "a part of a survey")
        with path.open("rb") as file:
            head = json.loads(file.readline(LARGEST_HEAD).rstrip().removesuffix(b",") + b"}")
    except (OSError, ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) else {}


def is_whole(path: Path) -> bool:
    """Return whether a part can be read from its first to its last row."""
    try:
        read_part(path)
    except InputError:
        return False
    return True


def _wrong_part(part: Any) -> str:
    """Return what is wrong with the contents of a part; "" if nothing is."""
    if not isinstance(part, dict):
        return f"it holds a {type(part).__name__}"
    if not _is_text(part.get("image")) or not _is_text(part.get("error")):
        return "image or error is not text"
    if not part["error"] and not _is_shape(part.get("shape")):
        return f"shape is {shown(part.get('shape'))}"
    left_out = part.get("left_out", [])
    if not isinstance(left_out, list) or not all(map(_is_text, left_out)):
        return f"left_out is {shown(left_out)}"
    rows = part.get("rows")
    if not isinstance(rows, list) or (part["error"] and rows):
        return "rows are not a list, or those of an image with an error"
    for number, row in enumerate(rows):
        if problem := _wrong_row(row):
            return f"row {number}: {problem}"
    return ""


def _wrong_row(row: Any) -> str:
    """Return what is wrong with a row; "" if nothing is. A row may lack columns."""
    if not isinstance(row, dict) or not row.keys() <= COLUMNS.keys():
        return shown(row)
    for name in ("kind", "class", "side", "level", "to_boundary", "fate"):
        if name not in row:
            return f"{name} is missing"
    for name, value in row.items():
        if value is None:
            fits = name in MAY_BE_EMPTY
        elif name in WHOLE_NUMBERS:
            fits = _is_whole_number(value)
        elif name in FLOATS:
            fits = isinstance(value, float) or _is_whole_number(value)
        else:
            fits = _is_text(value)
        if not fits:
            return f"{name} is {shown(value)}"
    if row["kind"] not in ("roi", "detection", "object") or row["level"] not in ROI_LEVELS:
        return f"kind is {shown(row['kind'])}, level {row['level']}"
    return "" if 0 <= row["side"] < math.inf else f"side is {shown(row['side'])}"


def _is_shape(value: Any) -> bool:
    """Return whether a value is the height and width of an image."""
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(_is_whole_number(side) and side > 0 for side in value)


def _is_whole_number(value: Any) -> bool:
    """Return whether a value is a whole number of 32 bits, as Parquet keeps it."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def _is_text(value: Any) -> bool:
    """Return whether a value is text that can be written to a file: without lone surrogates."""
    if not isinstance(value, str):
        return False
    return value.isascii() or printable(value) == value


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of runs that were killed while they wrote a part."""
    clear_leftovers(folder / "parts")


def stamp(file: str) -> list[int] | None:
    """Return the size in bytes and the time in nanoseconds of a file; None if it is missing."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return [found.st_size, found.st_mtime_ns]


def printable(text: str) -> str:
    """Return a text that can be written to every file: bytes that are not UTF-8 become \\udc….

    A file name may hold any bytes; Python keeps such bytes as surrogates, which cannot be encoded.
    """
    return text.encode("utf-8", "backslashreplace").decode()
