"""Diagnosis: the reasons for which a detector misses an object, in the order of the data."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import denorm_boxes, iou
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.explain.why_missed import NEAR, Missed, why_missed
from mrcnn_explained.stages.levels import assign_levels
from mrcnn_explained.stages.molded_boxes import mold_boxes


class Reason(NamedTuple):
    """One reason for which an object may be lost."""

    name: str  # one or two words
    question: str
    advice: str  # what to change if the object was lost here


REASONS = (
    Reason(
        "resize",
        "Is it large enough in the molded image?",
        "Cut the image into parts and detect in each, or raise image_max_dim.",
    ),
    Reason(
        "anchors",
        "Does an anchor fit it?",
        "Train with anchors of its size and shape: rpn_anchor_scales, rpn_anchor_ratios.",
    ),
    Reason(
        "RPN",
        "Does the RPN give an anchor near it a high score, and deltas that lead to it?",
        "Train on more objects that look like it, in places like this one.",
    ),
    Reason(
        "top-k",
        "Are its anchors among the candidates?",
        "Raise pre_nms_limit.",
    ),
    Reason(
        "proposals",
        "Does a box that covers it survive the NMS of the proposals?",
        "Raise rpn_nms_threshold or post_nms_rois_inference.",
    ),
    Reason(
        "level",
        "Do its ROIs read the level of its size?",
        "Better proposals: an ROI much larger or smaller than the object reads another level.",
    ),
    Reason(
        "class",
        "Does the box head find its class, and a box that fits?",
        "Train on more objects of this class; check their labels.",
    ),
    Reason(
        "confidence",
        "Is its score above the threshold?",
        "Lower detection_min_confidence, and count what else appears.",
    ),
    Reason(
        "class NMS",
        "Does it survive the NMS of its class, and the limit of detections?",
        "Raise detection_nms_threshold or detection_max_instances.",
    ),
    Reason(
        "mask",
        "Does its box have an area in the original image?",
        "Detect in a larger image: its box is below one pixel.",
    ),
)
#: The reason for each stage and cause of `why_missed`; two of them depend on more than that.
NUMBER_OF = {
    ("anchors", "anchor"): 2,
    ("rpn", "box"): 3,
    ("rpn", "score"): 3,
    ("proposals", "top-k"): 4,
    ("proposals", "suppressed"): 5,
    ("proposals", "limit"): 5,
    ("proposals", "box"): 5,
    ("box_head", "class"): 7,
    ("box_head", "box"): 7,
    ("detections", "confidence"): 8,
    ("detections", "suppressed"): 9,
    ("detections", "limit"): 9,
    ("instances", "box"): 10,
}


class Diagnosis(NamedTuple):
    """Where an object was lost, among all reasons. `print` shows the list."""

    number: int  # of the reason, from 1; 0: the object was found
    missed: Missed
    side: float  # sqrt(height x width) of the object in the molded image, pixels
    anchor_iou: float  # of the anchor that fits it best
    own_level: int  # that an ROI equal to its box reads
    roi_level: int  # of the ROI that passed the most stages; -1: no ROI covers it

    @property
    def reason(self) -> Reason | None:
        """Return the reason; None if the object was found."""
        return REASONS[self.number - 1] if self.number else None

    def __str__(self) -> str:
        rows = [
            f"{number:2}. {reason.name:11} {self._verdict(number):12} {reason.question}"
            for number, reason in enumerate(REASONS, 1)
        ]
        facts = f"side {self.side:.1f} px, best anchor IoU {self.anchor_iou:.2f}, size of P"
        facts += str(self.own_level)
        facts += f", its ROI reads P{self.roi_level}" if self.roi_level > 0 else ""
        advice = [f"What helps: {self.reason.advice}"] if self.reason else []
        return "\n".join([*rows, f"In the molded image: {facts}.", str(self.missed), *advice])

    def _verdict(self, number: int) -> str:
        """Return what became of the object at one reason."""
        if number == self.number:
            return "LOST HERE"
        return "passed" if not self.number or number < self.number else "not reached"


def diagnose(trace: Trace, box: Any, class_id: int | None = None, *, image: int = 0) -> Diagnosis:
    """Return at which of ten reasons, in the order of the data, an object was lost.

    box         of the object, (y1, x1, y2, x2) in pixels of the original image
    class_id    its class; None: any class but background
    image       number of the image in the trace

    `why_missed` finds the stage. An object without an anchor is lost by the resize if it is smaller
    than every anchor can be near to, else by the anchors. One that the box head misses is lost by
    its level if its ROI reads another level than an ROI of the object's own size would.

    Raises InputError as `why_missed` does.
    """
    missed = why_missed(trace, box, class_id, image=image)
    place = tf.constant(mold_boxes(box, trace.image, image), tf.float32)
    shape = tf.constant(trace.image.molded_shape[image, :2], tf.float32)
    y1, x1, y2, x2 = denorm_boxes(place, shape).numpy()[0]
    side = float(np.sqrt((y2 - y1) * (x2 - x1)))
    near = iou(tf.constant(np.asarray(trace.anchors.boxes)), place).numpy()
    own = assign_levels(place[tf.newaxis], shape, **level_settings(trace, "levels"))
    own_level = int(own.roi_level[0, 0])
    roi_level = int(trace.levels.roi_level[image][missed.roi]) if missed.roi >= 0 else -1
    number = NUMBER_OF.get((missed.stage, missed.cause), 0)
    smallest = float(np.sqrt(NEAR) * np.min(trace.anchors.scale))
    if number == 2 and side < smallest:
        number = 1
    if number == 7 and roi_level != own_level:
        number = 6
    return Diagnosis(number, missed, side, float(near.max()), own_level, roi_level)
