"""A training run as the command line starts it: model, data, logs and images put together."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from mrcnn_explained.config import LOSSES, Config
from mrcnn_explained.data.annotations import Broken
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.data.census import census, check_objects_exist
from mrcnn_explained.data.classes import in_model_classes
from mrcnn_explained.data.dataset import AnyDataset, DatasetError
from mrcnn_explained.data.left_out import COLUMNS, LeftOut
from mrcnn_explained.data.objects import check_problems
from mrcnn_explained.data.pipeline import Batches, batches
from mrcnn_explained.data.subset import Subset
from mrcnn_explained.detector.memory import check_training
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.training_step import check_rois
from mrcnn_explained.errors import InputError, TrainingError
from mrcnn_explained.inputs import check_range
from mrcnn_explained.system.files import atomic_write, write_csv
from mrcnn_explained.system.folders import use_folder
from mrcnn_explained.training.checkpoint import NAME
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.schedule import Plan
from mrcnn_explained.training.trainer import Trainer
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.imagenet import load_imagenet
from mrcnn_explained.weights.load import CLASS_LAYERS, save_weights
from mrcnn_explained.weights.presets import is_preset, load_preset, read_preset
from mrcnn_explained.weights.resolve import fields_of_file

#: Table of what the run did not use of its dataset.
LEFT_OUT = "left_out.csv"

#: Images that BatchNorm is calibrated on.
CALIBRATION_IMAGES = 32

#: How the names of the backbone's layers start.
BACKBONE_LAYERS = ("conv1", "bn", "res")

#: (model, dataset, path) → None: draws what the model detects on the dataset's first image.
Draw = Callable[[MaskRCNN, AnyDataset, Path], None]


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Everything about a run except how it trains, which is a Plan."""

    out: Path
    weights: str | None = None  # a preset, an .h5 file, "coco", "imagenet"; None: from scratch
    exclude: tuple[str, ...] = ()  # layers of the file that are not loaded
    settings: dict[str, Any] = field(default_factory=dict)  # fields of the config
    batch_size: int = 2
    validation: int = 0  # images at the end of the dataset that are held out
    validate_every: int = 200  # steps
    checkpoint_every: int = 200  # steps
    resume: bool = False
    tensorboard: bool = False
    images_every: int = 0  # steps between images of what the model detects; 0: none
    broken: Broken = "refuse"
    keep_empty: bool = False  # train on images without objects, too: they are background

    def __post_init__(self) -> None:
        for name in ("batch_size", "checkpoint_every"):
            check_range(name, getattr(self, name), 1, error=TrainingError)
        for name in ("validation", "validate_every", "images_every"):
            check_range(name, getattr(self, name), 0, error=TrainingError)
        if self.broken not in ("skip", "refuse"):
            raise TrainingError(f"broken is {self.broken!r}; expected 'skip' or 'refuse'")


def start(
    run: RunPlan,
    plan: Plan,
    dataset: AnyDataset,
    *,
    progress: Callable[[str], None] = print,
    report: Callable[[str], None] = print,
    draw: Draw | None = None,
) -> list[Path]:
    """Train a model; return the files that were written. Ctrl-C keeps the last checkpoint.

    progress    called with a line of text for each step
    report      called at the start with a line about the dataset, and at the end with a summary
                of what the run did not use of it, which `left_out.csv` lists
    draw        called every `images_every` steps

    Raises InputError for settings that do not fit each other, the dataset, the weights or the
    memory, and for a folder that another run is writing to.
    """
    if run.broken == "refuse":
        check_problems(dataset)
    config = config_for(run, dataset)
    dataset = _in_model_classes(dataset, config, run)
    check_rois(config, 0)
    to_train, held_out = _hold_out(dataset, run.validation)
    left_out = _check_data(to_train, held_out, run.keep_empty, report)
    check_training(config, run.batch_size)
    sources = _Sources(run, plan, config, to_train, held_out, left_out)
    with use_folder(run.out):
        progress("Preparing the weights")
        trainer = _prepare(run, plan, config, sources)
        try:
            trainer.run(
                checkpoint_every=run.checkpoint_every,
                validate_every=run.validate_every,
                progress=_on_step(run, plan, trainer.model, sources, progress, draw),
            )
        finally:
            write_csv(run.out / LEFT_OUT, COLUMNS, left_out.rows())
            for line in left_out.lines():
                report(line)
        trainer.use_average()
        weights = {name: variable.numpy() for name, variable in trainer.model.weights.items()}
        save_weights(run.out / "weights.h5", weights, config)
        written = (NAME, "log.csv", LEFT_OUT, "config.json", "weights.h5")
        return [run.out / name for name in written]


