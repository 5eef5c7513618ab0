"""Paper variants: deviations of Matterport's code that are switches, set to what the papers say.

Each one changes one setting or one stage, and everything downstream is computed again. Weights
that were trained one way lose accuracy the other way: a variant shows what depends on a choice,
not which choice is better.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from jaxtyping import Float32, Int32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.compare import Comparison, compare
from mrcnn_explained.stages.anchors import Anchors, pyramid_anchors
from mrcnn_explained.stages.crops import LevelCrops, crop_levels, roi_align
from mrcnn_explained.stages.levels import LOWEST

FINEST = 4  # stride of P2, pixels


class PaperVariant(NamedTuple):
    """One deviation switched off, and the effect. `str(variant)` is a summary."""

    name: str
    deviations: tuple[int, ...]  # their numbers in docs/differences.md
    what: str  # the papers' way, and Matterport's
    trace: Trace  # the run in the papers' way
    comparison: Comparison  # of that run with the original one

    def __str__(self) -> str:
        first, last = self.deviations[0], self.deviations[-1]
        numbers = f"{first}" if first == last else f"{first} to {last}"
        return f"{self.name} (deviation {numbers}): {self.what}\n{self.comparison}"


class _Switch(NamedTuple):
    """How to run one variant."""

    deviations: tuple[int, ...]
    what: str
    run: Callable[[MaskRCNN, Trace], Trace]


def aligned_crops(
    rois: Float32[tf.Tensor, "B N 4"],
    roi_level: Int32[tf.Tensor, "B N"],
    maps: Sequence[Float32[tf.Tensor, "B _ _ F"]],
    *,
    pool_size: int = 7,
    samples: int = 2,
) -> LevelCrops:
    """Crop as the papers' ROIAlign does, in place of `crop_levels`.

    samples    number of samples in each bin along each axis; their mean is the bin's value

    Takes and returns what `crop_levels` does; `sample_y` and `sample_x` are the centres of the
    bins. Mask R-CNN (arXiv:1703.06870), section 3.
    """
    plain = crop_levels(rois, roi_level, maps, pool_size=pool_size)
    image_shape = tf.shape(maps[0])[1:3] * FINEST
    levels = zip(maps, plain.level_boxes, plain.box_indices, strict=True)
    aligned = [
        roi_align(features, boxes, images, image_shape, pool_size=pool_size, samples=samples)
        for features, boxes, images in levels
    ]

    def bin_centres(places: Float32[tf.Tensor, "n _"]) -> Float32[tf.Tensor, "n P"]:
        """The mean place of the samples of each bin."""
        return tf.reduce_mean(tf.reshape(places, [-1, pool_size, samples]), axis=2)

    return plain._replace(
        sample_y=tuple(bin_centres(level.sample_y) for level in aligned),
        sample_x=tuple(bin_centres(level.sample_x) for level in aligned),
        pooled=tuple(level.pooled for level in aligned),
    )


def centred_anchors(
    image_shape: tuple[int, int], *, strides: Sequence[int], **settings: Any
) -> Anchors:
    """Return anchors centred in the middle of their cells, in place of `pyramid_anchors`.

    Takes and returns what `pyramid_anchors` does, whose centres are the corners of the cells.
    """
    anchors = pyramid_anchors(image_shape, strides=strides, **settings)
    half = tf.gather(tf.constant(strides, tf.float32), anchors.level - LOWEST) / 2
    boxes = anchors.boxes_px + half[:, tf.newaxis]
    shape = tf.constant(image_shape, tf.float32)
    return anchors._replace(boxes_px=boxes, boxes=norm_boxes(boxes, shape))


def _round_down(model: MaskRCNN, trace: Trace) -> Trace:
    return model.resume(trace, levels={"rounding": "floor"})


def _align(model: MaskRCNN, trace: Trace) -> Trace:
    return model.with_stage(crops=aligned_crops).resume(trace, after="levels")


def _centre_anchors(model: MaskRCNN, trace: Trace) -> Trace:
    return model.with_stage(anchors=centred_anchors).resume(trace, after="pyramid")


def _lower_thresholds(model: MaskRCNN, trace: Trace) -> Trace:
    return model.resume(trace, detections={"min_confidence": 0.05, "nms_threshold": 0.5})


SWITCHES = {
    "level rounding": _Switch(
        (1,), "k is rounded down (FPN, eq. 1), not to the nearest level.", _round_down
    ),
    "ROIAlign": _Switch(
        (2, 3, 4), "bins of 2x2 samples, averaged, not one sample from edge to edge.", _align
    ),
    "anchor centres": _Switch(
        (24,), "anchors are centred in their cells, not at a corner of them.", _centre_anchors
    ),
    "detection thresholds": _Switch(
        (49,),
        "scores from 0.05 on and NMS at 0.5 (Fast R-CNN), not 0.7 and 0.3.",
        _lower_thresholds,
    ),
}


def paper_variant(model: MaskRCNN, trace: Trace, name: str, *, image: int = 0) -> PaperVariant:
    """Switch one deviation to the papers' way and return the effect on an image.

    trace    a run of the model in Matterport's way
    name     a key of SWITCHES
    image    number of the image whose ROIs are compared

    Raises InputError for any other name.
    """
    if name not in SWITCHES:
        raise InputError(f"{name!r} is not a paper variant; expected {', '.join(SWITCHES)}")
    switch = SWITCHES[name]
    other = switch.run(model, trace)
    comparison = compare(trace, other, image=image)
    return PaperVariant(name, switch.deviations, switch.what, other, comparison)


def paper_variants(model: MaskRCNN, trace: Trace, *, image: int = 0) -> tuple[PaperVariant, ...]:
    """Return every paper variant by itself, one after the other; see `paper_variant`."""
    return tuple(paper_variant(model, trace, name, image=image) for name in SWITCHES)
