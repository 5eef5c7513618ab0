"""Why missed: the first stage at which an object that was not found was lost."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float, Int

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes, iou
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.fates import FateKind, fates
from mrcnn_explained.explain.reading import OneImage
from mrcnn_explained.stages.molded_boxes import mold_boxes

COVERS = 0.5  # IoU from which a box covers the object: the lowest threshold of COCO
NEAR = 0.3  # IoU below which an anchor is trained as background (Faster R-CNN, section 3.1.2)


class Missed(NamedTuple):
    """Where an object was lost. `str(missed)` is the answer in a sentence."""

    stage: str  # the first stage that failed, as in a trace; "": the object was found
    cause: str  # anchor, box, score, top-k, suppressed, limit, class, confidence; "": found
    text: str  # a sentence with the numbers
    anchor: int = -1  # the anchor that came nearest; -1: the caller gave the ROIs
    anchor_iou: float = 0.0  # its IoU with the object
    candidate: int = -1  # the best candidate that covers the object; -1: none covers it
    roi: int = -1  # the ROI that passed the most stages; -1: no ROI covers the object
    detection: int = -1  # the detection of the object; -1: it has none
    by: int = -1  # the candidate or ROI that suppressed it; -1: it was not suppressed

    def __str__(self) -> str:
        return f"{self.stage}: {self.text}" if self.stage else self.text


def why_missed(trace: Trace, box: Any, class_id: int | None = None, *, image: int = 0) -> Missed:
    """Return the stage at which an object was lost, or the detection that found it.

    box         of the object, (y1, x1, y2, x2) in pixels of the original image
    class_id    its class; None: any class but background
    image       number of the image in the trace

    A box covers the object from an IoU of 0.5 on. The stages are checked in order: is there an
    anchor near the object, do deltas move an anchor onto it, is that anchor among the best, does
    it survive NMS, is its class right, do its final box and its score fit, and do the filters keep
    it? If several boxes cover the object, the answer is about the best of those that passed the
    most stages: an ROI of the right class whose final box covers the object was lost at the
    filters, wherever its first box was.

    Raises InputError for a box without area, a class that the model does not have, or an image
    that the trace does not have.
    """
    search = _Search(trace, _checked_box(box), _checked_class(trace, class_id), image)
    return search.answer()


def _checked_box(box: Any) -> Float[np.ndarray, "4"]:
    """A box as four numbers; InputError for anything else."""
    try:
        corners = np.asarray(box, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"box is {box!r}; expected four numbers (y1, x1, y2, x2)") from None
    usable = corners.shape == (4,) and np.isfinite(corners).all()
    if not usable or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise InputError(
            f"box is {corners.tolist()}; expected (y1, x1, y2, x2) with y2 > y1 and x2 > x1, in "
            "pixels of the original image"
        )
    return corners


def _checked_class(trace: Trace, class_id: int | None) -> int | None:
    """A class of the model other than background, or None; InputError for anything else."""
    classes = trace.config.num_classes
    if class_id is not None and class_id not in range(1, classes):
        raise InputError(f"class_id is {class_id!r}; expected 1 to {classes - 1}, or None for any")
    return class_id


class _Search(OneImage):
    """The search for one object in the results of one image, stage by stage."""

    def __init__(self, trace: Trace, box: Float[np.ndarray, "4"], class_id: int | None, image: int):
        super().__init__(trace, image)
        self.box = tf.constant(mold_boxes(box, trace.image, image), tf.float32)
        self.class_id = class_id
        self.known: dict[str, Any] = {}  # fields of Missed that are known so far

    def answer(self) -> Missed:
        """Ask whether it was found, then which stage lost it."""
        found = self._found() or self._lost_by_filters()
        if not found and self.of("proposals", "scores").size:  # else the caller gave the ROIs
            found = self._lost_before_rois()
        return found or self._lost_by_box_head()

    def lost(self, stage: str, cause: str, text: str, **known: Any) -> Missed:
        """The answer, with every row that is known."""
        return Missed(stage, cause, text, **{**self.known, **known})

    def overlaps(self, boxes: Any) -> Float[np.ndarray, "n"]:
        """IoU of every box, normalised, with the object."""
        boxes = tf.reshape(tf.constant(np.asarray(boxes), tf.float32), [-1, 4])
        return iou(boxes, self.box)[:, 0].numpy()

    def right_class(self, class_ids: np.ndarray) -> Bool[np.ndarray, "n"]:
        """Which class numbers are the object's class, or any object's if its class is not given."""
        return class_ids == self.class_id if self.class_id else class_ids > 0

    def class_of(self, roi: int) -> str:
        """The most probable class of an ROI and its probability."""
        name = self.trace.config.class_name(int(self.of("detections", "class_ids")[roi]))
        return f"{name} {self.of('detections', 'class_scores')[roi]:.3f}"

    def _found(self) -> Missed | None:
        """The detection that covers the object; None if there is none."""
        rows = self.of("detections", "detections")
        right = self.of("detections", "valid") & self.right_class(rows[:, 4])
        overlap = np.where(right, self.overlaps(rows[:, :4]), 0)
        if not len(overlap) or overlap.max() < COVERS:
            return None
        row = int(overlap.argmax())
        roi = int(self.of("detections", "detection_roi")[row])
        name = self.trace.config.class_name(int(rows[row, 4]))
        if row not in np.asarray(self.trace.instances.detection[self.image]):
            text = f"Detection {row} ({name}) has no area in whole pixels and is left out."
            return self.lost("instances", "box", text, detection=row, roi=roi)
        text = f"It was found: detection {row}, {name} {rows[row, 5]:.3f}, IoU {overlap[row]:.2f}."
        return self.lost("", "", text, detection=row, roi=roi)

    def _lost_by_filters(self) -> Missed | None:
        """The filter that dropped the ROIs whose final box covers the object; None without any."""
        right = self.right_class(self.of("detections", "class_ids"))
        right = right & self.of("proposals", "valid")
        final = self.overlaps(self.of("detections", "refined_rois_clipped"))
        rois = np.flatnonzero(right & (final >= COVERS))
        if not len(rois):
            return None
        scores = self.of("detections", "class_scores")[rois]
        rois = rois[np.argsort(-scores, kind="stable")]
        self._note_origin(int(rois[0]))
        return self._dropped(rois.tolist())

    def _note_origin(self, roi: int) -> None:
        """Note the candidate and the anchor that an ROI comes from."""
        candidate = int(self.of("proposals", "post_nms_ix")[roi])
        if candidate >= 0:
            self.known["candidate"] = candidate
            self._note_anchor(int(self.of("proposals", "top_ix")[candidate]))

    def _note_anchor(self, anchor: int) -> None:
        """Note an anchor and its IoU with the object."""
        overlap = self.overlaps(np.asarray(self.trace.anchors.boxes)[anchor])
        self.known |= {"anchor": anchor, "anchor_iou": float(overlap[0])}

    def _dropped(self, rois: list[int]) -> Missed:
        """The first filter that kept none of these ROIs, which are in order of score."""
        config, fate_of = self.trace.config, fates(self.trace, self.image)
        confident = [roi for roi in rois if fate_of[roi].kind is not FateKind.BELOW_CONFIDENCE]
        if not confident:
            roi, least = rois[0], config.detection_min_confidence
            text = f"ROI {roi} is {self.class_of(roi)}: below the confidence threshold {least:g}."
            return self.lost("detections", "confidence", text, roi=roi)
        by_nms = (FateKind.SUPPRESSED, FateKind.CLASS_FULL)
        survivors = [roi for roi in confident if fate_of[roi].kind not in by_nms]
        if survivors:
            roi, most = survivors[0], config.detection_max_instances
            text = f"ROI {roi} is {self.class_of(roi)}, but {most} detections have higher scores."
            return self.lost("detections", "limit", text, roi=roi)
        roi = confident[0]
        fate = fate_of[roi]
        if fate.kind is FateKind.CLASS_FULL:
            text = f"ROI {roi} is {self.class_of(roi)}, but its class was already full."
            return self.lost("detections", "limit", text, roi=roi)
        text = (
            f"ROI {roi} is {self.class_of(roi)}, but NMS within its class removed it: ROI "
            f"{fate.row} has a higher score, and their IoU is {fate.iou:.2f}."
        )
        return self.lost("detections", "suppressed", text, roi=roi, by=fate.row)

    def _lost_before_rois(self) -> Missed | None:
        """What anchors, RPN, top-k or NMS did to it; None if an ROI covers the object."""
        anchors = np.asarray(self.trace.anchors.boxes)
        near = self.overlaps(anchors)
        best = int(near.argmax())
        self._note_anchor(best)
        leading = self._leading_anchors(anchors)
        if not len(leading):
            if near[best] < NEAR:
                text = (
                    f"No anchor is near it: the best, {best}, has IoU {near[best]:.2f} (below "
                    f"{NEAR:g} an anchor is trained as background)."
                )
                return self.lost("anchors", "anchor", text)
            text = (
                f"Anchor {best} is near it (IoU {near[best]:.2f}), but no anchor's deltas lead to "
                "a box that covers it."
            )
            return self.lost("rpn", "box", text)
        scores = self.of("rpn", "rpn_class")[:, 1]
        first = int(leading[scores[leading].argmax()])
        self._note_anchor(first)
        candidates = np.flatnonzero(np.isin(self.of("proposals", "top_ix"), leading))
        if len(candidates):
            return self._lost_by_nms(candidates)
        kept_scores = self.of("proposals", "scores")
        text = (
            f"the best of the {len(leading)} anchors that lead to it, {first}, scores "
            f"{scores[first]:.3f}; the last of the {len(kept_scores):,} candidates has "
            f"{kept_scores[-1]:.3f}."
        )
        return self._outscored(scores[first], "top-k", text)

    def _leading_anchors(self, anchors: Float[np.ndarray, "A 4"]) -> Int[np.ndarray, "n"]:
        """Anchors whose box, after their deltas, covers the object."""
        std_dev = np.asarray(self.trace.config.rpn_bbox_std_dev, np.float32)
        deltas = tf.constant(self.of("rpn", "rpn_bbox") * std_dev)
        refined = apply_box_deltas(tf.constant(anchors), deltas)
        clipped = clip_boxes(refined, tf.constant([0.0, 0.0, 1.0, 1.0]))
        return np.flatnonzero(self.overlaps(clipped) >= COVERS)

    def _lost_by_nms(self, candidates: Int[np.ndarray, "n"]) -> Missed | None:
        """What NMS did to candidates, in order of score; None if it kept one of them."""
        kept = candidates[self.of("proposals", "nms.rank")[candidates] >= 0]
        if len(kept):
            self.known["candidate"] = int(kept[0])
            return None
        first = int(candidates[0])
        self.known["candidate"] = first
        by = int(self.of("proposals", "nms.suppressed_by")[first])
        overlap = self.of("proposals", "nms.suppressed_iou")[first]
        score = self.of("proposals", "scores")[first]
        if by >= 0:
            text = (
                f"Candidate {first} (score {score:.3f}) covers it, but NMS of the proposals "
                f"removed it: candidate {by} has a higher score, and their IoU is {overlap:.2f}."
            )
            return self.lost("proposals", "suppressed", text, by=by)
        text = f"candidate {first} (score {score:.3f}) was never reached: the ROIs were complete."
        return self._outscored(score, "limit", text)

    def _outscored(self, score: float, cause: str, text: str) -> Missed:
        """Lost by its rank: the RPN's fault if its score is low, else that of the limit."""
        if score < 0.5:
            return self.lost("rpn", "score", f"The RPN classifies it as background: {text}")
        text = f"The RPN finds it, but too many boxes have higher scores: {text}"
        return self.lost("proposals", cause, text)

    def _lost_by_box_head(self) -> Missed:
        """What the box head made of the ROIs that cover the object."""
        rois, valid = self.of("proposals", "rpn_rois"), self.of("proposals", "valid")
        overlap = np.where(valid, self.overlaps(rois), 0)
        covering = np.flatnonzero(overlap >= COVERS)
        if not len(covering):
            return self.lost("proposals", "box", "No ROI that was given covers it.")
        covering = covering[np.argsort(-overlap[covering], kind="stable")]
        right = covering[self.right_class(self.of("detections", "class_ids")[covering])]
        if not len(right):
            roi = int(covering[0])
            wanted = self.trace.config.class_name(self.class_id) if self.class_id else "an object"
            text = (
                f"{len(covering)} ROIs cover it, but the box head classifies none of them as "
                f"{wanted}: ROI {roi} (IoU {overlap[roi]:.2f}) is {self.class_of(roi)}."
            )
            return self.lost("box_head", "class", text, roi=roi)
        roi = int(right[0])
        final = self.overlaps(self.of("detections", "refined_rois_clipped")[roi])[0]
        text = (
            f"ROI {roi} covers it (IoU {overlap[roi]:.2f}) and is {self.class_of(roi)}, but the "
            f"deltas of its class move the box away (IoU {final:.2f})."
        )
        return self.lost("box_head", "box", text, roi=roi)
