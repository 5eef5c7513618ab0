"""MaskRCNN: the map of the detector. One line a stage, in the order of the data."""

import copy
import json
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from typing import Any, Self

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import ARCHITECTURE, BACKBONES, Config
from mrcnn_explained.detector.devices import let_memory_grow
from mrcnn_explained.detector.resume import check_names, resumption, second_names
from mrcnn_explained.detector.runner import Runner
from mrcnn_explained.detector.trace import Run, Trace
from mrcnn_explained.detector.training_step import (
    Batch,
    TrainingTrace,
    gradients,
    image_seeds,
    training_stages,
)
from mrcnn_explained.media.images import as_image
from mrcnn_explained.stages.anchors import Anchors, pyramid_anchors
from mrcnn_explained.stages.backbone import BackboneFeatures, ResNet, probe
from mrcnn_explained.stages.box_head import BoxHead
from mrcnn_explained.stages.detections import select_detections
from mrcnn_explained.stages.image import MoldedImage, mold_image, mold_rois
from mrcnn_explained.stages.instances import Instances, unmold
from mrcnn_explained.stages.mask_head import MaskHead
from mrcnn_explained.stages.proposals import given_rois, propose
from mrcnn_explained.stages.pyramid import FeaturePyramid
from mrcnn_explained.stages.pyramid_roi_align import pyramid_roi_align
from mrcnn_explained.stages.rpn import RegionProposalNetwork
from mrcnn_explained.weights.download import find_coco_weights
from mrcnn_explained.weights.load import WeightReport, load_into
from mrcnn_explained.weights.presets import read_preset

Image = UInt8[np.ndarray, "h w 3"]
Images = Image | Sequence[Image]


class RandomWeightsWarning(UserWarning):
    """What the model says has no meaning: it was never trained, or not all of it was."""


