"""Job: a survey of many pictures that can be stopped at any time and goes on where it was.

Each picture's rows are a file of their own, written whole or not at all. What is there is done:
a job that was killed, or a worker that died, leaves nothing half done and nothing counted twice.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.files import whole_file
from mrcnn_explained.pictures import load_image, pictures_in


class Job(NamedTuple):
    """What is to be surveyed; plain values, so that a worker elsewhere can be told."""

    kind: str  # folder, shapes, coco or via
    source: str  # the folder or the file; "" for shapes
    options: dict[str, Any]  # of `open_dataset`
    names: tuple[str, ...]  # of the pictures, in order: paths below the folder, or ids
    weights: str  # as --weights
    config: str  # JSON

    def description(self) -> dict[str, Any]:
        """What must be the same for a folder's parts to count."""
        return json.loads(json.dumps(self._asdict()))


def folder_job(folder: Path, weights: str, config: Config, limit: int | None = None) -> Job:
    """A survey of all pictures in a folder and below it, in the order of their names.

    Raises InputError where there is none.
    """
    names = tuple(str(path.relative_to(folder)) for path in pictures_in(folder)[:limit])
    return Job("folder", str(folder.resolve()), {}, names, weights, config.to_json())


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
    names = tuple(str(dataset.image_info[i]["id"]) for i in dataset.image_ids[:limit])
    if not names:
        raise InputError(f"the dataset {source or kind} has no picture")
    plain = {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
    where = str(source.resolve()) if source else ""
    return Job(kind, where, plain, names, weights, config.to_json())


class Surveyor:
    """Surveys the pictures of a job, one at a time: `surveyor(number)` writes the number's part."""

    def __init__(self, job: Job, folder: Path):
        from mrcnn_explained.making import make_model

        self.job, self.folder = job, folder
        self.model = make_model(job.weights, Config.from_json(job.config))
        self.dataset = None if job.kind == "folder" else _open(job)

    def __call__(self, number: int) -> None:
        """Survey one picture. One that cannot be read is noted and does not stop the others."""
        from mrcnn_explained.survey.rows import survey_picture

        name = self.job.names[number]
        try:
            picture, truth = self._load(number)
        except (InputError, OSError, ValueError) as error:
            part = {"picture": name, "error": str(error), "rows": []}
        else:
            rows = survey_picture(self.model, picture, name, truth)
            part = {"picture": name, "error": "", "rows": rows}
        with whole_file(part_path(self.folder, number)) as file:
            file.write(json.dumps(part).encode())

    def _load(self, number):
        if self.dataset is None:
            return load_image(Path(self.job.source) / self.job.names[number]), None
        return self.dataset.load_image(number), _truth(self.dataset, number, self.model.config)


def _open(job: Job) -> AnyDataset:
    options = {**job.options}
    if options.get("pictures"):
        options["pictures"] = Path(options["pictures"])
    return open_dataset(job.kind, Path(job.source) if job.source else None, **options)


def _truth(dataset, number, config):
    """The objects of a picture; classes count where the model's are the dataset's."""
    from mrcnn_explained.data.annotations import extract_boxes
    from mrcnn_explained.evaluation import Truth

    masks, class_ids = dataset.load_mask(number)
    real = np.asarray(class_ids) > 0
    known = list(dataset.class_names) == list(config.class_names)
    ids = np.asarray(class_ids)[real] * known
    return Truth(extract_boxes(masks[..., real]), ids, masks[..., real])


def part_path(folder: Path, number: int) -> Path:
    """Where the rows of a picture are."""
    return folder / "parts" / f"{number:06}.json"


def prepare(job: Job, folder: Path) -> list[int]:
    """Make a job's folder, or find it again; return the pictures that are still to be done.

    Raises InputError for a folder that holds another job: nothing in it is touched.
    """
    path = folder / "job.json"
    if path.is_file():
        try:
            other = json.loads(path.read_text("utf-8"))
        except ValueError:
            other = {}
        if other != job.description():
            differs = [key for key, value in job.description().items() if other.get(key) != value]
            raise InputError(
                f"{folder} holds another survey (its {', '.join(differs)} differ); give another "
                "folder, --out, or take that one away"
            )
    else:
        with whole_file(path) as file:
            file.write(json.dumps(job.description(), indent=1).encode())
    return [n for n in range(len(job.names)) if not part_path(folder, n).is_file()]


def run_here(
    job: Job,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Survey what is still to be done, in this process. `progress` gets pictures done, and all."""
    missing, total = prepare(job, folder), len(job.names)
    surveyor = Surveyor(job, folder) if missing else None
    for place, number in enumerate(missing):
        progress(total - len(missing) + place, total)
        surveyor(number)
    progress(total, total)


def read_parts(job: Job, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield each picture's part in order: `picture`, `error`, `rows`. All must be there."""
    for number in range(len(job.names)):
        yield json.loads(part_path(folder, number).read_text("utf-8"))
