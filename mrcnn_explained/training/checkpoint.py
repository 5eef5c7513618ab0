"""Checkpoints: one file with everything that a training run needs to resume. No TensorFlow."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.errors import InputError, TrainingError
from mrcnn_explained.files import atomic_write

NAME = "checkpoint.npz"  # in the folder of a run

_FACTS = ("step", "plan", "config", "history", "started_from", "random_layers")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a training run after a step."""

    step: int  # steps done
    plan: dict[str, Any]  # fields of the run's Plan
    config: dict[str, Any]  # fields of the model's Config
    history: list[dict[str, float]]  # losses of every step so far: the rows of log.csv
    started_from: str  # the weights before the first step
    random_layers: list[str]  # layers whose weights were random before the first step
    weights: dict[str, np.ndarray]  # by `layer/weight`
    optimizer: list[np.ndarray]  # the optimizer's variables, in its order


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as .npz, whole or not at all."""
    facts = json.dumps({name: getattr(checkpoint, name) for name in _FACTS})
    weights = {f"weights/{name}": value for name, value in checkpoint.weights.items()}
    optimizer = {f"optimizer/{i}": value for i, value in enumerate(checkpoint.optimizer)}
    arrays: dict[str, Any] = {"about": np.array(facts), **weights, **optimizer}
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, without unpickling anything.

    Raises TrainingError if the file is not a checkpoint, or is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays.pop("about")))
        return Checkpoint(
            **{name: facts[name] for name in _FACTS},
            weights=_below(arrays, "weights/"),
            optimizer=list(_below(arrays, "optimizer/").values()),
        )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is not a checkpoint, or is damaged: {error}") from error


def check_same_run(
    path: Path, checkpoint: Checkpoint, plan: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Raise TrainingError if a checkpoint was made with another plan or config.

    plan, config    their fields by name

    Such a run could not resume with the same numbers.
    """
    for what, before, now in (
        ("plan", checkpoint.plan, plan),
        ("config", checkpoint.config, config),
    ):
        as_read = json.loads(json.dumps(dict(now)))  # tuples are lists in JSON
        changed = [
            f"{name} {before.get(name)!r} in the checkpoint, {value!r} now"
            for name, value in as_read.items()
            if before.get(name) != value
        ]
        if changed:
            raise TrainingError(
                f"{path} was made with another {what}: {', '.join(changed)}. "
                "Use the same settings, or train into another folder"
            )


def check_run(out: Path, resume: bool) -> None:
    """Raise InputError if a run would be overwritten, or if there is no run to resume.

    out       folder of the run; it need not exist
    resume    whether the run is to be resumed
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must be a folder")
    exists = (out / NAME).exists()
    if exists and not resume:
        raise InputError(
            f"{out} already holds a run: resume it (--resume), or choose another folder (--out)"
        )
    if resume and not exists:
        raise InputError(f"{out} holds no checkpoint to resume; leave --resume out")


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names start with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
