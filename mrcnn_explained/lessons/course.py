"""The notebooks, and the pages and code that they link to: where they are, and a copy of them.

A wheel holds them in the folder `shipped` beside this file (pyproject.toml); in a clone they lie
at its root.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

from mrcnn_explained.errors import InputError
from mrcnn_explained.lessons.contents import NOTEBOOKS
from mrcnn_explained.system.files import atomic_write, check_file, read_json

PACKAGE = Path(__file__).parent.parent
IN_WHEEL = Path(__file__).parent / "shipped"
RECORD = ".mrcnn_explained.json"  # in a copy: the hash of every file as it was copied
FIRST = f"notebooks/{NOTEBOOKS[0].file}"
LINK_TO_CODE = re.compile(rf"\]\(\.\./{PACKAGE.name}/([\w/]+\.py)")


class Copied(NamedTuple):
    """What became of each file, by its path in the copy."""

    copied: list[str]  # was not there
    updated: list[str]  # was as it had been copied, and this version has another
    kept: list[str]  # is the same already
    changed: list[str]  # was changed by the reader, and is left as it is


def copy_course(folder: Path) -> Copied:
    """Copy the notebooks and what they link to into a folder; never over a changed file.

    A file counts as changed if it is neither this version nor the one that was copied before.
    Raises InputError if the package has no notebooks or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the folder to copy the notebooks to")
    record = folder / RECORD
    before = read_json(record, "the record of an earlier copy") if record.exists() else {}
    if not isinstance(before, dict):
        raise InputError(f"{record} is not the record of a copy; delete it or give another folder")
    found = Copied([], [], [], [])
    shipped = {}
    for name, source in course_files().items():
        content, target = source.read_bytes(), folder / name
        shipped[name] = _hash(content)
        if not target.exists():
            found.copied.append(name)
        else:
            check_file(target, "a file that may be replaced")
            there = _hash(target.read_bytes())
            if there == shipped[name]:
                found.kept.append(name)
                continue
            if there != before.get(name):
                found.changed.append(name)
                shipped[name] = before.get(name, "")
                continue
            found.updated.append(name)
        with atomic_write(target) as file:
            file.write(content)
    with atomic_write(record) as file:
        file.write(json.dumps({**before, **shipped}, indent=1).encode())
    return found


def course_files() -> dict[str, Path]:
    """Return every file of the course: its path in a copy, and where it is now.

    Raises InputError if this installation has no notebooks.
    """
    root = IN_WHEEL if IN_WHEEL.is_dir() else PACKAGE.parent
    files = {}
    for folder, ending in (("notebooks", ".ipynb"), ("docs", ".md")):
        for path in sorted((root / folder).glob(f"*{ending}")):
            files[f"{folder}/{path.name}"] = path
    if FIRST not in files:
        raise InputError(
            "this installation has no notebooks: install the package from a wheel or a clone"
        )
    code = {name for path in files.values() for name in LINK_TO_CODE.findall(_text(path))}
    return {**files, **{f"{PACKAGE.name}/{name}": PACKAGE / name for name in sorted(code)}}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash(content: bytes) -> str:
    """Return what tells two versions of a file apart; line endings do not count."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
