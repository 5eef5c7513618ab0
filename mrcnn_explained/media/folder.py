"""The images of a folder, without what programs and systems leave between them."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mrcnn_explained.errors import ImageError

#: Endings of the names that count as images. Files are read by content, whatever their name.
SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif",
    ".jp2", ".ppm", ".pgm",
)  # fmt: skip

#: Folders and files that systems and programs leave behind, beside the hidden ones.
LEFTOVERS = ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin")


class FoundImages(NamedTuple):
    """The images of a folder and its subfolders."""

    paths: list[Path]  # in the order of their names
    skipped: dict[str, int]  # what was left out → how many files or folders

    def report(self) -> str:
        """Return a sentence about what was left out; empty if nothing was."""
        counts = [f"{count} {what}" for what, count in sorted(self.skipped.items())]
        return f"left out: {', '.join(counts)}" if counts else ""


def images_in(folder: Path) -> list[Path]:
    """Return the image files in a folder and its subfolders, in the order of their names.

    Raises ImageError if there is no image.
    """
    return find_images(folder).paths


def find_images(folder: Path) -> FoundImages:
    """Find the image files in a folder and its subfolders, and count what is left out.

    Hidden files and folders, and what macOS, Windows and Jupyter leave behind, are left out. Links
    to folders are followed, each folder is read once.

    Raises ImageError if there is no image, or if the folder cannot be read.
    """
    paths: list[Path] = []
    skipped: Counter[str] = Counter()
    try:
        for path in files_in(folder, skipped):
            kind = _left_out(path)
            if kind:
                skipped[kind] += 1
            else:
                paths.append(path)
    except OSError as error:
        raise ImageError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    found = FoundImages(sorted(paths), dict(skipped))
    if not paths:
        raise ImageError(
            f"{folder} has no image; expected files ending in {', '.join(SUFFIXES)}"
            + (f" ({found.report()})" if skipped else "")
        )
    return found


def files_in(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Yield all that is not a folder, in a folder and below; count the folders left out.

    skipped    what was left out → how many folders; added to

    Leftovers and hidden folders are left out; such files are not, see `is_leftover`. Links to
    folders are followed, each folder is read once. Raises OSError for a folder that cannot be read.
    Folders of the tree come before those that links lead to, so that a file gets its own name
    where it has one.
    """
    seen: set[tuple[int, int]] = set()
    folders = [folder]
    links: list[Path] = []
    while folders or links:
        current = folders.pop() if folders else links.pop()
        status = current.stat()
        if (status.st_dev, status.st_ino) in seen:
            skipped["links to folders that are read anyway"] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in sorted(os.scandir(current), key=lambda entry: entry.name):
            path = current / entry.name
            is_folder = path.is_dir() if entry.is_symlink() else entry.is_dir()
            if not is_folder:
                yield path
            elif is_leftover(entry.name):
                skipped["hidden"] += 1
            else:
                (links if entry.is_symlink() else folders).append(path)


def _left_out(path: Path) -> str:
    """Return what a file is that is not taken as an image; "" for an image."""
    if is_leftover(path.name):
        return "hidden"
    try:
        mode = path.stat().st_mode
    except OSError:
        return "links that lead nowhere"
    if not stat.S_ISREG(mode):
        return "pipes or devices"
    if path.suffix.lower() not in SUFFIXES:
        return f"{path.suffix.lower() or 'without ending'}"
    return ""


def is_leftover(name: str) -> bool:
    """Return whether a file or folder is hidden, or left behind by a program."""
    return name.startswith((".", "~$")) or name.lower() in LEFTOVERS
