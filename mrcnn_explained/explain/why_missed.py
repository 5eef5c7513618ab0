"""Why missed: the first stage at which an object that was not found was lost."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes, iou
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.image import mold_boxes

COVERS = 0.5  # IoU from which a box stands for the object: COCO's lowest threshold
NEAR = 0.3  # IoU below which an anchor is taught to be background (Faster R-CNN, section 3.1.2)


class Missed(NamedTuple):
    """Where an object was lost. `str(missed)` is the answer in a sentence."""

    stage: str  # the first that failed, as in a trace; "": it was found
    cause: str  # anchor, box, score, top-k, suppressed, limit, class, confidence; "": found
    text: str  # the same in words, with the numbers
    anchor: int  # the anchor that came nearest
    anchor_iou: float  # its overlap with the object
    candidate: int  # the best candidate that covers the object; -1: none
    roi: int  # the ROI that got furthest; -1: no ROI covers the object
    detection: int  # the detection that is the object; -1: none
    by: int  # row of the candidate or ROI that suppressed it; -1: none did

    def __str__(self) -> str:
        return f"{self.stage}: {self.text}" if self.stage else self.text


def why_missed(trace: Any, box: Any, class_id: int | None = None, *, image: int = 0) -> Missed:
    """Say at which stage an object was lost, or which detection it is.

    trace       a Trace
    box         of the object, (y1, x1, y2, x2) in pixels of the image as given
    class_id    its class; None: any class but background would do

    A box covers the object from an IoU of 0.5 on. Stages are asked in order: is there an anchor
    near it, is one of them moved onto it, is it among the best, does it survive NMS, is its class
    right, its final box, its score, and do the filters keep it? Where several boxes cover the
    object, the best of those that got furthest speaks for it: a ROI of the right class whose final
    box covers it, however its own box lay, was lost at the filters.

    Raises InputError for a box without area, or a class or image that is not there.
    """
    box = _checked(trace, box, class_id, image)
    return _Search(trace, box, class_id, image).answer()


def _checked(trace, box, class_id, image):
    number = len(trace.image.original)
    try:
        box = np.asarray(box, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"box is {box!r}; expected four numbers (y1, x1, y2, x2)") from None
    if not 0 <= image < number:
        raise InputError(f"image is {image}; the trace holds {number}: give 0 to {number - 1}")
    if box.shape != (4,) or not (np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1]):
        raise InputError(
            f"box is {box.tolist()}; expected (y1, x1, y2, x2) with y2 > y1 and x2 > x1, in "
            "pixels of the image as given"
        )
    classes = trace.config.num_classes
    if class_id is not None and class_id not in range(1, classes):
        raise InputError(f"class_id is {class_id!r}; expected 1 to {classes - 1}, or None for any")
    return tf.constant(mold_boxes(box, trace.image, image), tf.float32)


class _Search:
    """One object and one image's results; each question narrows down who may answer the next."""

    def __init__(self, trace, box, class_id, image):
        self.trace, self.box, self.class_id, self.image = trace, box, class_id, image
        rows = dict.fromkeys(("anchor", "candidate", "roi", "detection", "by"), -1)
        self.known = {**rows, "anchor_iou": 0.0}

    def of(self, stage, field):
        value = getattr(self.trace, stage)
        for part in field.split("."):
            value = getattr(value, part)
        return np.asarray(value[self.image])

    def overlaps(self, boxes):
        """IoU of every box with the object; none where there is no box."""
        boxes = tf.reshape(tf.constant(np.asarray(boxes), tf.float32), [-1, 4])
        return iou(boxes, self.box)[:, 0].numpy()

    def lost(self, stage, cause, text, **known):
        return Missed(stage, cause, text, **{**self.known, **known})

    def answer(self):
        given = not self.of("proposals", "scores").size
        return (
            self._found()
            or self._filtered()
            or (None if given else self._before_rois())
            or self._rois()
        )

    def _filtered(self):
        """What the filters did to ROIs whose final box is the object; None where there is none."""
        right = self.of("proposals", "valid") & self.right(self.of("detections", "class_ids"))
        after = self.overlaps(self.of("detections", "refined_rois_clipped"))
        rows = np.flatnonzero(right & (after >= COVERS))
        if not len(rows):
            return None
        scores = self.of("detections", "class_scores")
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        self._origin(int(rows[0]))
        return self._filters(rows)

    def _origin(self, roi):
        """The candidate and the anchor that a ROI comes from."""
        candidate = int(self.of("proposals", "post_nms_ix")[roi])
        if candidate >= 0:
            anchor = int(self.of("proposals", "top_ix")[candidate])
            near = self.overlaps(np.asarray(self.trace.anchors.boxes)[[anchor]])
            self.known |= {"candidate": candidate, "anchor": anchor, "anchor_iou": float(near[0])}

    def right(self, class_ids):
        return class_ids == self.class_id if self.class_id else class_ids > 0

    def _found(self):
        rows = self.of("detections", "detections")
        real = self.of("detections", "valid")
        overlap = np.where(real & self.right(rows[:, 4]), self.overlaps(rows[:, :4]), 0)
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

    def _before_rois(self):
        """Anchors, RPN, top-k and NMS: None where a ROI covers the object."""
        anchors = np.asarray(self.trace.anchors.boxes)
        near, scores = self.overlaps(anchors), self.of("rpn", "rpn_class")[:, 1]
        best = int(near.argmax())
        self.known |= {"anchor": best, "anchor_iou": float(near[best])}
        deltas = self.of("rpn", "rpn_bbox") * np.float32(self.trace.config.rpn_bbox_std_dev)
        moved = clip_boxes(
            apply_box_deltas(tf.constant(anchors), tf.constant(deltas)),
            tf.constant([0.0, 0.0, 1.0, 1.0]),
        )
        covering = np.flatnonzero(self.overlaps(moved) >= COVERS)
        if not len(covering):
            if near[best] < NEAR:
                text = (
                    f"No anchor is near it: the best, {best}, has IoU {near[best]:.2f} (below "
                    f"{NEAR:g} an anchor is taught to be background)."
                )
                return self.lost("anchors", "anchor", text)
            text = (
                f"Anchor {best} is near it (IoU {near[best]:.2f}), but no anchor's deltas lead to "
                "a box that covers it."
            )
            return self.lost("rpn", "box", text)
        first = int(covering[scores[covering].argmax()])
        self.known |= {"anchor": first, "anchor_iou": float(near[first])}
        rows = np.flatnonzero(np.isin(self.of("proposals", "top_ix"), covering))
        if not len(rows):
            number, last = len(self.of("proposals", "scores")), self.of("proposals", "scores")[-1]
            text = (
                f"the best of the {len(covering)} anchors that lead to it, {first}, scores "
                f"{scores[first]:.3f}; the last of the {number:,} that go on has {last:.3f}."
            )
            return self._scored(scores[first], "top-k", text)
        return self._nms(rows)

    def _scored(self, score, cause, text):
        """Too far back: by its own low score, or because too many were better?"""
        if score < 0.5:
            return self.lost("rpn", "score", f"The RPN takes it for background: {text}")
        return self.lost("proposals", cause, f"The RPN sees it, but too many score more: {text}")

    def _nms(self, rows):
        rank = self.of("proposals", "nms.rank")[rows]
        first = int(rows[0])  # candidates are in order of their scores
        self.known["candidate"] = first
        if (rank >= 0).any():
            self.known["candidate"] = int(rows[rank >= 0][0])
            return None
        by, overlap = (
            self.of("proposals", f"nms.{n}")[first] for n in ("suppressed_by", "suppressed_iou")
        )
        score = self.of("proposals", "scores")[first]
        if by >= 0:
            text = (
                f"Candidate {first} (score {score:.3f}) covers it, but NMS of the proposals "
                f"removed it: candidate {by} scores more, and their IoU is {overlap:.2f}."
            )
            return self.lost("proposals", "suppressed", text, by=int(by))
        text = f"candidate {first} (score {score:.3f}) was never reached, the ROIs were complete."
        return self._scored(score, "limit", text)

    def _rois(self):
        """The box head and the filters: which of the ROIs on the object got furthest?"""
        rois, valid = self.of("proposals", "rpn_rois"), self.of("proposals", "valid")
        overlap = np.where(valid, self.overlaps(rois), 0)
        here = np.flatnonzero(overlap >= COVERS)
        if not len(here):
            return self.lost("proposals", "box", "No ROI that was given covers it.")
        here = here[np.argsort(-overlap[here], kind="stable")]
        right = here[self.right(self.of("detections", "class_ids")[here])]
        if not len(right):
            roi = int(here[0])
            wanted = self.trace.config.class_name(self.class_id) if self.class_id else "an object"
            text = (
                f"{len(here)} ROIs cover it, but the box head takes none for {wanted}: ROI {roi} "
                f"(IoU {overlap[roi]:.2f}) is {self.said(roi)}."
            )
            return self.lost("box_head", "class", text, roi=roi)
        roi, after = int(right[0]), self.overlaps(self.of("detections", "refined_rois_clipped"))
        text = (
            f"ROI {roi} covers it (IoU {overlap[roi]:.2f}) and is {self.said(roi)}, but the deltas "
            f"of its class move the box away (IoU {after[roi]:.2f})."
        )
        return self.lost("box_head", "box", text, roi=roi)

    def said(self, roi):
        """The class of a ROI and its score."""
        name = self.trace.config.class_name(int(self.of("detections", "class_ids")[roi]))
        return f"{name} {self.of('detections', 'class_scores')[roi]:.3f}"

    def _filters(self, rows):
        """The first filter that kept none of these ROIs, best score first."""
        confident = rows[self.of("detections", "is_confident")[rows]]
        if not len(confident):
            roi, least = int(rows[0]), self.trace.config.detection_min_confidence
            text = f"ROI {roi} is {self.said(roi)}: below the confidence threshold of {least:g}."
            return self.lost("detections", "confidence", text, roi=roi)
        survivors = confident[self.of("detections", "survives_nms")[confident]]
        if not len(survivors):
            roi = int(confident[0])
            by, overlap = (
                self.of("detections", f"nms.{n}")[roi] for n in ("suppressed_by", "suppressed_iou")
            )
            text = (
                f"ROI {roi} is {self.said(roi)}, but NMS within its class removed it: ROI {by} "
                f"scores more, and their IoU is {overlap:.2f}."
                if by >= 0
                else f"ROI {roi} is {self.said(roi)}, but its class was full before it."
            )
            return self.lost(
                "detections", "suppressed" if by >= 0 else "limit", text, roi=roi, by=int(by)
            )
        roi, most = int(survivors[0]), self.trace.config.detection_max_instances
        text = f"ROI {roi} is {self.said(roi)}, but {most} detections score more."
        return self.lost("detections", "limit", text, roi=roi)
