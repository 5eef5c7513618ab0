"""Executor: how a network runs. Its graphs, what goes into them, and what comes out."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from mrcnn_explained.config import Config
from mrcnn_explained.data.molding import mold
from mrcnn_explained.detector.finite import findings, finite_stages
from mrcnn_explained.detector.inference import Inference, infer
from mrcnn_explained.detector.network import Network
from mrcnn_explained.detector.provenance import (
    Provenance,
    RoiSource,
    describe_random,
    package_versions,
)
from mrcnn_explained.detector.runner import Runner
from mrcnn_explained.detector.settings import stage_settings
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.detector.training_step import gradients, training_step
from mrcnn_explained.errors import NotFiniteWarning, RandomWeightsWarning
from mrcnn_explained.media.pixels import as_image
from mrcnn_explained.stages.anchors import Anchors, pyramid_anchors
from mrcnn_explained.stages.image import MoldedImage
from mrcnn_explained.stages.instances import Instances, unmold

Image = UInt8[np.ndarray, "h w 3"]
Images = Image | Sequence[Image]


class Executor(Network):
    """A network that can be run: the part of a model that its user does not need to see.

    config, backbone    as `Network` takes them
    """

    def __init__(self, config: Config, backbone: Callable[..., Any] | None = None):
        super().__init__(config, backbone)
        self.replaced: Mapping[str, Callable[..., Any]] = {}  # functions in place of stages
        self._has_warned = False
        self._compile()

    def runner(
        self,
        known: Mapping[str, Any] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Runner:
        """Return a runner that calls this model's functions in place of stages."""
        return Runner(known, self.replaced, settings)

    def anchors(self, image_shape: Sequence[int]) -> Anchors:
        """Return the anchors of images molded to (H, W) pixels; made once per shape."""
        shape = (int(image_shape[0]), int(image_shape[1]))
        if shape not in self._anchors_of:
            settings = stage_settings(self.config, "anchors")
            self._anchors_of[shape] = self.runner()("anchors", pyramid_anchors, shape, **settings)
        return self._anchors_of[shape]

    def randomness(self) -> str:
        """Return a sentence about random weights; empty if all were trained."""
        return describe_random(self.weights_from, self.random_layers)

    def _compile(self) -> None:
        """Make the graphs. `_infer` and `_detect` run one map; the second fetches objects alone.

        A function in place of a stage may use Python on values, so with one nothing is traced.
        """
        run = self.runner()
        graph: Callable[..., Any] = partial(tf.function, autograph=False)
        if self.replaced:
            graph = lambda function, **_: function  # noqa: E731

        def objects(*inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Run the whole map; a graph drops what these three do not need."""
            results = infer(self, run, *inputs)
            finite = finite_stages(results)
            return results.detections.detections, results.mask_head.class_mask, finite

        self._infer: Callable[..., Inference] = graph(partial(infer, self, run))
        self._detect = graph(objects)
        self._training_step = graph(partial(training_step, self, run), reduce_retracing=True)
        self._gradients = graph(partial(gradients, self, run), reduce_retracing=True)
        self._anchors_of: dict[tuple[int, int], Anchors] = {}

    def _mold(self, images: Images) -> MoldedImage:
        """Return one image or several as the network sees them."""
        several = images if isinstance(images, list | tuple) else [images]
        channels = self.config.image_channel_count
        checked = [
            as_image(image, f"image {i}", channels=channels) for i, image in enumerate(several)
        ]
        return mold(checked, self.config, run=self.runner())

    def _inputs(self, molded: MoldedImage) -> tuple[tf.Tensor, ...]:
        """Return what `infer` takes: the images, their meta data and the anchors' boxes."""
        anchors = self.anchors(molded.molded.shape[1:3])
        return molded.molded, tf.constant(molded.image_meta, tf.float32), anchors.boxes

    def _unmold(self, run: Runner, detections: Any, class_mask: Any, molded: MoldedImage) -> Any:
        """Return the objects in pixels of the original images: the stage `instances`."""
        found = (np.asarray(detections), np.asarray(class_mask))
        shapes = (molded.original_shape, molded.molded_shape, molded.window)
        return run("instances", unmold, *found, *shapes)

    def _as_trace(
        self,
        molded: MoldedImage,
        anchors: Anchors,
        results: Inference,
        record: Provenance,
        run: Runner,
    ) -> Trace:
        """Join the results of the graph with the stages upstream and downstream of it."""
        found = (results.detections.detections, results.mask_head.class_mask)
        instances: Instances = self._unmold(run, *found, molded)
        computed = {**results._asdict(), "anchors": anchors, "instances": instances}
        trace = Trace(image=molded, **computed, run=record)
        if not_finite := findings(trace, self.weights_not_finite()):
            warnings.warn("; ".join(not_finite), NotFiniteWarning, stacklevel=3)
        return trace

    def _provenance(
        self, device: str, roi_source: RoiSource, replaced: tuple[str, ...], **changed: Any
    ) -> Provenance:
        """Return the record of a run; `changed` holds what only a resumed run has."""
        return Provenance(
            config=self.config,
            weights=self.weights_from,
            weights_sha256=self.weights_sha256(),
            preset=self.preset,
            random_layers=self.random_layers,
            device=device,
            versions=package_versions(),
            roi_source=roi_source,
            replaced=replaced,
            **changed,
        )

    def _warn_of_random_weights(self) -> None:
        """Warn once per model that some weights were never trained."""
        if self.random_layers and not self._has_warned:
            self._has_warned = True
            warnings.warn(self.randomness(), RandomWeightsWarning, stacklevel=3)
