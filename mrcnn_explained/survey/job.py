"""Job: a survey of many images that can be stopped at any time and goes on where it was.

Each image's rows are a file of their own, written whole or not at all. What is there is done:
a job that was killed, or a worker that died, leaves nothing half done and nothing counted twice.
A part counts as long as the image, the weights and the annotations are those that it came from.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained import __version__
from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.files import atomic_write
from mrcnn_explained.media.images import images_in, load_image
from mrcnn_explained.survey.parts import (
    PARTS,
    part_path,
    printable,
    read_head,
    read_part,
    remove_unfinished,
    stamp,
    write_part,
)
from mrcnn_explained.weights.presets import presets

ENOUGH = 20  # images that fail from the start on: then it is not the images


class Job(NamedTuple):
    """What is to be surveyed; plain values, so that a worker elsewhere can be told."""

    kind: str  # folder, shapes, coco or via
    source: str  # the folder or the file; "" for shapes
    options: dict[str, Any]  # of `open_dataset`
    annotation_file: dict[str, Any]  # path, bytes and sha256; {} where there is none
    names: tuple[str, ...]  # of the images, in order: paths below the folder, or ids; printable
    files: tuple[str, ...]  # their paths, as they are opened; "" for an image drawn by rule
    weights: str  # as `make_model` takes them, a file by its whole path
    weights_file: dict[str, Any]  # path, bytes and sha256; without a file the package's version
    config: str  # JSON

    def description(self) -> dict[str, Any]:
        """What must be the same for a folder's parts to count."""
        return json.loads(json.dumps(self._asdict()))


def folder_job(folder: Path, weights: str, config: Config, limit: int | None = None) -> Job:
    """A survey of all images in a folder and below it, in the order of their names.

    Raises InputError where there is none, or the weights cannot be read.
    """
    source = folder.resolve()
    names = [str(path.relative_to(folder)) for path in images_in(folder)[:limit]]
    return Job(
        "folder",
        str(source),
        {},
        {},
        tuple(map(printable, names)),
        tuple(str(source / name) for name in names),
        *_weights(weights),
        config.to_json(),
    )


