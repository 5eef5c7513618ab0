"""Training: steps, checkpoints, logs. What one step computes is training_path.py.

A run lives in a folder: `checkpoint.npz` (all it needs to go on, whole at any time),
`log.csv`, TensorBoard's files, and at the end `weights.h5`.
"""

import dataclasses
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from mrcnn_explained.config import Config
from mrcnn_explained.detector.training_step import (
    Batch,
    decays,
    image_seeds,
    loss_values,
    training_step,
)
from mrcnn_explained.errors import InputError
from mrcnn_explained.files import atomic_write, write_csv
from mrcnn_explained.stages.losses import Sum, nothing_to_add

#: Which layers learn: Matterport's names and patterns.
LAYER_SETS = {
    "heads": r"(mrcnn_|rpn_|fpn_).*",
    "3+": r"(res[345]|bn[345]|mrcnn_|rpn_|fpn_).*",
    "4+": r"(res[45]|bn[45]|mrcnn_|rpn_|fpn_).*",
    "5+": r"(res5|bn5|mrcnn_|rpn_|fpn_).*",
    "all": r".*",
}


class TrainingError(InputError):
    """A run that cannot start or go on: what came, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast to learn. The defaults are Matterport's."""

    steps: int = 1000
    layers: str = "all"  # one of LAYER_SETS, or a pattern of layer names
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.001  # at its highest
    momentum: float = 0.9  # of SGD; beta_1 of AdamW
    beta_2: float = 0.99  # of AdamW
    decoupled_weight_decay: float = 0.0  # of AdamW, per step and weight (arXiv:1711.05101)
    warmup_steps: int = 0  # from nothing to the learning rate, in a straight line
    final_rate: float = 1.0  # share of the learning rate at the end, along a cosine; 1: constant
    ema: float = 0.0  # momentum of the moving average of the weights; 0: none
    seed: int = 0

    def __post_init__(self):
        if self.optimizer not in ("sgd", "adamw"):
            raise TrainingError(f"optimizer is {self.optimizer!r}: 'sgd' or 'adamw'")
        if self.steps < 1 or not 0 <= self.warmup_steps < self.steps:
            raise TrainingError(
                f"{self.steps} steps with {self.warmup_steps} to warm up: one step at least, and "
                "more than those to warm up"
            )


