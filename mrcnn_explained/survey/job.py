"""Job: a survey of many images that can be stopped at any time and resumed.

The rows of each image are a file of their own, written whole or not at all. An image that has
such a part is done, so a killed job or worker leaves nothing half done and nothing counted twice.
A part is valid as long as its image, the weights and the annotations stay the same.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn_explained import __version__
from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import Dataset
from mrcnn_explained.data.open import annotation_files, open_dataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.media.folder import images_in
from mrcnn_explained.survey.parts import (
    PARTS,
    is_whole,
    part_path,
    printable,
    read_head,
    read_part,
    remove_unfinished,
    stamp,
)
from mrcnn_explained.system.files import atomic_write, read_json
from mrcnn_explained.weights.presets import presets

FileIdentity = dict[str, Any]  # path, bytes and sha256 of a file; {} if there is no file


class Job(NamedTuple):
    """What to survey; plain values, so that it can be sent to a worker on another machine."""

    kind: str  # folder, shapes, coco, via or labelme
    source: str  # the folder or the file; "" for shapes
    options: dict[str, Any]  # of `open_dataset`; of a folder those of `load_image`
    annotation_file: FileIdentity
    names: tuple[str, ...]  # of the images, in order: paths below the folder, or ids; printable
    files: tuple[str, ...]  # paths of the images; "" for an image that is drawn by rule
    weights: str  # as `make_model` takes them; the absolute path of a file
    weights_file: FileIdentity  # {"version": …} of the package for weights without a file
    config: str  # JSON

    def description(self) -> dict[str, Any]:
        """Return what must be the same for a folder's parts to be valid."""
        return json.loads(json.dumps(self._asdict()))


def folder_job(
    folder: Path,
    weights: str,
    config: Config,
    limit: int | None = None,
    pixels: Mapping[str, Any] | None = None,
) -> Job:
    """Describe a survey of all images in a folder and below it, in the order of their names.

    limit     images at most; None: all
    pixels    arguments of `load_image`: frame, value_range

    Raises InputError if there is no image, or if the weights cannot be read.
    """
    source = folder.resolve()
    names = [str(path.relative_to(folder)) for path in images_in(folder)[:limit]]
    chosen, weights_file = _identify_weights(weights)
    return Job(
        kind="folder",
        source=str(source),
        options={key: value for key, value in (pixels or {}).items() if value is not None},
        annotation_file={},
        names=tuple(printable(name) for name in names),
        files=tuple(str(source / name) for name in names),
        weights=chosen,
        weights_file=weights_file,
        config=config.to_json(),
    )


def dataset_job(
    kind: str,
    source: Path | None,
    options: dict[str, Any],
    weights: str,
    config: Config,
    limit: int | None = None,
    *,
    opened: Callable[[Dataset], None] = lambda dataset: None,
) -> Job:
    """Describe a survey of a dataset, with its objects.

    kind, source, options    as `open_dataset` takes them
    limit                    images at most; None: all
    opened                   called with the dataset, to report what its file holds

    Raises DatasetError as `open_dataset` does, and InputError for a dataset without images.
    """
    dataset = open_dataset(kind, source, **options)
    opened(dataset)
    infos = [dataset.image_info[i] for i in dataset.image_ids[:limit]]
    if not infos:
        raise InputError(f"the dataset {source or kind} has no image")
    files = [os.path.abspath(info["path"]) if info.get("path") else "" for info in infos]
    plain = {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
    chosen, weights_file = _identify_weights(weights)
    return Job(
        kind=kind,
        source=str(source.resolve()) if source else "",
        options=plain,
        annotation_file=_identify_annotations(kind, source, options),
        names=tuple(printable(str(info["id"])) for info in infos),
        files=tuple(files),
        weights=chosen,
        weights_file=weights_file,
        config=config.to_json(),
    )


def _identify_weights(weights: str) -> tuple[str, FileIdentity]:
    """Return the weights as every worker finds them, and the identity of their file."""
    if weights == "random" or weights in presets():
        return weights, {"version": __version__}
    path = Path(weights).resolve()
    return str(path), _identify(path)


def _identify_annotations(kind: str, source: Path | None, options: dict[str, Any]) -> FileIdentity:
    """Return the identity of a dataset's annotation files; {} for a dataset without any."""
    chosen = {key: options[key] for key in ("subset", "year") if key in options}
    files = [_identify(path.resolve()) for path in annotation_files(kind, source, **chosen)]
    if len(files) < 2:
        return files[0] if files else {}
    together = hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest()
    size = sum(file["bytes"] for file in files)
    return {"path": str(source), "bytes": size, "sha256": together}


def _identify(path: Path) -> FileIdentity:
    """Return path, size and content hash of a file. Raises InputError if it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"path": str(path), "bytes": file.tell(), "sha256": digest}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file") from error


def prepare(job: Job, folder: Path) -> list[int]:
    """Create a job's folder, or check an existing one; return the images still to be surveyed.

    These are the images without a part, with a part that records an error, or with a file that
    has changed since. Raises InputError for a folder that holds another job, or parts of an
    unknown one; nothing in it is changed then.
    """
    path = folder / "job.json"
    if os.path.lexists(path):
        _check_same(job, folder, path)
    elif any(folder.glob(PARTS)):
        raise InputError(
            f"{folder} holds parts of a survey, but no job.json that describes it; choose another "
            "folder (--out), or remove that one"
        )
    else:
        with atomic_write(path) as file:
            file.write(json.dumps(job.description(), indent=1).encode())
    remove_unfinished(folder)
    return [n for n in range(len(job.names)) if not _is_done(job, folder, n)]


def _is_done(job: Job, folder: Path, number: int) -> bool:
    """Return whether an image has a valid part without an error."""
    path = part_path(folder, number)
    head = read_head(path)
    same = (head.get("image"), head.get("file")) == (job.names[number], stamp(job.files[number]))
    return same and head.get("error") == "" and is_whole(path)


def _check_same(job: Job, folder: Path, path: Path) -> None:
    """Raise InputError if the description at `path` is that of another job."""
    try:
        other = read_json(path, "the job.json of a survey", largest=2**28)
    except InputError:
        other = None
    mine, other = job.description(), other if isinstance(other, dict) else {}
    differs = [key for key, value in mine.items() if other.get(key) != value]
    if not differs:
        return
    what = f"its {', '.join(differs)} differ"
    if set(differs) == {"names", "files"} and _are_names(other.get("names")):
        what = _changed_images(mine["names"], other["names"])
    raise InputError(
        f"{folder} holds another survey ({what}); choose another folder (--out), or remove that one"
    )


def _are_names(value: Any) -> bool:
    """Return whether a value read from JSON is a list of names."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _changed_images(names: Sequence[str], before: Sequence[str]) -> str:
    """Describe how the images have changed since a survey began."""
    new = [name for name in names if name not in set(before)]
    gone = [name for name in before if name not in set(names)]
    changes = []
    for some, what in ((new, "new"), (gone, "no longer there")):
        if some:
            are = "image is" if len(some) == 1 else "images are"
            changes.append(f"{len(some)} {are} {what}, for example {some[0]}")
    return f"it has {len(before)} images; {' and '.join(changes) or 'their order differs'}"


def read_parts(job: Job, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the part of each image, in order. The survey must be complete.

    A part has `image`, `error`, `shape` (height and width in pixels; None with an error) and
    `rows`.
    """
    for number in range(len(job.names)):
        yield read_part(part_path(folder, number))
