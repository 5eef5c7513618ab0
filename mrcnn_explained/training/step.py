"""One step on one device or several: losses, gradients and the optimizer's update, as a graph."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from mrcnn_explained.data.batch import Batch
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.training_step import (
    check_rois,
    image_seeds,
    loss_values,
    training_step,
)
from mrcnn_explained.errors import TrainingError
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.losses import Sum, nothing_to_add
from mrcnn_explained.training.schedule import clip

Values = dict[str, tf.Tensor]  # losses by name, scalars


class Stepper:
    """Trains the weights of a model on one batch after the other.

    weights      the variables to train, by `layer/weight`
    optimizer    made within `strategy.scope()`
    seed         of the anchors and ROIs that are drawn
    strategy     a tf.distribute strategy: its replicas share every batch and its loss

    The graphs are traced at the first batch.
    """

    def __init__(
        self,
        model: MaskRCNN,
        weights: dict[str, Any],
        optimizer: keras.Optimizer,
        seed: int,
        strategy: tf.distribute.Strategy,
    ):
        self.model, self.weights, self.optimizer = model, list(weights.values()), optimizer
        self.seed, self.strategy = seed, strategy
        self._train_graph: Callable[..., Values] | None = None
        self._losses_graph: Callable[..., Values] | None = None

    def train(self, batch: Batch, step: int, source: Iterator[Batch]) -> dict[str, float]:
        """Train on one batch; return its losses and `gradient_norm`, over all replicas.

        step      number of the step, from 0
        source    where the batch came from

        Raises TrainingError if the batches hold no ROIs and need some.
        """
        if self._train_graph is None:
            shares = self.strategy.experimental_local_results(batch.rois)
            check_rois(self.model.config, sum(share.shape[1] for share in shares))
            self._train_graph = _graph(self._train, source, tf.TensorSpec([], tf.int32))
        values = self._train_graph(batch, self._anchors_of(batch), tf.constant(step))
        return {name: float(value) for name, value in values.items()}

    def losses(self, batch: Batch, source: Iterator[Batch]) -> dict[str, float]:
        """Return the losses of one batch; the weights that are trained stay as they are."""
        if self._losses_graph is None:
            self._losses_graph = _graph(self._losses, source)
        values = self._losses_graph(batch, self._anchors_of(batch))
        return {name: float(value) for name, value in values.items()}

    def _train(self, batch: Batch, anchors: Anchors, step: tf.Tensor) -> Values:
        """Train on one batch; return its losses and the gradient norm, over all replicas."""
        shared = self.strategy.run(self._on_replica, args=(batch, anchors, step))
        return {
            name: self.strategy.experimental_local_results(value)[0]
            for name, value in shared.items()
        }

    def _on_replica(self, batch: Batch, anchors: Anchors, step: tf.Tensor) -> Values:
        """Train on one replica's share of a batch."""
        context = tf.distribute.get_replica_context()
        replicas = self.strategy.num_replicas_in_sync
        images = tf.shape(batch.molded)[0]
        first_image = images * (step * replicas + context.replica_id_in_sync_group)
        seeds = image_seeds(self.seed, first_image, images)
        variables = [variable.value for variable in self.weights]
        with tf.GradientTape() as tape:
            trace = training_step(
                self.model, self.model.runner(), batch, anchors, seeds, _over_replicas()
            )
            # The weight decay is the same on every replica, so each has its share of it.
            decay = trace.losses.weight_decay
            loss = trace.losses.total - decay * (1 - 1 / replicas)
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        gradients = clip(gradients, norm, self.model.config)
        # Keras sums the gradients over the replicas; these are sums already.
        shares = [gradient / replicas for gradient in gradients]
        self.optimizer.apply_gradients(list(zip(shares, self.weights, strict=True)))
        values = {**loss_values(trace.losses), "weight_decay": decay / replicas, "loss": loss}
        totals = context.all_reduce(tf.distribute.ReduceOp.SUM, values)
        return {**totals, "gradient_norm": norm}

    def _losses(self, batch: Batch, anchors: Anchors) -> Values:
        """Return the losses of one batch."""
        seeds = image_seeds(0, 0, tf.shape(batch.molded)[0])
        trace = training_step(self.model, self.model.runner(), batch, anchors, seeds)
        return loss_values(trace.losses)

    def _anchors_of(self, batch: Batch) -> Anchors:
        """Return the anchors of a batch; its replicas' shares must have one image size."""
        shares = self.strategy.experimental_local_results(batch.molded)
        shapes = {tuple(share.shape[1:3]) for share in shares}
        if len(shapes) > 1:
            raise TrainingError(
                f"the replicas got images of different sizes, {sorted(shapes)} pixels, because "
                f"image_resize_mode is {self.model.config.image_resize_mode!r}; train on several "
                "devices with 'square' or 'crop'"
            )
        return self.model.anchors(shapes.pop())


def _graph(
    function: Callable[..., Values], source: Iterator[Batch], *more: tf.TensorSpec
) -> Callable[..., Values]:
    """Make one graph of (batch, anchors, *more) for all batches of `source`.

    Batches differ in their number of objects, and with some resize modes in the size of images.
    """
    spec = getattr(source, "element_spec", None)
    if spec is None:  # a list of batches, for example
        return tf.function(function, autograph=False, reduce_retracing=True)
    return tf.function(function, autograph=False, input_signature=[spec, ANCHORS_SPEC, *more])


def _number_per_anchor(kind: tf.DType, *shape: int) -> tf.TensorSpec:
    """Return the kind of a tensor with a row for each anchor, of any number of anchors."""
    return tf.TensorSpec([None, *shape], kind)


#: Anchors of images of any size.
ANCHORS_SPEC = Anchors(
    boxes_px=_number_per_anchor(tf.float32, 4),
    boxes=_number_per_anchor(tf.float32, 4),
    level=_number_per_anchor(tf.int32),
    row=_number_per_anchor(tf.int32),
    column=_number_per_anchor(tf.int32),
    scale=_number_per_anchor(tf.float32),
    ratio=_number_per_anchor(tf.float32),
)


def _over_replicas() -> Sum:
    """Return a sum over the replicas of a distributed run, which then share one mean."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return nothing_to_add
    return lambda count: context.all_reduce(tf.distribute.ReduceOp.SUM, count)