class Trainer:
    """Teaches a model; `run` goes on from wherever the folder's checkpoint stands.

    model         a MaskRCNN, made within `strategy.scope()` where there is a strategy
    batches_from  (step, (worker, workers), split) → batches from that step on, without end: a
                  worker's share of each, split among its replicas (`data.pipeline.batches`)
    validation    → batches to measure the losses on, or None
    strategy      a tf.distribute strategy: replicas share every batch and its loss
    """

    def __init__(
        self,
        model: Any,
        plan: Plan,
        batches_from: Callable[[int, tuple[int, int], int], tf.data.Dataset],
        out: Path | str | None = None,
        *,
        validation: Callable[[], Iterator[Batch]] | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.model, self.plan, self.batches_from, self.validation = (
            model,
            plan,
            batches_from,
            validation,
        )
        self.out = Path(out) if out else None
        self.strategy = strategy or tf.distribute.get_strategy()
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.learning = {
            name: v
            for name, v in model.weights.items()
            if v.trainable and re.fullmatch(layer_pattern(plan.layers), name.split("/")[0])
        }
        if not self.learning:
            raise TrainingError(
                f"layers {plan.layers!r} matches no layer; one of {', '.join(LAYER_SETS)}, or a "
                "pattern such as 'res5.*|mrcnn_.*'"
            )
        with self.strategy.scope():
            self.optimizer = _optimizer(plan, self.learning)
        self._step = self._measure = None  # graphs, traced at their first batch

    # One step ------------------------------------------------------------------------------

    def _losses_of(self, batch):
        seeds = image_seeds(0, 0, tf.shape(batch.molded)[0])
        return loss_values(
            training_step(
                self.model, self.model.runner(), batch, self._anchors_of(batch), seeds
            ).losses
        )

    def _one_step(self, batch, step):
        """Losses and gradients of the whole batch, whatever number of replicas shares it."""
        replicas = self.strategy.num_replicas_in_sync
        variables = [v.value for v in self.learning.values()]

        def on_replica(batch, step):
            context = tf.distribute.get_replica_context()
            share = tf.shape(batch.molded)[0]
            first = share * (step * replicas + context.replica_id_in_sync_group)
            with tf.GradientTape() as tape:
                trace = training_step(
                    self.model,
                    self.model.runner(),
                    batch,
                    self._anchors_of(batch),
                    image_seeds(self.plan.seed, first, share),
                    _over_replicas(),
                )
                # The decay is the same on every replica, so each carries its share of it.
                decay = trace.losses.weight_decay
                loss = trace.losses.total - decay * (1 - 1 / replicas)
            pulls = tape.gradient(loss, variables, unconnected_gradients="zero")
            pulls = context.all_reduce(tf.distribute.ReduceOp.SUM, pulls)
            norm = tf.linalg.global_norm(pulls)
            pulls = clip(pulls, norm, self.model.config)
            # Keras adds the gradients of all replicas up; these are added up already.
            self.optimizer.apply_gradients(
                [
                    (pull / replicas, v)
                    for pull, v in zip(pulls, self.learning.values(), strict=True)
                ]
            )
            values = loss_values(trace.losses)
            decay_share = {"weight_decay": decay / replicas, "loss": loss}
            return context.all_reduce(tf.distribute.ReduceOp.SUM, {**values, **decay_share}), norm

        values, norm = self.strategy.run(on_replica, args=(batch, step))
        found = {**values, "gradient_norm": norm}
        return {n: self.strategy.experimental_local_results(x)[0] for n, x in found.items()}

    def _anchors_of(self, batch):
        with tf.init_scope():
            return self.model.anchors(batch.molded.shape[1:3])

    # The run -------------------------------------------------------------------------------

    def run(
        self,
        *,
        until: int | None = None,
        checkpoint_every: int = 200,
        validate_every: int = 0,
        progress: Callable[[int, dict[str, float]], None] = lambda step, values: None,
    ) -> list[dict[str, float]]:
        """Learn until the plan's last step (or `until`); return the losses of every step.

        Raises TrainingError when a loss is not a number, with the images of that batch in
        `not-a-number.json`; the checkpoint before it stays.
        """
        last = min(until or self.plan.steps, self.plan.steps)
        began = self.model.weights_from.split(", trained to step ")[0]
        source = self._batches() if self.step < last else iter(())
        while self.step < last:
            batch = next(source)
            self._step = self._step or _traced_once(self._one_step, source, tf.int32)
            values = self._step(batch, tf.constant(self.step))
            values = {name: float(value) for name, value in values.items()}
            self._stop_at_nan(batch, values)
            self.step += 1
            self.model.weights_from = f"{began}, trained to step {self.step}"
            row = {"step": self.step, **values}
            if validate_every and self.validation and self.step % validate_every == 0:
                row |= {f"val_{name}": value for name, value in self.validate().items()}
            self.history.append(row)
            progress(self.step, row)
            if self.out and (self.step % checkpoint_every == 0 or self.step == last):
                self.save()
        return self.history

    def _batches(self):
        """Batches from this step on: as they are, or one for each replica of this worker."""
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return iter(self.batches_from(self.step, (0, 1), 1))

        def of_worker(context):
            workers = context.num_input_pipelines
            shard = (context.input_pipeline_id, workers)
            return self.batches_from(self.step, shard, replicas // workers)

        return iter(self.strategy.distribute_datasets_from_function(of_worker))

    def validate(self) -> dict[str, float]:
        """Mean losses over the validation batches; nothing is learnt."""
        source = iter(self.validation())
        self._measure = self._measure or _traced_once(self._losses_of, source)
        rows = [self._measure(batch) for batch in source]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def use_average(self) -> None:
        """Put the moving average of the weights in their place: the end of a run with `ema`."""
        if self.plan.ema:
            self.optimizer.finalize_variable_values(list(self.learning.values()))

    def _stop_at_nan(self, batch, values):
        if np.isfinite(values["loss"]) and np.isfinite(values["gradient_norm"]):
            return
        shares = self.strategy.experimental_local_results(batch.image_meta)
        ids = [int(i) for share in shares for i in share[:, 0].numpy()]
        found = {
            "step": self.step + 1,
            "image_ids": ids,
            "values": {k: str(v) for k, v in values.items()},
        }
        where = ""
        if self.out:
            with atomic_write(self.out / "not-a-number.json") as file:
                file.write(json.dumps(found, indent=1).encode())
            where = f" (also in {self.out / 'not-a-number.json'})"
        bad = [name for name, value in values.items() if not np.isfinite(value)]
        raise TrainingError(
            f"step {self.step + 1}: {', '.join(bad)} is not a number, on the images with image "
            f"ids {ids}{where}. A lower learning rate, a longer warm-up or a look at those "
            "images may help"
        )

    # Checkpoints -----------------------------------------------------------------------------

    def save(self) -> None:
        """Write checkpoint.npz and log.csv, whole or not at all."""
        arrays = {f"weights/{name}": v.numpy() for name, v in self.model.weights.items()}
        for i, v in enumerate(self.optimizer.variables):
            arrays[f"optimizer/{i}"] = np.asarray(v)
        about = {
            "step": self.step,
            "plan": dataclasses.asdict(self.plan),
            "config": self.model.config.to_json(),
            "history": self.history,
        }
        with atomic_write(self.out / "checkpoint.npz") as file:
            np.savez(file, about=json.dumps(about), **arrays)
        names = list(dict.fromkeys(name for row in self.history for name in row))
        write_csv(self.out / "log.csv", names, self.history)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False where there is none.

        Raises TrainingError for a checkpoint of another plan or config: it could not go on to
        the same numbers.
        """
        path = self.out / "checkpoint.npz"
        if not path.exists():
            return False
        about, arrays = read_checkpoint(path)
        ours = {"plan": dataclasses.asdict(self.plan), "config": self.model.config.to_json()}
        for what, value in ours.items():
            if about[what] != value:
                raise TrainingError(
                    f"{path} was made with another {what}: {_difference(about[what], value)}. "
                    "Train into another folder, or give the same settings"
                )
        for name, v in self.model.weights.items():
            v.assign(arrays[f"weights/{name}"])
        for i, v in enumerate(self.optimizer.variables):
            v.assign(arrays[f"optimizer/{i}"])
        self.step, self.history = about["step"], about["history"]
        return True


def read_checkpoint(path: Path | str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a checkpoint: what it says of its run, and its arrays. Never unpickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return json.loads(str(arrays.pop("about"))), arrays
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is not a checkpoint, or is broken: {error}") from error


def layer_pattern(layers: str) -> str:
    """Return the pattern of layer names behind a layer set, or the pattern itself."""
    pattern = LAYER_SETS.get(layers, layers)
    try:
        re.compile(pattern)
    except re.error as error:
        raise TrainingError(f"layers {layers!r} is no pattern: {error}") from error
    return pattern


def clip(pulls: list[tf.Tensor], norm: tf.Tensor, config: Config) -> list[tf.Tensor]:
    """Shorten gradients: each alone as Matterport's code does (deviation 45), or together."""
    if config.clip_by == "variable":
        return [tf.clip_by_norm(pull, config.gradient_clip_norm) for pull in pulls]
    return tf.clip_by_global_norm(pulls, config.gradient_clip_norm, use_norm=norm)[0]


def _traced_once(function, source, *more):
    """A graph that batches of `source` share, though they differ in the number of objects."""
    spec = getattr(source, "element_spec", None)
    if spec is None:  # no tf.data: batches in a list, perhaps
        return tf.function(function, autograph=False, reduce_retracing=True)
    signature = [spec, *(tf.TensorSpec([], kind) for kind in more)]
    return tf.function(function, autograph=False, input_signature=signature)


def _over_replicas() -> Sum:
    """A sum over the replicas of a distributed run, so that they share one mean."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return nothing_to_add
    return lambda count: context.all_reduce(tf.distribute.ReduceOp.SUM, count)


def _optimizer(plan, learning):
    rate = plan.learning_rate
    if plan.warmup_steps or plan.final_rate != 1:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if plan.warmup_steps else rate,
            plan.steps - plan.warmup_steps,
            alpha=plan.final_rate,
            warmup_target=rate if plan.warmup_steps else None,
            warmup_steps=plan.warmup_steps,
        )
    average = {"use_ema": plan.ema > 0, "ema_momentum": plan.ema or 0.99}
    if plan.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=plan.momentum, **average)
    else:
        optimizer = keras.optimizers.AdamW(
            rate,
            weight_decay=plan.decoupled_weight_decay,
            beta_1=plan.momentum,
            beta_2=plan.beta_2,
            **average,
        )
        without = [v for name, v in learning.items() if not decays(name) or name.endswith("bias")]
        optimizer.exclude_from_weight_decay(var_list=without)
    optimizer.build(list(learning.values()))
    return optimizer


def _difference(theirs, ours):
    theirs, ours = (json.loads(x) if isinstance(x, str) else x for x in (theirs, ours))
    names = [name for name in ours if theirs.get(name) != json.loads(json.dumps(ours[name]))]
    return ", ".join(f"{name} {theirs.get(name)!r} there, {ours[name]!r} here" for name in names)
