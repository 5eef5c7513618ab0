"""Checkpoints: one file with everything that a training run needs to resume. No TensorFlow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.errors import InputError, TrainingError, shown
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.npz import Expected, NpzFile

NAME = "checkpoint.npz"  # in the folder of a run

EXPECTED = Expected("a checkpoint", "Train into another folder", TrainingError)

#: What a checkpoint says about its run, with the types in JSON.
_FACTS: dict[str, type] = {
    "step": int,
    "plan": dict,
    "config": dict,
    "history": list,
    "started_from": str,
    "random_layers": list,
}


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
    with NpzFile(path, EXPECTED) as file:
        facts = _facts(file)
        arrays = {name: file.read(name) for name in file.headers if name != "about"}
    if text := [name for name, value in arrays.items() if value.dtype.kind not in "iuf"]:
        raise file.damaged(f"{text[0]} does not hold numbers")
    weights, optimizer = _below(arrays, "weights/"), _below(arrays, "optimizer/")
    if len(weights) + len(optimizer) != len(arrays):
        raise file.damaged("it holds an array that is neither of the weights nor of the optimizer")
    if list(optimizer) != [str(i) for i in range(len(optimizer))]:
        raise file.damaged("the variables of the optimizer are not numbered")
    return Checkpoint(**facts, weights=weights, optimizer=list(optimizer.values()))


def check_fits(
    path: Path,
    checkpoint: Checkpoint,
    weights: Mapping[str, Sequence[int]],
    optimizer: Sequence[Sequence[int]],
) -> None:
    """Raise TrainingError unless a checkpoint can fill these variables, before one is assigned.

    weights, optimizer    shapes of the model's weights, by name, and of the optimizer's variables
    """
    mine = {name: tuple(shape) for name, shape in weights.items()}
    mine |= {f"optimizer variable {i}": tuple(shape) for i, shape in enumerate(optimizer)}
    other = dict(checkpoint.weights)
    other |= {f"optimizer variable {i}": value for i, value in enumerate(checkpoint.optimizer)}
    for name in dict.fromkeys([*mine, *other]):
        has = list(other[name].shape) if name in other else "nothing"
        needs = list(mine[name]) if name in mine else "nothing"
        if has != needs:
            raise TrainingError(
                f"{path} is damaged, or of another version: it holds {has} for {shown(name)}, the "
                f"run needs {needs}. Train into another folder"
            )
        if not np.isfinite(other[name]).all():
            raise TrainingError(
                f"{path} cannot be resumed: {shown(name)} holds NaN or infinite values, so the run "
                "had failed. Train into another folder"
            )


def _facts(file: NpzFile) -> dict[str, Any]:
    """Return what a checkpoint says about its run; raise TrainingError for anything else."""
    facts = file.json("about", dict)
    for name, kind in _FACTS.items():
        if not isinstance(facts.get(name), kind) or isinstance(facts[name], bool):
            raise file.damaged(f"{name} is {shown(facts.get(name))}")
    if facts["step"] < 0 or len(facts["history"]) != facts["step"]:
        raise file.damaged(f"step is {facts['step']}, of {len(facts['history'])} in its history")
    for row in facts["history"]:
        if not isinstance(row, dict) or not all(isinstance(v, int | float) for v in row.values()):
            raise file.damaged(f"a row of its history is {shown(row)}")
    if not all(isinstance(name, str) for name in facts["random_layers"]):
        raise file.damaged("random_layers are not names")
    return {name: facts[name] for name in _FACTS}


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
            f"{name} {shown(before.get(name))} in the checkpoint, {shown(value)} now"
            for name, value in as_read.items()
            if before.get(name) != value
        ]
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        if changed:
            raise TrainingError(
                f"{path} was made with another {what}: {', '.join(changed[:2])}{more}. "
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
