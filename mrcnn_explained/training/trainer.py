"""Trainer: the loop over steps, with checkpoints and a log.

A single step is in step.py, and what it computes in detector/training_step.py. A run has a
folder: `checkpoint.npz` (everything needed to resume, never half written) and `log.csv`.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.data.batch import Batch
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.training_step import unchanged_statistics
from mrcnn_explained.errors import OutOfMemoryError, TrainingError
from mrcnn_explained.inputs import check_range
from mrcnn_explained.stages.image_meta import unpack_meta
from mrcnn_explained.system.files import atomic_write, write_csv
from mrcnn_explained.training.checkpoint import (
    NAME,
    Checkpoint,
    check_fits,
    check_same_run,
    read_checkpoint,
    write_checkpoint,
)
from mrcnn_explained.training.schedule import Plan, make_optimizer, weights_to_train
from mrcnn_explained.training.step import Stepper

#: (step, (worker, workers), split) → batches from that step on, without end: a worker's share of
#: each batch, split among its replicas. `data.pipeline.batches` makes them.
BatchesFrom = Callable[[int, tuple[int, int], int], Iterable[Batch]]


class Trainer:
    """Trains a model, step by step; `resume` continues from the checkpoint in the run's folder.

    model         made within `strategy.scope()` if a strategy is given
    plan          how long and how fast
    batches_from  the data
    out           folder of the run; None: nothing is written
    validation    → batches to measure the losses on, or None
    strategy      a tf.distribute strategy: its replicas share every batch and its loss

    After each step `model.weights_from` and `model.random_layers` tell what the weights are now.
    Raises TrainingError if the plan's layers match no layer.
    """

    def __init__(
        self,
        model: MaskRCNN,
        plan: Plan,
        batches_from: BatchesFrom,
        out: Path | str | None = None,
        *,
        validation: Callable[[], Iterable[Batch]] | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.model, self.plan = model, plan
        self.batches_from, self.validation = batches_from, validation
        self.out = Path(out) if out else None
        self.strategy = strategy or tf.distribute.get_strategy()
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.started_from = model.weights_from
        self.random_at_start = list(model.random_layers)
        self.trained_weights = weights_to_train(model.weights, plan.layers)
        with self.strategy.scope():
            self.optimizer = make_optimizer(plan, self.trained_weights)
        self._stepper = Stepper(
            model, self.trained_weights, self.optimizer, plan.seed, self.strategy
        )

    def run(
        self,
        *,
        until: int | None = None,
        checkpoint_every: int = 200,
        validate_every: int = 0,
        progress: Callable[[int, dict[str, float]], None] = lambda step, values: None,
    ) -> list[dict[str, float]]:
        """Train to the plan's last step, or to step `until`; return the losses of every step.

        checkpoint_every    steps between checkpoints; the last step has one too
        validate_every      steps between validations; 0: none
        progress            called after each step with its number and its losses

        Raises TrainingError if a loss is not a finite number, with the images of that batch in
        `not-a-number.json`; the last checkpoint stays. Raises TrainingError if `use_rpn_rois` is
        off and the batches hold no ROIs, or if the batches end before the plan. What the batches
        raise, such as DatasetError for an image that cannot be read, comes as it is. No thread
        that makes batches is left running.
        """
        check_range("checkpoint_every", checkpoint_every, 1, error=TrainingError)
        check_range("validate_every", validate_every, 0, error=TrainingError)
        last = min(until or self.plan.steps, self.plan.steps)
        with closed(self._batches() if self.step < last else iter(())) as source:
            while self.step < last:
                row = self._train_on(self._next(source), source)
                if validate_every and self.validation and self.step % validate_every == 0:
                    row |= {f"val_{name}": value for name, value in self.validate().items()}
                self.history.append(row)
                progress(self.step, row)
                if self.out and (self.step % checkpoint_every == 0 or self.step == last):
                    self.save()
        return self.history

    def _next(self, source: Iterator[Batch]) -> Batch:
        """Return the next batch; raise TrainingError if there is none."""
        try:
            return next(source)
        except StopIteration:
            raise TrainingError(
                f"the batches end after step {self.step} of {self.plan.steps}; make batches "
                "without end, or fewer steps"
            ) from None

    def _train_on(self, batch: Batch, source: Iterator[Batch]) -> dict[str, float]:
        """Train one step on a batch; return its row of the history."""
        with _memory_for_step(self.step + 1):
            values = self._stepper.train(batch, self.step, source)
        self._stop_at_nan(batch, values)
        self.step += 1
        self._record_training()
        return {"step": self.step, **values}

    def _record_training(self) -> None:
        """Record in the model where its weights come from, and which are still random."""
        start = "random weights" if self.started_from == "random" else self.started_from
        steps = "1 step" if self.step == 1 else f"{self.step} steps"
        trained = {name.split("/")[0] for name in self.trained_weights}
        self.model.preset = ""  # these are no longer the preset's weights
        self.model.weights_from = f"trained for {steps} from {start}"
        self.model.random_layers = tuple(
            layer for layer in self.random_at_start if layer not in trained
        )

    def _batches(self) -> Iterator[Batch]:
        """Return the batches from this step on: whole ones, or one per replica of this worker."""
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return iter(self.batches_from(self.step, (0, 1), 1))
        mine = _local_replicas(self.strategy)
        shard = (mine[0] // len(mine), replicas // len(mine))
        return _shared(self.strategy, self.batches_from(self.step, shard, len(mine)), len(mine))

    def validate(self) -> dict[str, float]:
        """Return the mean losses over the validation batches; all weights stay as they are.

        BatchNorm's stored statistics stay too, with every `train_bn`. Raises TrainingError if the
        trainer has no validation batches.
        """
        if self.validation is None:
            raise TrainingError("there are no validation batches: Trainer(..., validation=...)")
        with closed(iter(self.validation())) as source, unchanged_statistics(self.model):
            rows = [self._stepper.losses(batch, source) for batch in source]
        if not rows:
            raise TrainingError("the validation made no batch; hold out at least one batch")
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def use_average(self) -> None:
        """Replace the weights by their moving average: the end of a run whose plan has `ema`."""
        if self.plan.ema:
            self.optimizer.finalize_variable_values(list(self.trained_weights.values()))

    def _stop_at_nan(self, batch: Batch, values: dict[str, float]) -> None:
        """Raise TrainingError, naming the images, if a step's values are not finite."""
        bad = [name for name, value in values.items() if not np.isfinite(value)]
        if not {"loss", "gradient_norm"} & set(bad):
            return
        shares = self.strategy.experimental_local_results(batch.image_meta)
        ids = [int(unpack_meta(row).image_id) for share in shares for row in share.numpy()]
        where = ""
        if self.out:
            report = {
                "step": self.step + 1,
                "image_ids": ids,
                "values": {name: str(value) for name, value in values.items()},
            }
            path = self.out / "not-a-number.json"
            with atomic_write(path) as file:
                file.write(json.dumps(report, indent=1).encode())
            where = f" (also in {path})"
        raise TrainingError(
            f"step {self.step + 1}: {', '.join(bad)} is not a finite number, for the images with "
            f"image ids {ids}{where}. Try a lower learning rate or a longer warm-up, and check "
            "those images"
        )

    def save(self) -> None:
        """Write checkpoint.npz and log.csv, each whole or not at all.

        Raises TrainingError if the trainer has no folder.
        """
        out = self._folder()
        checkpoint = Checkpoint(
            step=self.step,
            plan=dataclasses.asdict(self.plan),
            config=dataclasses.asdict(self.model.config),
            history=self.history,
            started_from=self.started_from,
            random_layers=self.random_at_start,
            weights={name: variable.numpy() for name, variable in self.model.weights.items()},
            optimizer=[np.asarray(variable) for variable in self.optimizer.variables],
        )
        write_checkpoint(out / NAME, checkpoint)
        columns = list(dict.fromkeys(name for row in self.history for name in row))
        write_csv(out / "log.csv", columns, self.history)

    def resume(self) -> bool:
        """Continue from the folder's checkpoint; return False if it has none.

        Raises TrainingError for a checkpoint of another plan or config, which could not continue
        with the same numbers, and for a trainer without a folder.
        """
        path = self._folder() / NAME
        if not path.exists():
            return False
        checkpoint = read_checkpoint(path)
        plan, config = dataclasses.asdict(self.plan), dataclasses.asdict(self.model.config)
        check_same_run(path, checkpoint, plan, config)
        weights = {name: variable.shape for name, variable in self.model.weights.items()}
        optimizer = [variable.shape for variable in self.optimizer.variables]
        check_fits(path, checkpoint, weights, optimizer)
        for name, variable in self.model.weights.items():
            variable.assign(checkpoint.weights[name])
        for variable, value in zip(self.optimizer.variables, checkpoint.optimizer, strict=True):
            variable.assign(value)
        self.step, self.history = checkpoint.step, checkpoint.history
        self.started_from = checkpoint.started_from
        self.random_at_start = checkpoint.random_layers
        self._record_training()
        return True

    def _folder(self) -> Path:
        """Return the run's folder; raise TrainingError if there is none."""
        if self.out is None:
            raise TrainingError("this trainer has no folder: Trainer(..., out=FOLDER)")
        return self.out


