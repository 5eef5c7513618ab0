"""A training run from the command line: model, data, logs and images put together."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from mrcnn_explained.config import Config, read_settings
from mrcnn_explained.data.annotations import AnnotationProblem
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import InputError
from mrcnn_explained.files import atomic_write
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.trainer import Plan, Trainer
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.imagenet import load_imagenet
from mrcnn_explained.weights.load import CLASS_LAYERS, save_weights
from mrcnn_explained.weights.matterport_h5 import config_from_file
from mrcnn_explained.weights.presets import is_preset, read_preset

#: Images that BatchNorm is calibrated on.
CALIBRATION = 32


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Everything about a run but how it learns, which is a Plan."""

    out: Path
    weights: str | None = None  # a preset, an .h5 file, "coco", "imagenet"; None: from nothing
    exclude: tuple[str, ...] = ()  # layers of the file to leave as they are
    settings: dict[str, Any] = field(default_factory=dict)  # fields of the config
    batch_size: int = 2
    validation: int = 0  # images at the end of the dataset that are held out
    validate_every: int = 200
    checkpoint_every: int = 200
    resume: bool = False
    tensorboard: bool = False
    images_every: int = 0
    broken: str = "refuse"


def start(
    run: RunPlan, plan: Plan, dataset: AnyDataset, *, progress: Callable[[str], None] = print
) -> list[Path]:
    """Train; return the files that were written. Ctrl-C keeps the last checkpoint."""
    config = config_for(run, dataset)
    ids = list(dataset.image_ids)
    if not 0 <= run.validation < len(ids):
        raise InputError(
            f"{run.validation} of {len(ids)} images held out: at least one must be left to learn"
        )
    learn, held_out = Subset(dataset, ids[: len(ids) - run.validation]), None
    if run.validation:
        held_out = Subset(dataset, ids[len(ids) - run.validation :])
    setting = {"batch_size": run.batch_size, "broken": run.broken, "on_problem": _tell}

    def from_step(step, shard=(0, 1), split=1):
        return batches(
            learn, config, seed=plan.seed, start=step, shard=shard, split=split, **setting
        )

    def validation():
        count = max(1, run.validation // run.batch_size)
        return batches(held_out, config, count=count, shuffle=False, flips=False, **setting)

    model = MaskRCNN(config)
    progress("Preparing the weights")
    _fill(
        model,
        run,
        lambda: next(
            iter(batches(learn, config, seed=plan.seed, **{**setting, "batch_size": CALIBRATION}))
        ),
    )
    with atomic_write(run.out / "config.json") as file:
        file.write(config.to_json().encode())
    trainer = Trainer(model, plan, from_step, run.out, validation=validation if held_out else None)
    if run.resume:
        trainer.resume()
    board = tf.summary.create_file_writer(str(run.out / "tensorboard")) if run.tensorboard else None

    def on_step(step, row):
        names = (
            "rpn_class_loss",
            "rpn_bbox_loss",
            "mrcnn_class_loss",
            "mrcnn_bbox_loss",
            "mrcnn_mask_loss",
        )
        losses = " ".join(f"{row[name]:.3f}" for name in names)
        held = f", validation {row['val_loss']:.3f}" if "val_loss" in row else ""
        progress(f"Step {step} of {plan.steps}: loss {row['loss']:.3f} ({losses}){held}")
        if board:
            with board.as_default(step=step):
                for name, value in row.items():
                    tf.summary.scalar(name, value)
        if run.images_every and step % run.images_every == 0:
            _draw(model, held_out or learn, run.out / f"step-{step:06}.png")

    trainer.run(
        checkpoint_every=run.checkpoint_every, validate_every=run.validate_every, progress=on_step
    )
    trainer.use_average()
    save_weights(run.out / "weights.h5", {n: v.numpy() for n, v in model.weights.items()})
    return [run.out / name for name in ("checkpoint.npz", "log.csv", "config.json", "weights.h5")]


def model_of(weights: str | None, config: Path | None, dataset: AnyDataset) -> MaskRCNN:
    """Return the model to evaluate: a preset's, or that of an .h5 file and its config.json."""
    if is_preset(weights):
        return MaskRCNN.from_preset(weights)
    if weights is None:
        raise InputError("evaluate needs weights: a preset, an .h5 file, or 'coco'")
    path = find_coco_weights() if weights == "coco" else Path(weights)
    near = path.parent / "config.json"
    config = config or (near if near.is_file() else None)
    settings = read_settings(config) if config else config_from_file(path)
    model = MaskRCNN(Config(**settings))
    model.load_weights(path)
    return model


def config_for(run: RunPlan, dataset: AnyDataset) -> Config:
    """Return the config of a run: that of its weights, its dataset's classes, its settings."""
    classes = {"num_classes": len(dataset.class_names), "class_names": tuple(dataset.class_names)}
    if is_preset(run.weights):
        return read_preset(run.weights)[0].replace(**classes, **run.settings)
    if run.weights in (None, "imagenet"):
        backbone = {"backbone": "resnet50", "backbone_width": 64} if run.weights else {}
        return Config.slim(**{**backbone, **classes, **run.settings})
    path = find_coco_weights() if run.weights == "coco" else run.weights
    known = {
        k: v for k, v in config_from_file(path).items() if k not in ("num_classes", "class_names")
    }
    return Config(**{**known, **classes, **run.settings})


class Subset:
    """Some images of a dataset, under their own ids."""

    def __init__(self, dataset: AnyDataset, image_ids: list[int]):
        self._dataset, self.image_ids = dataset, image_ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def _fill(model: MaskRCNN, run: RunPlan, large_batch: Callable[[], Any]) -> None:
    """Give the model its first weights."""
    if run.resume:
        return
    initialise(model)
    if run.weights is None:
        calibrate_batch_norm(model, large_batch())
    elif run.weights == "imagenet":
        load_imagenet(model.weights, model.config)
    elif is_preset(run.weights):
        _, weights = read_preset(run.weights)
        _assign_all_but(model, weights, run.exclude)
    else:
        model.load_weights(run.weights, exclude=run.exclude)


def _assign_all_but(model, weights, exclude):
    for name, variable in model.weights.items():
        if name.split("/")[0] in exclude:
            continue
        if tuple(variable.shape) != weights[name].shape:
            raise InputError(
                f"{name} is {list(weights[name].shape)} in the preset, "
                f"{list(variable.shape)} in the model; "
                f"for other classes leave out {','.join(CLASS_LAYERS)} (--exclude)"
            )
        variable.assign(weights[name])


def _tell(problem: AnnotationProblem) -> None:
    warnings.warn(f"left out {problem}", stacklevel=2)


def _draw(model: MaskRCNN, dataset: AnyDataset, path: Path) -> None:
    """Draw what the model finds on the first image."""
    from mrcnn_explained.plots.instances import plot_instances
    from mrcnn_explained.plots.save import save_figure

    image = dataset.load_image(dataset.image_ids[0])
    trace = model.trace(image)
    ax = plot_instances(trace.instances, image, model.config.class_names)
    save_figure(ax.figure, path)
