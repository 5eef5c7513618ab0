"""Parts: each image's rows as a file of their own, written whole or not at all.

A part is one JSON document, its head in the first line: to see whether a part still counts, that
line alone is read.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mrcnn_explained.files import atomic_write

PARTS = "parts/[0-9]*.json"  # below a survey's folder; whole ones only


def part_path(folder: Path, number: int) -> Path:
    """Where the rows of an image are."""
    return folder / "parts" / f"{number:06}.json"


def write_part(path: Path, head: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    """Write an image's part: `head` and, below it, its `rows`."""
    text = f'{json.dumps(head)[:-1]},\n"rows": {json.dumps(list(rows))}}}\n'
    with atomic_write(path) as file:
        file.write(text.encode())


def read_part(path: Path) -> dict[str, Any]:
    """The part: what its head holds, and `rows`."""
    return json.loads(path.read_text("utf-8"))


def read_head(path: Path) -> dict[str, Any]:
    """What a part holds beside its rows; {} where there is none, or it is broken."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline().rstrip().removesuffix(b",") + b"}")
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}


def remove_unfinished(folder: Path) -> None:
    """Remove what runs that were killed in the middle of a part have left."""
    for path in folder.glob("parts/.[0-9]*.json.*"):
        path.unlink(missing_ok=True)


def stamp(file: str) -> list[int] | None:
    """Size in bytes and time in nanoseconds of an image's file; None where there is none."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return [found.st_size, found.st_mtime_ns]


def printable(text: str) -> str:
    """The text as every file and terminal takes it: bytes that are not UTF-8 become \\udc… words.

    A file name may hold any bytes; Python keeps them as halves of characters that cannot be
    written.
    """
    return text.encode("utf-8", "backslashreplace").decode()
