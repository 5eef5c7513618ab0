"""Parts: the rows of each image in a file of its own, written whole or not at all.

A part is one JSON document with its head in the first line: only that line is read to see whether
the part is still valid.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mrcnn_explained.files import atomic_write

PARTS = "parts/[0-9]*.json"  # pattern of whole parts in a survey's folder


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
    """Return a part: the contents of its head, and `rows`."""
    return json.loads(path.read_text("utf-8"))


def read_head(path: Path) -> dict[str, Any]:
    """Return the head of a part; {} if the part is missing or damaged."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline().rstrip().removesuffix(b",") + b"}")
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of runs that were killed while they wrote a part."""
    for path in folder.glob("parts/.[0-9]*.json.*"):
        path.unlink(missing_ok=True)


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