class MaskRCNN:
    """A Mask R-CNN whose every stage can be looked at.

    config      every number of it
    backbone    any callable in place of the ResNet: images → (c1, c2, c3, c4, c5)

    The weights are random until `load_weights` reads a file; they are drawn from the
    layers' names, so that two models are alike.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        backbone: Callable[[tf.Tensor], Sequence[tf.Tensor]] | None = None,
    ):
        let_memory_grow()
        c = self.config = config or Config.coco()
        self.backbone = backbone or ResNet(
            BACKBONES[c.backbone], c.backbone_width, c.image_channel_count
        )
        self.pyramid = FeaturePyramid(
            probe(backbone, c.image_channel_count) if backbone else self.backbone.channels,
            c.top_down_pyramid_size,
        )
        self.rpn = RegionProposalNetwork(
            c.top_down_pyramid_size, c.anchors_per_cell, c.rpn_channels, c.rpn_anchor_stride
        )
        self.box_head = BoxHead(
            c.top_down_pyramid_size, c.num_classes, c.pool_size, c.fpn_classif_fc_layers_size
        )
        self.mask_head = MaskHead(c.top_down_pyramid_size, c.num_classes, c.mask_channels)
        self.weights_from = "random"
        self.random_layers = dict.fromkeys(name.split("/")[0] for name in self.weights)
        self.replaced: dict[str, Callable[..., Any]] = {}
        self._warned = False
        self._compile()

    @classmethod
    def from_preset(cls, name: str | PathLike[str] = "shapes", **changes: Any) -> Self:
        """A trained model that comes with the package.

        name       of the preset, or a file that `presets.save_preset` wrote
        changes    of its config: thresholds, counts, sizes

        Raises WeightFileError where there is none, ValueError for a change that needs other
        weights.
        """
        config, weights = read_preset(name)
        model = cls(config)
        for key, variable in model.weights.items():
            variable.assign(weights[key])
        model.weights_from, model.random_layers = f"preset {name}", {}
        return model.with_config(**changes) if changes else model

    def _stages(self, run, molded, image_meta, anchors, rois=None):
        """Run every stage behind the molding, in the order of the data: `run` calls each."""
        c = self.config
        image_shape = image_meta[0, 4:6]  # of the first image, for all (deviation 9)
        window = norm_boxes(image_meta[:, 7:11], image_shape)

        backbone = run("backbone", self._backbone, molded)
        pyramid = run("pyramid", self.pyramid, backbone[1:])
        rpn = run("rpn", self.rpn, pyramid.rpn_maps)
        proposals = (
            run.plain("proposals", given_rois, rois)
            if rois is not None
            else run(
                "proposals",
                propose,
                rpn.rpn_class,
                rpn.rpn_bbox,
                anchors,
                count=c.post_nms_rois_inference,
                pre_nms_limit=c.pre_nms_limit,
                nms_threshold=c.rpn_nms_threshold,
                std_dev=c.rpn_bbox_std_dev,
            )
        )
        levels, crops, reordered = pyramid_roi_align(
            proposals.rpn_rois,
            image_shape,
            pyramid.roi_maps,
            pool_size=c.pool_size,
            rounding=c.level_rounding,
            run=run,
        )
        box_head = run("box_head", self.box_head, reordered.pooled)
        detections = run(
            "detections",
            select_detections,
            proposals.rpn_rois,
            box_head.mrcnn_class,
            box_head.mrcnn_bbox,
            window,
            min_confidence=c.detection_min_confidence,
            nms_threshold=c.detection_nms_threshold,
            max_instances=c.detection_max_instances,
            std_dev=c.bbox_std_dev,
        )
        boxes, class_ids = detections.detections[..., :4], detections.detections[..., 4]
        mask_levels, mask_crops, mask_reordered = pyramid_roi_align(
            boxes,
            image_shape,
            pyramid.roi_maps,
            pool_size=c.mask_pool_size,
            rounding=c.level_rounding,
            run=run,
            names="mask_{}",
        )
        mask_head = run(
            "mask_head",
            self.mask_head,
            mask_reordered.pooled,
            tf.cast(class_ids, tf.int32),
            detections.valid,
        )
        return (
            *(backbone, pyramid, rpn, proposals, levels, crops, reordered, box_head, detections),
            *(mask_levels, mask_crops, mask_reordered, mask_head),
        )

    def _backbone(self, molded):
        return BackboneFeatures(*self.backbone(molded))

    def trace(self, images: Images, *, rois: Any = None) -> Trace:
        """Run the detector on images and return everything that it computed.

        images    one image, uint8 [h, w, 3], or a list of them
        rois      boxes (y1, x1, y2, x2) in pixels of the image as given, [n, 4] (for a
                  list of images: one such array each): the second stage runs on them
                  instead of on the RPN's proposals
        """
        molded = self._mold(images)
        given = () if rois is None else (mold_rois(rois, molded),)
        results = self._graph(*self._inputs(molded), *given)
        run = self._run(results[2].rpn_class.device, "rpn" if rois is None else "given")
        return self._trace(molded, self.anchors(molded.molded.shape[1:3]), results, run)

    def resume(self, trace: Trace, *, after: str | None = None, **changes: Any) -> Trace:
        """Run again only what lies behind a change; everything before it is taken as it is.

        after      go on behind this stage of an edited trace:
                   `resume(trace._replace(levels=edited), after="levels")`
        changes    settings of stages: `resume(trace, proposals={"nms_threshold": 0.5})`. What
                   `levels` is given holds for the masks' levels too.

        The settings that the trace ran with stay. It runs eagerly, stage by stage. Raises
        InputError for a trace of another model, and for what cannot be changed.
        """
        wish = resumption(trace, self.config, self.weights_from, after, changes)
        model = self.with_config(**wish.config_changes)
        runner = Runner(wish.known, self.replaced, wish.settings)
        image = trace.image
        anchors = wish.known.get("anchors") or model.anchors(image.molded.shape[1:3])
        given = (trace.proposals.rpn_rois,) if trace.run.rois == "given" else ()
        inputs = (image.molded, tf.constant(image.image_meta, tf.float32), anchors.boxes, *given)
        results = model._stages(runner, *inputs)
        own = [name for name in self.replaced if name not in wish.known]
        run = model._run(
            trace.run.device, trace.run.rois, wish.settings, wish.edited, [*wish.replaced, *own]
        )
        return model._trace(image, anchors, results, run, runner)

    def with_stage(self, **functions: Callable[..., Any]) -> Self:
        """A model that runs the caller's functions in place of stages, by their names in a trace.

        A function takes what the stage takes and returns its result: the same NamedTuple, the
        same kinds and shapes. `levels`, `crops` and `reordered` stand in for the masks' too.

        Such a model runs eagerly, so that the functions may use `.numpy()`, `if` and loops.
        Raises InputError for a name that is no stage; running it raises StageError where the
        function does something else.
        """
        check_names(functions)
        other = copy.copy(self)
        other.replaced = {**self.replaced, **second_names(functions)}
        other._compile()
        return other

    def detect(self, images: Images) -> list[dict[str, np.ndarray]]:
        """Find the objects: one dict an image with `rois`, `class_ids`, `scores`, `masks`.

        Boxes and masks are in the pixels of the image as given. It runs the code that
        `trace` runs; only what leads to the objects is computed.
        """
        self._warn_of_random_weights()
        molded = self._mold(images)
        instances = self._unmold(
            Runner(replaced=self.replaced), *self._results(*self._inputs(molded)), molded
        )
        keys = ("rois", "class_ids", "scores", "masks")
        columns = (getattr(instances, key) for key in keys)
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]

    def training_trace(
        self, batch: Batch, *, seed: int = 0, with_gradients: bool = False
    ) -> TrainingTrace:
        """Run one training step's stages on a batch and return everything; nothing is learnt.

        batch             of data/pipeline.py
        seed              decides which anchors and ROIs are drawn
        with_gradients    also say how strongly each part of the model is pulled
        """
        run = self._gradients if with_gradients else self._training_graph
        seeds = image_seeds(seed, 0, len(batch.molded))
        return run(Batch(*batch), self.anchors(batch.molded.shape[1:3]), seeds)

    def with_config(self, **changes: Any) -> Self:
        """A model with other settings and the same weights: thresholds, counts, sizes.

        Raises ValueError for a change that needs other weights.
        """
        config = self.config.replace(**changes)
        changed = {name for name in changes if changes[name] != getattr(self.config, name)}
        if wrong := changed & set(ARCHITECTURE):
            raise ValueError(
                f"{', '.join(sorted(wrong))} cannot change under given weights; "
                "make a new model: MaskRCNN(config.replace(...))"
            )
        other = copy.copy(self)
        other.config = config
        other._compile()
        return other

    @property
    def weights(self) -> dict[str, Any]:
        """Every variable by `layer/weight`, as weight files name it."""
        parts = (self.backbone, self.pyramid, self.rpn, self.box_head, self.mask_head)
        variables = (v for part in parts for v in getattr(part, "weights", ()))
        return {"/".join(v.path.split("/")[-2:]): v for v in variables}

    def load_weights(
        self, path: str | PathLike[str], *, exclude: Sequence[str] = ()
    ) -> WeightReport:
        """Read a weight file that Matterport's code or a port of it wrote, all or nothing.

        path       an .h5 file; "coco" for mask_rcnn_coco.h5 from the cache or its release
        exclude    layers to leave as they are, by name

        Returns what became of every tensor; raises WeightFileError with what to do.
        """
        path = find_coco_weights() if path == "coco" else path
        report = load_into(self.weights, path, exclude)
        self.weights_from = str(path)
        self.random_layers = dict.fromkeys(name.split("/")[0] for name in report.left_random)
        return report

    def _compile(self) -> None:
        """Make the two graphs. Both run `_stages`; the second fetches the objects alone."""
        runner = Runner(replaced=self.replaced)

        def results(*inputs):
            *_, detections, _, _, _, mask_head = self._stages(runner, *inputs)
            return detections.detections, mask_head.class_mask

        graph = partial(tf.function, autograph=False)
        # A function in place of a stage may be anybody's: it gets tensors that have values.
        own = graph if not self.replaced else lambda function: function
        self._graph, self._results = own(partial(self._stages, runner)), own(results)
        graph = partial(graph, reduce_retracing=True)
        self._training_graph = graph(partial(training_stages, self))
        self._gradients = graph(partial(gradients, self))
        self._anchors_of = {}

    def _mold(self, images: Images) -> MoldedImage:
        c = self.config
        images = images if isinstance(images, list | tuple) else [images]
        arrays = [as_image(image, f"image {i}") for i, image in enumerate(images)]
        return Runner(replaced=self.replaced)(
            "image",
            mold_image,
            arrays,
            min_dim=c.image_min_dim,
            max_dim=c.image_max_dim,
            min_scale=c.image_min_scale,
            mode=c.image_resize_mode,
            mean_pixel=c.mean_pixel,
            num_classes=c.num_classes,
        )

    def _inputs(self, molded: MoldedImage) -> tuple[tf.Tensor, ...]:
        """What the graph takes."""
        anchors = self.anchors(molded.molded.shape[1:3])
        return molded.molded, tf.constant(molded.image_meta, tf.float32), anchors.boxes

    def anchors(self, image_shape: Sequence[int]) -> Anchors:
        """Return the anchors of images molded to (H, W) pixels."""
        shape, c = tuple(image_shape), self.config
        if shape not in self._anchors_of:
            self._anchors_of[shape] = Runner(replaced=self.replaced)(
                "anchors",
                pyramid_anchors,
                shape,
                scales=c.rpn_anchor_scales,
                ratios=c.rpn_anchor_ratios,
                strides=c.backbone_strides,
                anchor_stride=c.rpn_anchor_stride,
            )
        return self._anchors_of[shape]

    def _trace(self, molded, anchors, results, run, runner=None) -> Trace:
        """Put the results of `_stages` together with what stands before and behind them."""
        runner = runner or Runner(replaced=self.replaced)
        backbone, pyramid, rpn, *second_stage = results
        detections, mask_head = second_stage[5], second_stage[9]
        found = self._unmold(runner, detections.detections, mask_head.class_mask, molded)
        return Trace(molded, backbone, pyramid, anchors, rpn, *second_stage, found, run)

    def _unmold(self, run, detections, class_mask, molded: MoldedImage) -> Instances:
        return run(
            "instances",
            unmold,
            np.asarray(detections),
            np.asarray(class_mask),
            molded.original_shape,
            molded.molded_shape,
            molded.window,
        )

    def _run(self, device, rois, settings=(), edited="", replaced=None) -> Run:
        return Run(
            config=self.config.to_json(),
            weights=self.weights_from,
            random=self.randomness(),
            device=device,
            tensorflow=tf.__version__,
            rois=rois,
            settings=json.dumps(dict(settings)),
            edited=edited,
            replaced=", ".join(self.replaced if replaced is None else replaced),
        )

    def _warn_of_random_weights(self) -> None:
        if self.random_layers and not self._warned:
            self._warned = True
            warnings.warn(self.randomness(), RandomWeightsWarning, stacklevel=3)

    def randomness(self) -> str:
        """Say in words which weights are random; empty where none is."""
        layers = list(self.random_layers)
        if not layers:
            return ""
        which = "all" if self.weights_from == "random" else ", ".join(layers)
        return (
            f"random weights ({which}): what the model finds has no meaning until trained ones "
            "are loaded: model.load_weights(FILE), --weights FILE"
        )
