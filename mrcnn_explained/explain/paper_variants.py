"""Papers: the deviations of Matterport's code that are switches, turned to what the papers say.

Each is a change of one setting or of one stage; everything behind it is computed anew. Weights
that were trained one way lose accuracy the other way: this tells what depends on what, not
which is better.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

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
    """One deviation turned off, and what that did. `str(variant)` tells it."""

    name: str
    deviations: tuple[int, ...]  # their numbers, as elsewhere in this project
    what: str  # the papers' way, and Matterport's
    trace: Trace  # the run the papers' way
    comparison: Comparison  # against the run as it was

    def __str__(self) -> str:
        numbers = " to ".join(str(n) for n in sorted({self.deviations[0], self.deviations[-1]}))
        return f"{self.name} (deviation {numbers}): {self.what}\n{self.comparison}"


class _Switch(NamedTuple):
    deviations: tuple[int, ...]
    what: str
    run: Callable[[MaskRCNN, Trace], Trace]


def aligned_crops(
    rois: Any, roi_level: Any, maps: Any, *, pool_size: int = 7, samples: int = 2
) -> LevelCrops:
    """In place of `crop_levels`: the papers' ROIAlign, `samples` x `samples` in each bin.

    Takes and returns what `crop_levels` does; `sample_y` and `sample_x` are the bins' centres.
    Mask R-CNN (arXiv:1703.06870), section 3.
    """
    plain = crop_levels(rois, roi_level, maps, pool_size=pool_size)
    image_shape = tf.shape(maps[0])[1:3] * FINEST
    rows = zip(maps, plain.level_boxes, plain.box_indices, strict=True)
    aligned = [roi_align(*row, image_shape, pool_size=pool_size, samples=samples) for row in rows]
    centre = lambda x: tf.reduce_mean(tf.reshape(x, [-1, pool_size, samples]), axis=2)  # noqa: E731
    return plain._replace(
        sample_y=tuple(centre(a.sample_y) for a in aligned),
        sample_x=tuple(centre(a.sample_x) for a in aligned),
        pooled=tuple(a.pooled for a in aligned),
    )


def centred_anchors(image_shape: tuple[int, int], *, strides: Any, **settings: Any) -> Anchors:
    """In place of `pyramid_anchors`: centres in the middle of their cells, not at its corner.

    Takes and returns what `pyramid_anchors` does.
    """
    anchors = pyramid_anchors(image_shape, strides=strides, **settings)
    half = tf.gather(tf.constant(strides, tf.float32), anchors.level - LOWEST) / 2
    boxes = anchors.boxes_px + half[:, tf.newaxis]
    shape = tf.constant(image_shape, tf.float32)
    return anchors._replace(boxes_px=boxes, boxes=norm_boxes(boxes, shape))


SWITCHES = {
    "level rounding": _Switch(
        (1,),
        "k is rounded down (FPN, eq. 1), not to the nearest level.",
        lambda model, trace: model.resume(trace, levels={"rounding": "floor"}),
    ),
    "ROIAlign": _Switch(
        (2, 3, 4),
        "bins of 2x2 samples, averaged, not one sample from edge to edge.",
        lambda model, trace: model.with_stage(crops=aligned_crops).resume(trace, after="levels"),
    ),
    "anchor centres": _Switch(
        (24,),
        "anchors stand in the middle of their cells, not at the corner.",
        lambda model, trace: model.with_stage(anchors=centred_anchors).resume(
            trace, after="pyramid"
        ),
    ),
    "detection thresholds": _Switch(
        (49,),
        "scores from 0.05 on and NMS at 0.5 count (Fast R-CNN), not 0.7 and 0.3.",
        lambda model, trace: model.resume(
            trace, detections={"min_confidence": 0.05, "nms_threshold": 0.5}
        ),
    ),
}


def paper_variant(model: MaskRCNN, trace: Trace, name: str, *, image: int = 0) -> PaperVariant:
    """Turn one deviation to the papers' way and tell the effect on an image.

    trace    a run of the model, in Matterport's way
    name     a key of SWITCHES
    image    the image whose ROIs are compared

    Raises InputError for a name that is no switch.
    """
    if name not in SWITCHES:
        raise InputError(f"{name!r} is no switch; one of {', '.join(SWITCHES)}")
    switch = SWITCHES[name]
    other = switch.run(model, trace)
    comparison = compare(trace, other, image=image)
    return PaperVariant(name, switch.deviations, switch.what, other, comparison)


def paper_variants(model: MaskRCNN, trace: Trace, *, image: int = 0) -> tuple[PaperVariant, ...]:
    """Every switch by itself, one after the other; as `paper_variant`."""
    return tuple(paper_variant(model, trace, name, image=image) for name in SWITCHES)