@contextmanager
def closed(source: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    """End the threads of an iterator, if it has any, at the end of the block."""
    try:
        yield source
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


@contextmanager
def _memory_for_step(step: int) -> Iterator[None]:
    """Turn a device's lack of memory within the block into the project's own error."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise OutOfMemoryError(
            f"step {step}: the device has not enough memory. Lower the number of images in a batch "
            "(--batch) or the size of the images (--size)"
        ) from error


def _local_replicas(strategy: tf.distribute.Strategy) -> list[int]:
    """Return the numbers of the replicas that this worker runs."""
    numbers: list[int] = []

    def of_replica(context: Any) -> tf.Tensor:
        """Note the number of one replica."""
        numbers.append(context.replica_id_in_sync_group)
        return tf.constant(0)

    strategy.experimental_distribute_values_from_function(of_replica)
    return numbers


def _shared(
    strategy: tf.distribute.Strategy, batches: Iterable[Batch], count: int
) -> Iterator[Batch]:
    """Yield batches whose every tensor has a share for each of this worker's replicas.

    batches    the shares, one after the other
    count      replicas of this worker
    """
    with closed(iter(batches)) as source:
        for first in source:
            shares = [first, *(next(source) for _ in range(count - 1))]
            yield strategy.experimental_distribute_values_from_function(
                lambda context, shares=shares: shares[context.replica_id_in_sync_group % count]
            )