def dataset_job(
    kind: str,
    source: Path | None,
    options: dict[str, Any],
    weights: str,
    config: Config,
    limit: int | None = None,
) -> Job:
    """A survey of a dataset, with its objects. Raises DatasetError as `open_dataset`."""
    dataset = open_dataset(kind, source, **options)
    infos = [dataset.image_info[i] for i in dataset.image_ids[:limit]]
    if not infos:
        raise InputError(f"the dataset {source or kind} has no image")
    files = tuple(os.path.abspath(info["path"]) if info.get("path") else "" for info in infos)
    plain = {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
    return Job(
        kind,
        str(source.resolve()) if source else "",
        plain,
        _annotation_file(kind, source, options),
        tuple(printable(str(i["id"])) for i in infos),
        files,
        *_weights(weights),
        config.to_json(),
    )


def _weights(weights: str) -> tuple[str, dict[str, Any]]:
    """The weights as every worker finds them, and what tells them from others of that name."""
    if weights == "random" or weights in presets():
        return weights, {"version": __version__}
    path = Path(weights).resolve()
    return str(path), _identity(path)


def _annotation_file(kind, source, options):
    if kind == "shapes":
        return {}
    if kind == "coco":
        subset, year = options.get("subset", "val"), options.get("year", "2017")
        source = source / "annotations" / f"instances_{subset}{year}.json"
    return _identity(source.resolve())


def _identity(path: Path) -> dict[str, Any]:
    """Path, size and contents of a file in a few words. Raises InputError where it is not."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"path": str(path), "bytes": file.tell(), "sha256": digest}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file") from error


class Surveyor:
    """Surveys the images of a job, one at a time: `surveyor(number)` writes the number's part."""

    def __init__(self, job: Job, folder: Path):
        from mrcnn_explained.detector.open import make_model

        self.job, self.folder = job, folder
        self.model = make_model(job.weights, Config.from_json(job.config))
        self.dataset = None if job.kind == "folder" else _open(job)

    def __call__(self, number: int) -> str:
        """Survey one image; return why it could not be, or "".

        Whatever is wrong with an image is noted and does not stop the others.
        """
        head = {
            "image": self.job.names[number],
            "file": stamp(self.job.files[number]),
            "error": "",
            "shape": None,
        }
        rows: list[dict[str, Any]] = []
        try:
            image, *truth = self._load(number)
            rows = self._rows(image, head["image"], *truth)
            head["shape"] = image.shape[:2]
        except Exception as error:  # one image of thousands, and nobody watches
            head["error"] = printable(f"{type(error).__name__}: {error}")
        write_part(part_path(self.folder, number), head, rows)
        return head["error"]

    def _rows(self, *of_image):
        from mrcnn_explained.survey.rows import survey_image

        return survey_image(self.model, *of_image)

    def _load(self, number):
        if self.dataset is None:
            return (load_image(self.job.files[number]),)
        image = self.dataset.load_image(number)
        return image, *_truth(self.dataset, number, self.model.config)


def _open(job: Job) -> AnyDataset:
    options = {**job.options}
    if options.get("images"):
        options["images"] = Path(options["images"])
    return open_dataset(job.kind, Path(job.source) if job.source else None, **options)


def _truth(dataset, number, config):
    """The objects of an image, their classes by the model's ids, and by the dataset's names.

    A class counts where the model has one of that name: ids of two lists say nothing.
    """
    from mrcnn_explained.data.annotations import extract_boxes
    from mrcnn_explained.evaluation.evaluate import Truth

    masks, class_ids = dataset.load_mask(number)
    boxes = extract_boxes(masks)
    real = (np.asarray(class_ids) > 0) & (boxes[:, 2] > boxes[:, 0])  # an empty mask has no box
    names = [dataset.class_names[i] for i in np.asarray(class_ids)[real]]
    known = {name: i for i, name in enumerate(config.class_names) if i}
    ids = np.array([known.get(name, 0) for name in names], np.int32)
    truth = Truth(boxes[real], ids, masks[..., real])
    return truth, [printable(name) for name in names]


def prepare(job: Job, folder: Path) -> list[int]:
    """Make a job's folder, or find it again; return the images that are still to be done.

    To be done are those without a part, with one that tells of an error, and those whose file
    has changed since. Raises InputError for a folder that holds another job, or parts of nobody
    knows which: nothing in it is touched.
    """
    path = folder / "job.json"
    if path.is_file():
        _check_same(job, folder, path)
    elif any(folder.glob(PARTS)):
        raise InputError(
            f"{folder} holds parts of a survey, but no job.json that says of which; give another "
            "folder, --out, or take that one away"
        )
    else:
        with atomic_write(path) as file:
            file.write(json.dumps(job.description(), indent=1).encode())
    remove_unfinished(folder)
    return [n for n in range(len(job.names)) if not _is_done(job, folder, n)]


def _is_done(job: Job, folder: Path, number: int) -> bool:
    head = read_head(part_path(folder, number))
    same = (head.get("image"), head.get("file")) == (job.names[number], stamp(job.files[number]))
    return same and head.get("error") == ""


def _check_same(job: Job, folder: Path, path: Path) -> None:
    try:
        other = json.loads(path.read_text("utf-8"))
    except ValueError:
        other = None
    mine, other = job.description(), other if isinstance(other, dict) else {}
    differs = [key for key, value in mine.items() if other.get(key) != value]
    if not differs:
        return
    what = f"its {', '.join(differs)} differ"
    if set(differs) == {"names", "files"}:
        what = _other_images(mine["names"], other["names"])
    raise InputError(
        f"{folder} holds another survey ({what}); give another folder, --out, or take that one away"
    )


def _other_images(names, before):
    """What became of the images since a survey began, in words."""
    new = [name for name in names if name not in set(before)]
    gone = [name for name in before if name not in set(names)]
    told = [
        f"{len(some)} {'image is' if len(some) == 1 else 'images are'} {what}, as {some[0]}"
        for some, what in ((new, "new"), (gone, "no longer there"))
        if some
    ]
    return f"it has {len(before)} images; {' and '.join(told) or 'their order differs'}"


class FirstImages:
    """Ends a survey whose first images all fail: what is wrong then is not an image.

    Call it with each image's error, "" where there is none.
    """

    def __init__(self, job: Job, missing: list[int]):
        self.one_is_good = len(missing) < len(job.names)
        self.enough = min(ENOUGH, len(missing))
        self.errors: list[str] = []

    def __call__(self, error: str) -> None:
        """Raise InputError, with the first cause, when enough images failed and none did not."""
        self.one_is_good = self.one_is_good or not error
        if self.one_is_good:
            return
        self.errors.append(error)
        if len(self.errors) >= self.enough:
            raise InputError(
                f"none of the first {len(self.errors)} images could be surveyed; the first: "
                f"{self.errors[0]}. Mend that and run it again: it goes on"
            )


def run_here(
    job: Job,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Survey what is still to be done, in this process. `progress` gets images done, and all.

    Raises InputError where all of the first images fail.
    """
    missing, total = prepare(job, folder), len(job.names)
    surveyor = Surveyor(job, folder) if missing else None
    check = FirstImages(job, missing)
    for place, number in enumerate(missing):
        progress(total - len(missing) + place, total)
        check(surveyor(number))
    progress(total, total)


def read_parts(job: Job, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield each image's part in order. All must be there.

    `image`, `error`, `shape` (height and width in pixels; None with an error), `rows`.
    """
    for number in range(len(job.names)):
        yield read_part(part_path(folder, number))
