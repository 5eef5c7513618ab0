"""MaskRCNN: what a user does with a detector. One short method per thing.

The two maps are functions of their own: `infer` in inference.py, `training_step` in
training_step.py.
"""

import copy
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import tensorflow as tf

from mrcnn_explained.config import ARCHITECTURE, Config
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.detector.executor import Executor, Images
from mrcnn_explained.detector.finite import check_finite
from mrcnn_explained.detector.inference import infer
from mrcnn_explained.detector.network import layers_of
from mrcnn_explained.detector.provenance import RoiSource
from mrcnn_explained.detector.resume import check_names, plan_resumption, second_names
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.detector.training_step import (
    TrainingTrace,
    check_rois,
    image_seeds,
    unchanged_statistics,
)
from mrcnn_explained.stages.molded_boxes import mold_rois
from mrcnn_explained.system.devices import let_memory_grow
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.load import WeightReport, load_into
from mrcnn_explained.weights.presets import load_preset, read_preset


class MaskRCNN(Executor):
    """A Mask R-CNN of which every stage can be inspected.

    config      every number of it; None: Matterport's COCO model
    backbone    any callable in place of the ResNet: images → (c1, c2, c3, c4, c5); see
                `stages.backbone.adapt`

    The weights are random until `load_weights` reads a file. They are drawn from the layers'
    names, so two new models are alike. Raises ValueError for a backbone that does not fit.
    """

    def __init__(self, config: Config | None = None, *, backbone: Callable[..., Any] | None = None):
        let_memory_grow()
        super().__init__(config or Config.coco(), backbone)

    @classmethod
    def from_preset(cls, name: str | PathLike[str] = "shapes", **changes: Any) -> Self:
        """Return a pretrained model of which config and weights are one file.

        name       of a preset that the package includes, or a file that `save_preset` wrote
        changes    fields of its config: thresholds, counts, sizes

        Raises WeightFileError for an unknown or damaged preset, ValueError for a change that
        needs other weights.
        """
        config, weights = read_preset(name)
        model = cls(config)
        load_preset(model.weights, weights, str(name))
        model.weights_from, model.preset, model.random_layers = f"preset {name}", str(name), ()
        return model.with_config(**changes) if changes else model

    def load_weights(
        self, path: str | PathLike[str], *, exclude: Sequence[str] = ()
    ) -> WeightReport:
        """Read a weight file that Matterport's code or a port of it wrote, all or nothing.

        path       an .h5 file; "coco" for mask_rcnn_coco.h5 from the cache or its release
        exclude    layers to leave as they are, by name

        Returns what became of every tensor; raises WeightFileError with what to do.
        """
        file = find_coco_weights() if path == "coco" else path
        report = load_into(self.weights, file, exclude, config=self.config)
        self.weights_from, self.preset = str(report.path), ""
        self.random_layers = layers_of(report.left_random)
        return report

    def trace(self, images: Images, *, rois: Any = None) -> Trace:
        """Run the detector on images and return everything that it computed.

        images    one image, uint8 [h, w, 3], or a list of them
        rois      boxes (y1, x1, y2, x2) in pixels of the original image, [n, 4], or a list of
                  one such array per image: the second stage runs on them instead of on the
                  RPN's proposals
        """
        molded = self._mold(images)
        given = () if rois is None else (mold_rois(rois, molded),)
        with unchanged_statistics(self):
            results = self._infer(*self._inputs(molded), *given)
        source: RoiSource = "rpn" if rois is None else "given rois"
        record = self._provenance(results.rpn.rpn_class.device, source, tuple(self.replaced))
        anchors = self.anchors(molded.molded.shape[1:3])
        return self._as_trace(molded, anchors, results, record, self.runner())

    def detect(self, images: Images) -> list[dict[str, np.ndarray]]:
        """Find the objects: one dict per image with `rois`, `class_ids`, `scores` and `masks`.

        Boxes and masks are in pixels of the original image. It runs the code that `trace`
        runs; only what leads to the objects is computed. Raises NotFiniteError, with the first
        stage, if numbers turned NaN or infinite: `trace` shows where.
        """
        self._warn_of_random_weights()
        molded = self._mold(images)
        with unchanged_statistics(self):
            detections, class_mask, finite = self._detect(*self._inputs(molded))
        check_finite(finite, self.weights_not_finite())
        instances = self._unmold(self.runner(), detections, class_mask, molded)
        keys = ("rois", "class_ids", "scores", "masks")
        return [
            {key: getattr(instances, key)[i] for key in keys} for i in range(len(molded.original))
        ]

    def resume(self, trace: Trace, *, after: str | None = None, **changes: Any) -> Trace:
        """Run again only what is downstream of a change; everything upstream is kept.

        after      go on after this stage of an edited trace:
                   `resume(trace._replace(levels=edited), after="levels")`
        changes    settings of stages: `resume(trace, proposals={"nms_threshold": 0.5})`. What
                   `levels` is given holds for the masks' levels too.

        The settings that the trace ran with are kept. It runs eagerly, stage by stage. Raises
        InputError for a trace of another model, and for what cannot be changed.
        """
        plan = plan_resumption(trace, self, after, changes)
        model = self.with_config(**plan.config_changes)
        run = self.runner(plan.known, plan.settings)
        image = trace.image
        anchors = plan.known.get("anchors") or model.anchors(image.molded.shape[1:3])
        given = (trace.proposals.rpn_rois,) if trace.has_given_rois else ()
        meta = tf.constant(image.image_meta, tf.float32)
        with unchanged_statistics(model):
            results = infer(model, run, image.molded, meta, anchors.boxes, *given)
        own = tuple(name for name in self.replaced if name not in plan.known)
        changed = {"settings": plan.settings, "edited": plan.edited}
        record = model._provenance(
            trace.run.device, plan.roi_source, (*plan.replaced, *own), **changed
        )
        return model._as_trace(image, anchors, results, record, run)

    def with_stage(self, **functions: Callable[..., Any]) -> Self:
        """Return a model that runs the caller's functions in place of stages, by name.

        A function takes what the stage takes and returns its result: the same NamedTuple, the
        same kinds and shapes. `levels`, `crops` and `reordered` also replace the masks' own;
        `rpn_targets` and `detection_targets` are of the training step.

        Such a model runs eagerly, so the functions may use `.numpy()`, `if` and loops. Raises
        InputError for a name that is not a stage; running it raises StageError if a function
        does something else.
        """
        check_names(functions)
        other = copy.copy(self)
        other.replaced = {**self.replaced, **second_names(functions)}
        other._compile()
        return other

    def with_config(self, **changes: Any) -> Self:
        """Return a model with other settings and the same weights: thresholds, counts, sizes.

        Raises ValueError for a change that needs other weights.
        """
        config = self.config.replace(**changes)
        changed = set(config.differences(self.config))
        if wrong := changed & set(ARCHITECTURE):
            raise ValueError(
                f"{', '.join(sorted(wrong))} cannot change under given weights; "
                "make a new model: MaskRCNN(config.replace(...))"
            )
        other = copy.copy(self)
        other.config = config
        other._compile()
        return other

    def training_trace(
        self, batch: Batch, *, seed: int = 0, with_gradients: bool = False
    ) -> TrainingTrace:
        """Run the stages of one training step and return everything; nothing is learned.

        batch             of data/pipeline.py
        seed              decides which anchors and ROIs are drawn
        with_gradients    also compute the norm of the gradient in each part of the network

        Raises TrainingError if the config asks for given ROIs and the batch has none.
        """
        check_rois(self.config, batch.rois.shape[1])
        step = self._gradients if with_gradients else self._training_step
        seeds = image_seeds(seed, 0, len(batch.molded))
        with unchanged_statistics(self):
            return step(Batch(*batch), self.anchors(batch.molded.shape[1:3]), seeds)
