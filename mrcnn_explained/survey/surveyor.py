"""Surveyor: surveys the images of a job one at a time. TensorFlow is imported with the model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.config import Config
from mrcnn_explained.data.classes import class_map
from mrcnn_explained.data.dataset import AnyDataset, load_pixels
from mrcnn_explained.data.objects import load_objects
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.media.images import load_image
from mrcnn_explained.survey.job import Job, prepare
from mrcnn_explained.survey.parts import part_path, printable, stamp, write_part

if TYPE_CHECKING:
    from mrcnn_explained.data.ground_truth import GroundTruth

ENOUGH = 20  # a survey ends if its first images, this many, all fail


class Surveyor:
    """Surveys the images of a job one at a time: `surveyor(number)` writes the image's part."""

    def __init__(self, job: Job, folder: Path):
        from mrcnn_explained.detector.open import make_model

        self.job, self.folder = job, folder
        self.model = make_model(job.weights, Config.from_json(job.config))
        self.dataset = None if job.kind == "folder" else _open(job)

    def __call__(self, number: int) -> str:
        """Survey one image; return why it could not be surveyed, or "".

        Any error of an image is recorded in its part and does not stop the others.
        """
        head: dict[str, Any] = {
            "image": self.job.names[number],
            "file": stamp(self.job.files[number]),
            "error": "",
            "shape": None,
            "left_out": [],
        }
        rows: list[dict[str, Any]] = []
        try:
            loaded = self._load(number)
            head["left_out"] = loaded.left_out
            rows = self._rows(loaded, head["image"])
            head["shape"] = loaded.image.shape[:2]
        except Exception as error:  # one of thousands of images: the others go on
            head["error"] = printable(f"{type(error).__name__}: {error}")
        write_part(part_path(self.folder, number), head, rows)
        return head["error"]

    def _rows(self, loaded: "_Loaded", name: str) -> list[dict[str, Any]]:
        """Return the rows of one image."""
        from mrcnn_explained.survey.rows import survey_image

        return survey_image(self.model, loaded.image, name, loaded.truth, loaded.class_names)

    def _load(self, number: int) -> "_Loaded":
        """Read an image and, from a dataset, its objects."""
        if self.dataset is None:
            return _Loaded(load_image(self.job.files[number], **self.job.options))
        image = load_pixels(self.dataset, number)
        return _with_truth(image, self.dataset, number, self.model.config)


class _Loaded(NamedTuple):
    """An image and, of a dataset's, what is on it."""

    image: UInt8[np.ndarray, "h w 3"]
    truth: "GroundTruth | None" = None  # with the model's class ids; 0: the model lacks the class
    class_names: list[str] | None = None  # of each object
    left_out: Sequence[str] = ()  # objects that could not be used, and why


def _open(job: Job) -> AnyDataset:
    """Open the dataset of a job."""
    options = {**job.options}
    if options.get("images"):
        options["images"] = Path(options["images"])
    return open_dataset(job.kind, Path(job.source) if job.source else None, **options)


def _with_truth(
    image: UInt8[np.ndarray, "h w 3"], dataset: AnyDataset, number: int, config: Config
) -> _Loaded:
    """Return an image with its objects. Classes are matched by name: ids of two lists differ."""
    from mrcnn_explained.data.ground_truth import ground_truth_of

    objects = load_objects(dataset, number)
    truth = ground_truth_of(objects)
    return _Loaded(
        image,
        truth._replace(
            class_ids=class_map(dataset, config, strict=False).model_ids(truth.class_ids)
        ),
        [printable(dataset.class_names[i]) for i in truth.class_ids],
        [printable(str(problem)) for problem in objects.problems if problem.lost],
    )


class FirstImages:
    """Ends a survey whose first images all fail: then the images are not the cause.

    Call it with the error of each image, "" if there is none.
    """

    def __init__(self, job: Job, missing: Sequence[int]):
        self.one_is_good = len(missing) < len(job.names)
        self.enough = min(ENOUGH, len(missing))
        self.errors: list[str] = []

    def __call__(self, error: str) -> None:
        """Raise InputError, with the first error, if enough images have failed and none worked."""
        self.one_is_good = self.one_is_good or not error
        if self.one_is_good:
            return
        self.errors.append(error)
        if len(self.errors) >= self.enough:
            raise InputError(
                f"none of the first {len(self.errors)} images could be surveyed; the first: "
                f"{self.errors[0]}. Fix that and run the survey again: it is resumed"
            )


def run_here(
    job: Job,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Survey the images that are still to be surveyed, in this process.

    progress    called before each image and at the end: images done, all

    Raises InputError if the first images all fail.
    """
    missing, total = prepare(job, folder), len(job.names)
    done_before = total - len(missing)
    if missing:
        surveyor, check = Surveyor(job, folder), FirstImages(job, missing)
        for place, number in enumerate(missing):
            progress(done_before + place, total)
            check(surveyor(number))
    progress(total, total)