class _Sources:
    """The batches of a run: to train on, to validate on, and to calibrate BatchNorm on."""

    def __init__(
        self,
        run: RunPlan,
        plan: Plan,
        config: Config,
        to_train: Subset,
        held_out: Subset | None,
        left_out: LeftOut,
    ):
        self.run, self.plan = run, plan
        self.to_train, self.held_out = to_train, held_out
        self._make = functools.partial(
            batches,
            config=config,
            batch_size=run.batch_size,
            broken=run.broken,
            keep_empty=run.keep_empty,
            on_problem=left_out.add,
        )

    def from_step(self, step: int, shard: tuple[int, int] = (0, 1), split: int = 1) -> Batches:
        """Return the batches to train on, from a step on."""
        return self._make(self.to_train, seed=self.plan.seed, start=step, shard=shard, split=split)

    def validation(self) -> Batches:
        """Return the batches of held-out images."""
        assert self.held_out is not None, "only called with images to validate on"
        count = max(1, self.run.validation // self.run.batch_size)
        return self._make(self.held_out, count=count, shuffle=False, flips=False)

    def calibration(self) -> Batch:
        """Return the large batch that BatchNorm is calibrated on."""
        many = self._make(self.to_train, seed=self.plan.seed, batch_size=CALIBRATION_IMAGES)
        return many.first()


def _prepare(run: RunPlan, plan: Plan, config: Config, sources: _Sources) -> Trainer:
    """Return a trainer with the run's first weights, or with those of its checkpoint."""
    model = MaskRCNN(config)
    if not run.resume:
        _fill(model, run, sources.calibration)
    with atomic_write(run.out / "config.json") as file:
        file.write(config.to_json().encode())
    validation = sources.validation if sources.held_out else None
    trainer = Trainer(model, plan, sources.from_step, run.out, validation=validation)
    if run.resume:
        trainer.resume()
    return trainer


def _on_step(
    run: RunPlan,
    plan: Plan,
    model: MaskRCNN,
    sources: _Sources,
    progress: Callable[[str], None],
    draw: Draw | None,
) -> Callable[[int, dict[str, float]], None]:
    """Return the function that reports a step, and draws an image if one is due."""
    folder = str(run.out / "tensorboard")
    board = tf.summary.create_file_writer(folder) if run.tensorboard else None

    def on_step(step: int, row: dict[str, float]) -> None:
        """Report one step; `row` holds its losses by name."""
        progress(_line_about(step, plan.steps, row))
        if board:
            with board.as_default(step=step):
                for name, value in row.items():
                    tf.summary.scalar(name, value)
        if draw and run.images_every and step % run.images_every == 0:
            dataset = sources.held_out or sources.to_train
            draw(model, dataset, run.out / f"step-{step:06}.png")

    return on_step


def config_for(run: RunPlan, dataset: AnyDataset) -> Config:
    """Return the config of a run: that of its weights, with the run's settings.

    The classes are the dataset's, unless the weights have names for theirs and the layers that
    know them are loaded: then an id must go on meaning what it means there.
    """
    names = tuple(dataset.class_names)
    classes = {"num_classes": len(names), "class_names": names}
    if run.weights is None:
        return Config.slim(**{**classes, **run.settings})
    if run.weights == "imagenet":
        imagenet = {"backbone": "resnet50", "backbone_width": 64}
        return Config.slim(**{**imagenet, **classes, **run.settings})
    if is_preset(run.weights):
        own = dataclasses.asdict(read_preset(run.weights)[0])
    else:
        is_coco = run.weights == "coco"
        path = find_coco_weights() if is_coco else Path(run.weights)
        own = fields_of_file(path, {**classes, **run.settings}, assumed=not is_coco)
    keeps_classes = own.get("class_names") and not set(CLASS_LAYERS) & set(run.exclude)
    return Config(**{**own, **({} if keeps_classes else classes), **run.settings})


def _in_model_classes(dataset: AnyDataset, config: Config, run: RunPlan) -> AnyDataset:
    """Return the dataset with the class ids of the model; say which layers to leave out if not."""
    try:
        return in_model_classes(dataset, config)
    except DatasetError as error:
        if run.weights is None:
            raise
        layers = ",".join(CLASS_LAYERS)
        raise DatasetError(f"{error} (--exclude {layers})") from error


def _hold_out(dataset: AnyDataset, count: int) -> tuple[Subset, Subset | None]:
    """Split a dataset into the images to train on and its last `count` images."""
    ids = list(dataset.image_ids)
    if not ids:
        raise DatasetError("the dataset has no image: nothing to train on")
    if not 0 <= count < len(ids):
        raise InputError(
            f"{count} of {len(ids)} images would be held out to validate; at least one must be "
            "left to train on (--validation)"
        )
    left = len(ids) - count
    return Subset(dataset, ids[:left]), Subset(dataset, ids[left:]) if count else None


def _check_data(
    to_train: Subset, held_out: Subset | None, keep_empty: bool, report: Callable[[str], None]
) -> LeftOut:
    """Report what there is to train on; return what the file holds and the run cannot use.

    Raises DatasetError if there is no object to train on, or none to validate on.
    """
    if not keep_empty:
        check_objects_exist(to_train, "to train on")
        if held_out is not None:
            check_objects_exist(held_out, "to validate on")
    left_out = LeftOut()
    for problem in getattr(to_train, "problems", ()):
        left_out.add(problem)
    found = census(to_train)
    if found is not None:
        report(f"Found to train on: {found}")
        if found.empty_images:
            kept = "train as background" if keep_empty else "are skipped (--keep-empty)"
            report(f"Images without an object {kept}")
        if not found.objects:
            report("WARNING: without an object, all losses but those of the background stay 0")
    for line in left_out.lines():
        report(line)
    return left_out


def _line_about(step: int, steps: int, row: dict[str, float]) -> str:
    """Return the line that a step prints."""
    losses = " ".join(f"{row[name]:.3f}" for name in LOSSES)
    validation = f", validation {row['val_loss']:.3f}" if "val_loss" in row else ""
    return f"Step {step} of {steps}: loss {row['loss']:.3f} ({losses}){validation}"


def _fill(model: MaskRCNN, run: RunPlan, calibration: Callable[[], Batch]) -> None:
    """Give the model its first weights."""
    initialise(model)
    if run.weights is None:
        calibrate_batch_norm(model, calibration())
    elif run.weights == "imagenet":
        load_imagenet(model.weights, model.config)
        model.weights_from = "ImageNet"
        model.random_layers = tuple(
            layer for layer in model.random_layers if not layer.startswith(BACKBONE_LAYERS)
        )
    elif is_preset(run.weights):
        _load_preset(model, run.weights, run.exclude)
    else:
        model.load_weights(run.weights, exclude=run.exclude)


def _load_preset(model: MaskRCNN, preset: str, exclude: tuple[str, ...]) -> None:
    """Give the model the weights of a preset, except for the excluded layers."""
    _, weights = read_preset(preset)
    to_fill = {
        name: variable
        for name, variable in model.weights.items()
        if name.split("/")[0] not in exclude
    }
    for name, variable in to_fill.items():
        if name in weights and tuple(variable.shape) != weights[name].shape:
            raise InputError(
                f"{name} is {list(weights[name].shape)} in the preset, "
                f"{list(variable.shape)} in the model; for other classes leave out "
                f"{','.join(CLASS_LAYERS)} (--exclude)"
            )
    load_preset(to_fill, weights, preset)
    model.weights_from = f"preset {preset}"
    model.random_layers = tuple(layer for layer in model.random_layers if layer in exclude)
