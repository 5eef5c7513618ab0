"""Configs, weight files, presets, checkpoints, traces, parts of surveys, and typed ROIs."""

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .mutations import mutate_bytes, mutate_h5, mutate_json, mutate_npz, mutate_value
from .registry import loader

#: A detector as small as the config allows; only its shapes matter.
CONFIG = {
    "num_classes": 4,
    "class_names": ("background", "circle", "square", "triangle"),
    "image_min_dim": 64,
    "image_max_dim": 64,
    "backbone_width": 4,
    "top_down_pyramid_size": 8,
    "rpn_channels": 8,
    "pre_nms_limit": 40,
    "post_nms_rois_inference": 8,
    "fpn_classif_fc_layers_size": 16,
    "mask_channels": 8,
    "detection_max_instances": 5,
    "detection_min_confidence": 0.0,
}


class Variable:
    """What the loaders need of a variable."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def assign(self, value: np.ndarray) -> None:
        """Check what a variable checks."""
        assert value.shape == self.shape


def tiny_config():
    """Return the config of the samples."""
    from mrcnn_explained.config import Config

    return Config.slim(**CONFIG)


def some_weights() -> dict[str, np.ndarray]:
    """Return a few tensors with the names and shapes of the tiny detector."""
    shapes = {
        "conv1/kernel": (7, 7, 3, 4),
        "conv1/bias": (4,),
        "bn_conv1/gamma": (4,),
        "bn_conv1/moving_variance": (4,),
        "fpn_c5p5/kernel": (1, 1, 8, 8),
        "rpn_conv_shared/kernel": (3, 3, 8, 8),
        "rpn_class_raw/kernel": (1, 1, 8, 6),
        "mrcnn_class_conv1/kernel": (7, 7, 8, 16),
        "mrcnn_class_logits/kernel": (16, 4),
        "mrcnn_class_logits/bias": (4,),
    }
    return {
        name: np.random.default_rng(zlib.crc32(name.encode())).random(shape, np.float32)
        for name, shape in shapes.items()
    }


def variables() -> dict[str, Variable]:
    """Return variables that the tensors fit."""
    return {name: Variable(value.shape) for name, value in some_weights().items()}


# Configs --------------------------------------------------------------------------------------


def config_files(folder: Path) -> list[bytes]:
    """Return a whole config, and a few fields."""
    return [tiny_config().to_json().encode(), b'{"num_classes": 3, "rpn_anchor_ratios": [1]}']


@loader("config", samples=config_files, mutate=mutate_json, suffix=".json")
def read_config(path: Path) -> None:
    """Read a config file as --config does, and as the config.json beside a weight file."""
    from mrcnn_explained.config import Config, read_settings

    config = Config(**read_settings(path))
    assert Config.from_json(config.to_json()) == config
    config.class_name(1)


# Weight files ---------------------------------------------------------------------------------


def weight_files(folder: Path) -> list[bytes]:
    """Return our own file, one without a config, one of Keras 2, a compressed one."""
    import h5py
    from weight_layouts import write

    from mrcnn_explained.weights.load import save_weights

    weights, path = some_weights(), folder / "sample.h5"
    save_weights(path, weights, tiny_config())
    own = path.read_bytes()
    save_weights(path, weights)
    bare = path.read_bytes()
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, value in weights.items():
        groups.setdefault(name.split("/")[0], {})[f"{name}:0"] = value.shape
    value = lambda name, shape: weights[name]  # noqa: E731
    write(path, groups, value, whole_model=True, as_bytes=True, pieces=2, extras=True)
    whole = path.read_bytes()
    with h5py.File(path, "a") as file:
        name = "model_weights/mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"
        kernel = file[name][()]
        del file[name]
        file.create_dataset(name, data=kernel, chunks=True, compression="gzip", shuffle=True)
    return [own, bare, whole, path.read_bytes()]


@loader("weights", samples=weight_files, mutate=mutate_h5, suffix=".h5")
def read_weights(path: Path) -> None:
    """Read a weight file as the command `weights`, `--weights` and `load_weights` do."""
    from mrcnn_explained.cli.tables import weight_table
    from mrcnn_explained.errors import InputError
    from mrcnn_explained.weights.load import load_into
    from mrcnn_explained.weights.resolve import weights_and_config
    from mrcnn_explained.weights.statistics import describe

    errors = []
    for read in (
        lambda: printed(weight_table(describe(path), str(path))),
        lambda: weights_and_config(str(path), {}),
        lambda: load_into(variables(), path, allow_missing=True),
    ):
        try:
            read()
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def printed(table: object) -> None:
    """Print a table as the command line does."""
    import io

    from rich.console import Console

    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    Console(file=file, width=120).print(table)


# Presets and checkpoints -----------------------------------------------------------------------


def presets(folder: Path) -> list[bytes]:
    """Return a preset."""
    from mrcnn_explained.weights.presets import save_preset

    save_preset(folder / "sample.npz", tiny_config(), some_weights())
    return [(folder / "sample.npz").read_bytes()]


@loader("preset", samples=presets, mutate=mutate_npz, suffix=".npz")
def read_preset(path: Path) -> None:
    """Read a preset as --weights FILE.npz does."""
    from mrcnn_explained.weights.presets import load_preset
    from mrcnn_explained.weights.presets import read_preset as read
    from mrcnn_explained.weights.resolve import weights_and_config

    weights_and_config(str(path), {})
    load_preset(variables(), read(path)[1], str(path))


PLAN = {"steps": 5, "learning_rate": 0.01, "seed": 1}


def checkpoints(folder: Path) -> list[bytes]:
    """Return a checkpoint after two steps."""
    import dataclasses

    from mrcnn_explained.training.checkpoint import Checkpoint, write_checkpoint

    checkpoint = Checkpoint(
        step=2,
        plan=PLAN,
        config=dataclasses.asdict(tiny_config()),
        history=[{"step": 1, "loss": 2.5}, {"step": 2, "loss": 1.5, "val_loss": 3.0}],
        started_from="shapes",
        random_layers=["mrcnn_mask"],
        weights=some_weights(),
        optimizer=[np.int64(2), *some_weights().values()],
    )
    write_checkpoint(folder / "sample.npz", checkpoint)
    return [(folder / "sample.npz").read_bytes()]


@loader("checkpoint", samples=checkpoints, mutate=mutate_npz, suffix=".npz")
def read_checkpoint(path: Path) -> None:
    """Read a checkpoint as --resume does."""
    import dataclasses

    from mrcnn_explained.system.files import write_csv
    from mrcnn_explained.training.checkpoint import check_fits, check_same_run
    from mrcnn_explained.training.checkpoint import read_checkpoint as read

    checkpoint = read(path)
    check_same_run(path, checkpoint, PLAN, dataclasses.asdict(tiny_config()))
    shapes = {name: value.shape for name, value in some_weights().items()}
    check_fits(path, checkpoint, shapes, [(), *shapes.values()])
    columns = list(dict.fromkeys(name for row in checkpoint.history for name in row))
    write_csv(path.with_name("log.csv"), columns, checkpoint.history)


# Traces ---------------------------------------------------------------------------------------


def traces(folder: Path) -> list[bytes]:
    """Return a small trace of two images, and the same with less in it."""
    from conftest import make_tiny_model, noise_image

    from mrcnn_explained.detector.trace import BULKY

    model = make_tiny_model(**{**CONFIG, "rpn_anchor_scales": (40, 48, 64, 128, 128)})
    trace = model.trace([noise_image(50, 64, 1), noise_image(45, 30, 2)])
    trace.save(folder / "whole.npz", omit=("backbone", "pyramid", "rpn.shared"))
    trace.save(folder / "less.npz", omit=(*BULKY, "crops", "mask_crops", "box_head"))
    return [(folder / name).read_bytes() for name in ("whole.npz", "less.npz")]


@loader("trace", samples=traces, mutate=mutate_npz, suffix=".npz")
def read_trace(path: Path) -> None:
    """Load a trace, check it, and ask what the commands ask, of each image."""
    from mrcnn_explained.detector.trace import Trace
    from mrcnn_explained.errors import InputError
    from mrcnn_explained.explain.compare import compare
    from mrcnn_explained.explain.fates import fates
    from mrcnn_explained.explain.rois import roi_rows, summary_rows

    trace = Trace.load(path)
    list(map(str, trace.check()))
    questions: list[Callable[[], object]] = [lambda: compare(trace, trace).story(None)]
    for image in range(len(trace.image.original)):
        questions += [
            lambda image=image: trace.lineage(detection=0, image=image),
            lambda image=image: trace.lineage(roi=3, image=image),
            lambda image=image: trace.lineage(anchor=7, image=image),
            lambda image=image: trace.why_missed([5, 5, 25, 25], image=image),
            lambda image=image: roi_rows(trace, image),
            lambda image=image: list(map(str, fates(trace, image))),
            lambda image=image: summary_rows(trace, image),
        ]
    errors = []
    for ask in questions:
        try:
            str(ask())
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0]


# Parts of a survey ----------------------------------------------------------------------------


def row(kind: str, side: float, level: int) -> dict[str, object]:
    """Return a row of a part."""
    return {
        "image": "a.png", "kind": kind, "class": "cat", "y1": 1, "x1": 2, "y2": 30, "x2": 40,
        "side": side, "exact_level": 2.5, "level": level, "to_boundary": -3.5, "fate": "detection",
    }  # fmt: skip


def parts(folder: Path) -> list[bytes]:
    """Return the part of an image, and that of one that could not be surveyed."""
    from mrcnn_explained.survey.parts import write_part

    good = {"image": "a.png", "file": None, "error": "", "shape": [60, 90]}
    write_part(folder / "sample.json", good, [row("roi", 20.0, 2), row("object", 200.0, 4)])
    first = (folder / "sample.json").read_bytes()
    write_part(folder / "sample.json", {**good, "error": "ImageError: x", "shape": None}, [])
    return [first, (folder / "sample.json").read_bytes()]


@loader("part", samples=parts, mutate=mutate_json, suffix=".json")
def read_part(path: Path) -> None:
    """Read a part as a resumed survey does, and write its table and its summary."""
    from mrcnn_explained.cli.options import molded_size
    from mrcnn_explained.survey.formats import write_table
    from mrcnn_explained.survey.parts import is_whole, read_head
    from mrcnn_explained.survey.parts import read_part as read
    from mrcnn_explained.survey.summary import summarise

    read_head(path)
    whole = is_whole(path)
    part = read(path)
    assert whole
    found = summarise([part], tiny_config(), molded_size)
    for size in found.sizes:
        found.moved("object", size, "floor")
    write_table(path.with_name("levels.csv"), [part], "csv")


def jobs(folder: Path) -> list[bytes]:
    """Return the job.json of a survey of one image."""
    from PIL import Image

    from mrcnn_explained.survey.job import folder_job

    (folder / "images").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "images" / "a.png")
    job = folder_job(folder / "images", "random", tiny_config())
    return [json.dumps(job.description()).encode()]


@loader("job", samples=jobs, mutate=mutate_json, suffix=".json")
def read_job(path: Path) -> None:
    """Resume a survey whose job.json is this file."""
    from mrcnn_explained.errors import InputError
    from mrcnn_explained.survey.job import folder_job, prepare

    folder = path.with_name("survey")
    folder.mkdir(exist_ok=True)
    target = folder / "job.json"
    target.unlink(missing_ok=True)
    if "\x00" in path.name:
        raise InputError("no such link can be made")
    target.symlink_to(path)
    prepare(folder_job(path.with_name("images"), "random", tiny_config()), folder)


# What people type -----------------------------------------------------------------------------


def rois(folder: Path) -> list[bytes]:
    """Return boxes of one image, and boxes of two."""
    return [b"[[5, 5, 30, 30], [0, 0, 64, 64]]", b"[[[5, 5, 30, 30]], [[1, 2, 9, 9]]]"]


@loader("rois", samples=rois, mutate=mutate_json, suffix=".json")
def read_rois(path: Path) -> None:
    """Pass ROIs to a model: the file holds what the caller typed."""
    from mrcnn_explained.errors import InputError
    from mrcnn_explained.stages.image import mold_image
    from mrcnn_explained.stages.molded_boxes import mold_rois
    from mrcnn_explained.system.files import read_json

    typed = read_json(path, "boxes")
    config = {"min_dim": 64, "max_dim": 64, "min_scale": 0, "mode": "square"}
    images = [np.zeros([50, 64, 3], np.uint8), np.zeros([45, 30, 3], np.uint8)]
    mean = (1.0, 2.0, 3.0)
    errors = []
    for count in (1, 2):
        molded = mold_image(images[:count], mean_pixel=mean, num_classes=4, **config)
        try:
            mold_rois(typed, molded)
        except InputError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def boxes(folder: Path) -> list[bytes]:
    """Return a box as an explorer's field holds it."""
    return [b"40, 60, 90, 120", b"1.5,2,3,4e1"]


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """Return a box with another part."""
    if rng.randrange(2):
        return mutate_bytes(rng, data)
    parts = data.decode().split(",")
    return ",".join(str(mutate_value(rng, parts))).encode("utf-8", "replace")


@loader("boxes", samples=boxes, mutate=mutate_text, suffix=".txt")
def read_boxes(path: Path) -> None:
    """Read a box that a user typed."""
    from mrcnn_explained.inputs import read_box
    from mrcnn_explained.system.files import check_file

    check_file(path, "a box")
    read_box(path.read_text(errors="replace"), "--box")
