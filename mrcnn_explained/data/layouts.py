"""Layouts: where the images of an annotation file lie.

Names in annotation files come from other machines: with folders, drives, backslashes, addresses or
other capitals. A name is looked for as it is written, then by its last parts, then by its last part
alone anywhere below the folder, if only one file has it.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from mrcnn_explained.data.records import DatasetError, short
from mrcnn_explained.media.folder import SUFFIXES, files_in, is_leftover

MOST_FILES = 400_000  # in a folder and below it


class ImageFolder:
    """The images below some folders, found by the names in an annotation file.

    bases    folders that names may be relative to, in order
    root     the folder that is searched for names that are in none of them
    """

    def __init__(self, bases: Sequence[Path], root: Path):
        self.bases, self.root = [base for base in bases if os.path.isdir(base)], root
        self._usual = bases[0]
        self._index: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path:
        """Return the path of an image.

        Raises DatasetError if no file has that name, or several have it.
        """
        parts = _parts(name)
        if not parts:
            raise DatasetError("the file names no image")
        try:
            for base in self.bases:
                for start in range(len(parts)):
                    path = base.joinpath(*parts[start:])
                    if path.is_file():
                        return path
        except (OSError, ValueError):
            pass  # a name that the system does not allow
        return self._by_last_part(parts[-1])

    def expected(self, name: str) -> Path:
        """Return the path where an image that is not found would be looked for first."""
        return self._usual.joinpath(*_parts(name))

    def _by_last_part(self, last: str) -> Path:
        """Return the only file below the root with this name, or with other capitals in it."""
        if self._index is None:
            self._index = _index(self.root)
        same = self._index.get(last.lower(), [])
        exact = [path for path in same if path.name == last]
        found = exact or same
        if not found:
            raise DatasetError(
                f"image {short(last)} is not in {self.root}; say where the images are (--images)"
            )
        if len(found) > 1:
            first, second = (os.path.relpath(path, self.root) for path in found[:2])
            raise DatasetError(
                f"{len(found)} files are called {short(last)} ({short(first)}, {short(second)}); "
                "say which folder is meant (--images)"
            )
        return found[0]


def _parts(name: str) -> list[str]:
    """Return the folders and the file of a name, without a drive, an address or `..`."""
    path = name.replace("\\", "/")
    if "://" in path:
        path = unquote(path.split("://", 1)[1].split("?", 1)[0])
    return [part for part in path.split("/") if part not in ("", ".", "..") and part[-1:] != ":"]


def _index(root: Path) -> dict[str, list[Path]]:
    """Return all images below a folder by their names in small letters."""
    found: dict[str, list[Path]] = {}
    for path in files_below(root, SUFFIXES):
        found.setdefault(path.name.lower(), []).append(path)
    return found


def files_below(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files in a folder and below it, in the order of their names.

    suffixes    of the files, in small letters

    The folder is read as `media.folder.find_images` reads it. Raises DatasetError for a folder
    that cannot be read, or with more files than a dataset has.
    """
    found: list[Path] = []
    try:
        for count, path in enumerate(files_in(root, Counter()), start=1):
            if count > MOST_FILES:
                raise DatasetError(
                    f"{root} holds more than {MOST_FILES:,} files; give a folder of the dataset "
                    "alone"
                )
            named = path.name.lower().endswith(suffixes) and not is_leftover(path.name)
            if named and path.is_file():
                found.append(path)
    except OSError as error:
        raise DatasetError(f"{error.filename or root} cannot be read: {error.strerror}") from error
    return sorted(found)


def image_folder(annotations: Path, images: Path | None) -> ImageFolder:
    """Return where the images of an annotation file are looked for.

    annotations    the file
    images         the folder that the user gave; None: the folders that tools use

    Raises DatasetError for a folder that does not exist.
    """
    if images is not None:
        if not os.path.isdir(images):
            raise DatasetError(f"--images is {images}, which is not a folder")
        return ImageFolder([images], images)
    parent = annotations.parent
    bases = [parent, parent / "images", parent / "JPEGImages"]
    if parent.name != "annotations":
        return ImageFolder(bases, parent)
    top = parent.parent
    subset = annotations.stem.removeprefix("instances_").removeprefix("person_keypoints_")
    usual = [top / subset, top / "images" / subset, top / "images", top]
    return ImageFolder([*usual, *bases], top)


def coco_file(source: Path, subset: str, year: str) -> Path:
    """Return the annotation file of a COCO source: the file itself, or that of a folder.

    Known folders are those of COCO and CVAT (annotations/instances_val2017.json, …default.json),
    Roboflow (valid/_annotations.coco.json), Label Studio (result.json) and labelme2coco
    (annotations.json).

    Raises DatasetError if the folder has no such file.
    """
    if not os.path.isdir(source):
        return source
    subsets = [subset, "valid"] if subset == "val" else [subset]
    names = [f"annotations/instances_{subset}{year}.json", f"annotations/instances_{subset}.json"]
    names += [f"{each}/_annotations.coco.json" for each in subsets]
    names += ["_annotations.coco.json", "result.json", "annotations.json"]
    names += ["annotations/instances_default.json"]
    for name in names:
        if os.path.isfile(source / name):
            return source / name
    raise DatasetError(
        f"{source / names[0]} is not a file, and {short(source)} has no other layout that is known "
        "(docs/data.md lists them); give the .json file itself"
    )
