"""Steps: what each stage did with one object, as text and as numbers."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.fates import fates
from mrcnn_explained.explain.places import Place, map_shapes, place_of
from mrcnn_explained.explain.reading import OneImage, mask_threshold
from mrcnn_explained.stages.levels import LOWEST


class Step(NamedTuple):
    """What one stage did with the object."""

    stage: str  # field of the trace
    text: str  # one or two sentences with the numbers
    numbers: dict[str, Any]  # by the names of the stage's result
    place: Place | None = None  # its box after this step; None: the step does not move it


class Rows(NamedTuple):
    """Where one object is in the results of an image; -1: it is not in that result."""

    anchor: int  # row of anchors
    candidate: int  # row of the candidates of NMS, in order of score
    roi: int  # row of rpn_rois
    detection: int  # row of detections


class Steps(OneImage):
    """The steps of one object in one image of a trace."""

    def __init__(self, trace: Trace, image: int, rows: Rows):
        super().__init__(trace, image)
        self.rows = rows

    def all(self) -> Iterator[Step]:
        """Yield what each stage did, in the order of the data, up to the end of the path."""
        rows = self.rows
        if rows.anchor >= 0:
            yield from (self._anchor(), self._rpn(), self._proposal())
            if rows.candidate >= 0:
                yield self._nms()
            if rows.roi >= 0 and (edited := self._edited_roi()):
                yield edited
        else:
            yield self._given_roi()
        if rows.roi >= 0:
            yield self._level("levels", rows.roi)
            yield self._crop("crops", "levels", rows.roi)
            yield self._reorder("reordered", rows.roi)
            yield from (self._box_head(), self._detection())
        if rows.detection >= 0:
            yield self._level("mask_levels", rows.detection)
            yield self._crop("mask_crops", "mask_levels", rows.detection)
            yield self._reorder("mask_reordered", rows.detection)
            yield from (self._mask(), self._instance())

    def _numbers(self, stage: str, fields: Iterable[str], row: int) -> dict[str, Any]:
        """One row of several fields of a stage's result, by field."""
        return {field: self.of(stage, field)[row] for field in fields}

    def _place(self, box: np.ndarray) -> Place:
        return place_of(box, self.trace, self.image)

    def _anchor(self) -> Step:
        """The anchor's level, cell, shape and box."""
        fields = self.trace.anchors._asdict()
        n = {name: np.asarray(values)[self.rows.anchor] for name, values in fields.items()}
        text = (
            f"Anchor {self.rows.anchor} of P{n['level']}: cell ({n['row']}, {n['column']}), "
            f"{n['scale']:.0f} px, width / height {n['ratio']:g}, box {_pixels(n['boxes_px'])}."
        )
        return Step("anchors", text, n, self._place(n["boxes"]))

    def _rpn(self) -> Step:
        """Scores and deltas of the anchor."""
        fields = ("rpn_class_logits", "rpn_class", "rpn_bbox")
        n = self._numbers("rpn", fields, self.rows.anchor)
        background, foreground = n["rpn_class_logits"]
        text = (
            f"Logits {background:.2f} for background and {foreground:.2f} for an object: "
            f"probability {n['rpn_class'][1]:.3f}. Deltas {_deltas(n['rpn_bbox'])} standard "
            "deviations."
        )
        return Step("rpn", text, n)

    def _proposal(self) -> Step:
        """Whether the anchor is among the candidates, and its box after the deltas."""
        candidate, scores = self.rows.candidate, self.of("proposals", "scores")
        count = len(scores)
        if candidate < 0 and not count:
            text = "The caller gave the ROIs, so no anchor was used."
            return Step("proposals", text, {"candidate": -1})
        if candidate < 0:
            last = float(scores[-1])
            text = (
                f"Not among the {count:,} best anchors, the last of which scores {last:.3f}: "
                "the path ends here."
            )
            return Step("proposals", text, {"candidate": -1, "last_score": last})
        refined = ("refined_anchors", "refined_anchors_clipped")
        fields = ("scores", "pre_nms_anchors", "deltas", *refined)
        n = self._numbers("proposals", fields, candidate)
        place = self._place(n["refined_anchors_clipped"])
        text = (
            f"Candidate {candidate} of {count:,} by score. Times the standard deviations its "
            f"deltas are {_deltas(n['deltas'])}. Refined and clipped, the box is "
            f"{_pixels(place.molded)} in the molded image."
        )
        return Step("proposals", text, {"candidate": candidate, **n}, place)

    def _nms(self) -> Step:
        """Whether NMS kept the candidate."""
        config, candidate = self.trace.config, self.rows.candidate
        names = ("rank", "suppressed_by", "suppressed_iou", "reached")
        n = {name: self.of("proposals", f"nms.{name}")[candidate] for name in names}
        n["suppressed"] = np.flatnonzero(self.of("proposals", "nms.suppressed_by") == candidate)
        if n["rank"] >= 0:
            text = f"Kept as ROI {n['rank']}; it suppressed {len(n['suppressed'])} candidates."
        elif n["suppressed_by"] >= 0:
            text = (
                f"Suppressed by candidate {n['suppressed_by']}: their IoU is "
                f"{n['suppressed_iou']:.3f}, above {config.rpn_nms_threshold:g}."
            )
        else:
            limit = config.post_nms_rois_inference
            text = f"Never reached: NMS had kept {limit:,} better boxes before."
        return Step("nms", text, n)

    def _edited_roi(self) -> Step | None:
        """An ROI that was edited and is no longer the box that NMS kept; None if it still is."""
        box = self.of("proposals", "rpn_rois")[self.rows.roi]
        kept = self.of("proposals", "refined_anchors_clipped")[self.rows.candidate]
        if np.array_equal(box, kept):
            return None
        place = self._place(box)
        text = f"The ROI was edited after this stage: it is {_pixels(place.molded)}."
        return Step("proposals (edited)", text, {"rpn_rois": box}, place)

    def _given_roi(self) -> Step:
        """An ROI without an anchor: the caller gave it, or it is a row of padding."""
        box = self.of("proposals", "rpn_rois")[self.rows.roi]
        if self.of("proposals", "valid")[self.rows.roi]:
            text = "The caller gave this box; no anchor and no RPN were used."
        else:
            text = "A row of padding: it has no anchor and no box of its own."
        return Step("proposals", text, {"rpn_rois": box}, self._place(box))

    def _level(self, stage: str, row: int) -> Step:
        """The level equation of one ROI, or of one detection for its mask."""
        n = self._numbers(stage, getattr(self.trace, stage)._fields, row)
        text = (
            f"sqrt({n['w']:.4f} x {n['h']:.4f}) is a side of {n['side']:.1f} px, "
            f"{n['octaves']:+.3f} octaves from the canonical side: k = {n['exact_level']:.3f}. "
            f"It reads P{n['roi_level']}"
        )
        if math.isfinite(n["boundary"]):
            side = "above" if n["margin"] >= 0 else "below"
            text += f", {abs(n['margin']):.1f} px {side} the boundary at {n['boundary']:.1f} px."
        else:
            text += ", the only level of this run."
        return Step(stage, text, n)

    def _crop(self, stage: str, levels: str, row: int) -> Step:
        """Where one ROI, or one detection, was sampled on the map of its level."""
        level, crops = int(self.of(levels, "roi_level")[row]), getattr(self.trace, stage)
        index = level - LOWEST
        of_level = np.asarray(crops.ix[index])
        place = int(np.flatnonzero((of_level == [self.image, row]).all(axis=1))[0])
        names = ("sample_y", "sample_x", "level_boxes", "pooled")
        n = {name: np.asarray(getattr(crops, name)[index][place]) for name in names}
        y, x = n["sample_y"], n["sample_x"]
        height, width = map_shapes(self.trace)[level]
        text = (
            f"Row {place} of P{level}'s crops: {len(y)} x {len(x)} samples, from cell "
            f"({y[0]:.2f}, {x[0]:.2f}) to cell ({y[-1]:.2f}, {x[-1]:.2f}) of {height} x {width}."
        )
        return Step(stage, text, {"level": level, "row": place, **n})

    def _reorder(self, stage: str, row: int) -> Step:
        """Where the crop was in the stack of all levels, and whether it is back at its ROI."""
        result = getattr(self.trace, stage)
        stack = np.asarray(result.box_to_level)
        stack_row = int(np.flatnonzero((stack[:, :2] == [self.image, row]).all(axis=1))[0])
        key = int(np.asarray(result.sorting_tensor)[stack_row])
        at_home = self.of(stage, "home")
        place = self.image * len(at_home) + row
        n = {
            "stack_row": stack_row,
            "sorting_tensor": key,
            "home": bool(at_home[row]),
            "final_order": int(np.asarray(result.final_order)[place]),
            "place": place,
        }
        end = "it is back at its ROI" if n["home"] else "another crop is at its ROI"
        return Step(stage, f"Row {stack_row} of the stack, sorting key {key:,}: {end}.", n)

    def _box_head(self) -> Step:
        """The three most probable classes."""
        fields = ("mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox")
        n = self._numbers("box_head", fields, self.rows.roi)
        best = np.argsort(-n["mrcnn_class"], kind="stable")[:3].tolist()
        class_name = self.trace.config.class_name
        words = ", ".join(f"{class_name(k)} {n['mrcnn_class'][k]:.3f}" for k in best)
        return Step("box_head", f"Most probable: {words}.", {**n, "class_id": best[0]})

    def _detection(self) -> Step:
        """The box of the most probable class, the answers of the filters, and the fate."""
        filters = ("is_foreground", "is_confident", "survives_nms", "kept")
        boxes = ("deltas_specific", "refined_rois", "refined_rois_clipped")
        fields = ("class_ids", "class_scores", *boxes, *filters)
        n = self._numbers("detections", fields, self.rows.roi)
        n["suppressed_by"] = self.of("detections", "nms.suppressed_by")[self.rows.roi]
        n["suppressed_iou"] = self.of("detections", "nms.suppressed_iou")[self.rows.roi]
        n["fate"] = fates(self.trace, self.image)[self.rows.roi]
        place = self._place(n["refined_rois_clipped"])
        text = (
            f"Deltas of {self.trace.config.class_name(int(n['class_ids']))}: "
            f"{_deltas(n['deltas_specific'])} standard deviations. The refined box is "
            f"{_pixels(place.original)} in the original image. Fate: {n['fate']}."
        )
        return Step("detections", text, n, place)

    def _mask(self) -> Step:
        """The soft mask of the detection's class."""
        rows = np.asarray(self.trace.mask_head.rows)
        detection = self.rows.detection
        row = int(np.flatnonzero((rows == [self.image, detection]).all(axis=1))[0])
        mask = self.of("mask_head", "class_mask")[detection]
        threshold = mask_threshold(self.trace)
        share = float((mask >= threshold).mean())
        height, width = mask.shape
        text = f"{height} x {width} probabilities, {share:.0%} of them {threshold:g} or more."
        return Step("mask_head", text, {"row": row, "class_mask": mask})

    def _instance(self) -> Step:
        """The box and the mask in the original image."""
        instances = self.trace.instances
        row = find_row(instances.detection[self.image], self.rows.detection)
        if row < 0:
            text = "Left out: its box has no area in whole pixels."
            return Step("instances", text, {"row": -1})
        box = instances.rois[self.image][row]
        area = int(instances.masks[self.image][..., row].sum())
        text = f"Instance {row}: box {_pixels(box)} and {area:,} pixels of the original image."
        return Step("instances", text, {"row": row, "rois": box, "area": area})


def find_row(rows: Any, value: int) -> int:
    """Return the first place of a value in a list of rows; -1 if it is missing."""
    found = np.flatnonzero(np.asarray(rows) == value)
    return int(found[0]) if len(found) else -1


def _pixels(box: Iterable[float]) -> str:
    """A box in whole pixels."""
    return "(" + ", ".join(f"{v:.0f}" for v in box) + ")"


def _deltas(values: Iterable[float]) -> str:
    """Deltas with their signs."""
    return "(" + ", ".join(f"{v:+.2f}" for v in values) + ")"
