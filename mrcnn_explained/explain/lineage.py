"""Lineage: the way of one object through a run, from anchor to mask, or to where it ended.

Every number is read from the stages' results, so each step can be done by hand from the one
before it. Boxes are (y1, x1, y2, x2).
"""

import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.fates import fates
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.stages.levels import LOWEST

Box = tuple[float, float, float, float]


class Place(NamedTuple):
    """One box wherever somebody may look for it."""

    original: Box  # whole pixels of the image as given; y2 and x2 lie outside
    molded: Box  # pixels of the molded image
    normalised: Box  # (0, 0, 1, 1) is the molded image
    cells: dict[int, Box]  # level → cells of its map, 0 the first one's centre (deviation 4)


class Step(NamedTuple):
    """What one stage did with the object."""

    stage: str  # as in a trace
    text: str  # in words, with the numbers
    numbers: dict[str, Any]  # under the names of the stage's result
    place: Place | None = None  # where its box is after this step; None: it did not move


class Lineage(NamedTuple):
    """The whole path. `str(lineage)` is its story."""

    image: int  # number of the image
    anchor: int  # row of anchors; -1: the ROI was given by the caller
    roi: int  # row of rpn_rois; -1: the anchor became none
    detection: int  # row of detections; -1: the ROI became none
    steps: tuple[Step, ...]  # in the order of the data

    def numbers(self, stage: str) -> dict[str, Any]:
        """Return the numbers of one stage; KeyError where the path did not get so far."""
        return next((s.numbers for s in self.steps if s.stage == stage), None) or _none(stage, self)

    def __str__(self) -> str:
        return "\n".join(f"{n}. {s.stage}: {s.text}" for n, s in enumerate(self.steps, 1))

    def _repr_markdown_(self) -> str:
        return "\n".join(f"{n}. **{s.stage}** {s.text}" for n, s in enumerate(self.steps, 1))


def _none(stage, lineage):
    raise KeyError(f"{stage}: this path ends at {lineage.steps[-1].stage}")


def lineage(
    trace: Any,
    *,
    detection: int | None = None,
    roi: int | None = None,
    anchor: int | None = None,
    image: int = 0,
) -> Lineage:
    """Follow one detection, ROI or anchor through a run, both ways.

    trace    a Trace
    image    which image of it

    Raises InputError where not exactly one of the three is given, or it is no row of the run.
    """
    given = {"detection": detection, "roi": roi, "anchor": anchor}
    given = {name: row for name, row in given.items() if row is not None}
    if len(given) != 1:
        raise InputError("say one of detection=, roi= and anchor=: the row to follow")
    path = _Path(trace, image)
    path.find(*given.popitem())
    return Lineage(image, path.anchor, path.roi, path.detection, tuple(path.steps()))


class _Path:
    """The rows of one object in the results of one image, and what they say."""

    def __init__(self, trace, image):
        number = len(trace.image.original)
        if not 0 <= image < number:
            raise InputError(f"image is {image}; the trace holds {number}: give 0 to {number - 1}")
        self.trace, self.image = trace, image
        self.anchor = self.candidate = self.roi = self.detection = -1
        self.maps = {k: getattr(trace.pyramid, f"p{k}").shape[1:3] for k in range(2, 7)}

    def of(self, stage, field):
        """One tensor of this image, as an array."""
        value = getattr(self.trace, stage)
        for part in field.split("."):
            value = getattr(value, part)
        return np.asarray(value[self.image])

    def find(self, kind, row):
        """Set the four rows from one of them."""
        self._check(kind, row)
        if kind == "detection":
            self.detection, row, kind = row, int(self.of("detections", "detection_roi")[row]), "roi"
        if kind == "roi":
            self.roi, self.candidate = row, int(self.of("proposals", "post_nms_ix")[row])
            if self.candidate >= 0:
                self.anchor = int(self.of("proposals", "top_ix")[self.candidate])
        else:
            self.anchor = row
            self.candidate = _row(self.of("proposals", "top_ix"), row)
            if self.candidate >= 0:
                self.roi = int(self.of("proposals", "nms.rank")[self.candidate])
        if self.roi >= 0 and self.detection < 0:
            self.detection = _row(self.of("detections", "detection_roi"), self.roi)

    def _check(self, kind, row):
        real = {
            "detection": lambda: int(self.of("detections", "valid").sum()),
            "roi": lambda: int(self.of("proposals", "valid").sum()),
            "anchor": lambda: self.trace.anchors.level.shape[0],
        }[kind]()
        if kind == "roi":  # a padded row that a detection came from can be followed, too
            real = max(real, int(self.of("detections", "detection_roi").max(initial=-1)) + 1)
        try:
            row = operator.index(row)
        except TypeError:
            raise InputError(f"{kind}={row!r}; expected a whole number, a row") from None
        if not 0 <= row < real:
            raise InputError(
                f"{kind}={row}, but image {self.image} has {real}"
                + (f": give 0 to {real - 1}" if real else "")
            )

    def steps(self) -> Iterator[Step]:
        """Yield what each stage did, as far as the object went."""
        if self.anchor >= 0:
            yield from (self._anchor(), self._rpn(), self._proposal())
            if self.candidate >= 0:
                yield self._nms()
            if self.roi >= 0 and (edited := self._edited()):
                yield edited
        else:
            box = self.of("proposals", "rpn_rois")[self.roi]
            text = (
                "The caller gave this box; no anchor and no RPN took part."
                if self.of("proposals", "valid")[self.roi]
                else "A row of padding: no anchor and no box stand behind it."
            )
            yield Step("proposals", text, {"rpn_rois": box}, self._place(box))
        if self.roi >= 0:
            yield from self._pooling("levels", "crops", "reordered", self.roi)
            yield from (self._box_head(), self._detection())
        if self.detection >= 0:
            yield from self._pooling("mask_levels", "mask_crops", "mask_reordered", self.detection)
            yield from self._mask()

    def _place(self, box):
        image, one = self.trace.image, self.image
        box = np.asarray(box, np.float32)
        shape = image.molded_shape[one]
        original = original_boxes(box[None], image.original_shape[one], shape, image.window[one])[0]
        molded = denorm_boxes(tf.constant(box), shape[:2]).numpy()
        cells = {
            k: tuple((box * np.tile([h - 1, w - 1], 2)).tolist()) for k, (h, w) in self.maps.items()
        }
        return Place(tuple(original.tolist()), tuple(molded.tolist()), tuple(box.tolist()), cells)

    def _anchor(self):
        fields = self.trace.anchors._asdict()
        n = {name: np.asarray(values)[self.anchor] for name, values in fields.items()}
        return Step(
            "anchors",
            "Anchor {} of P{level}: cell ({row}, {column}), {scale:.0f} px, width / height "
            "{ratio:g}, box {}.".format(self.anchor, _px(n["boxes_px"]), **n),
            n,
            self._place(n["boxes"]),
        )

    def _rpn(self):
        names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
        n = {name: self.of("rpn", name)[self.anchor] for name in names}
        logits, score = n["rpn_class_logits"], n["rpn_class"][1]
        text = (
            f"Logits {logits[0]:.2f} for background and {logits[1]:.2f} for an object: probability "
            f"{score:.3f}. Deltas {_few(n['rpn_bbox'])} standard deviations."
        )
        return Step("rpn", text, n)

    def _proposal(self):
        count = len(self.of("proposals", "scores"))
        if self.candidate < 0 and not count:
            text = "The caller gave the ROIs: no anchor took part."
            return Step("proposals", text, {"candidate": -1})
        if self.candidate < 0:
            last = float(self.of("proposals", "scores")[-1]) if count else float("nan")
            text = (
                f"Not among the {count:,} best anchors, the last of which scores {last:.3f}: it "
                "goes no further."
            )
            return Step("proposals", text, {"candidate": -1, "last_score": last})
        names = (
            "scores",
            "pre_nms_anchors",
            "deltas",
            "refined_anchors",
            "refined_anchors_clipped",
        )
        n = {name: self.of("proposals", name)[self.candidate] for name in names}
        place = self._place(n["refined_anchors_clipped"])
        text = (
            f"Candidate {self.candidate} of {count:,} by score. Times the standard deviations its "
            f"deltas are {_few(n['deltas'])}: the box becomes {_px(place.molded)} in the molded "
            "image, clipped to it."
        )
        return Step("proposals", text, {"candidate": self.candidate, **n}, place)

    def _edited(self):
        """A ROI that is no longer the box that NMS kept; None where it is."""
        box = self.of("proposals", "rpn_rois")[self.roi]
        kept = self.of("proposals", "refined_anchors_clipped")[self.candidate]
        if np.array_equal(box, kept):
            return None
        place = self._place(box)
        text = f"The ROI was edited after this stage: it is {_px(place.molded)}."
        return Step("proposals (edited)", text, {"rpn_rois": box}, place)

    def _nms(self):
        limit = self.trace.config.post_nms_rois_inference
        threshold = self.trace.config.rpn_nms_threshold
        n = {
            name: self.of("proposals", f"nms.{name}")[self.candidate]
            for name in ("rank", "suppressed_by", "suppressed_iou", "reached")
        }
        n["victims"] = np.flatnonzero(self.of("proposals", "nms.suppressed_by") == self.candidate)
        if n["rank"] >= 0:
            text = f"Kept as ROI {n['rank']}; it suppressed {len(n['victims'])} candidates."
        elif n["suppressed_by"] >= 0:
            text = (
                f"Suppressed by candidate {n['suppressed_by']}: their IoU is "
                f"{n['suppressed_iou']:.3f}, above {threshold:g}."
            )
        else:
            text = f"Never reached: {limit:,} better boxes had been kept before it."
        return Step("nms", text, n)

    def _pooling(self, levels, crops, reordered, row):
        """Level, crop and reorder of one ROI, or of one detection for its mask."""
        n = {name: self.of(levels, name)[row] for name in getattr(self.trace, levels)._fields}
        level = int(n["roi_level"])
        side = "above" if n["margin"] >= 0 else "below"
        yield Step(
            levels,
            "sqrt({w:.4f} x {h:.4f}) is a side of {side:.1f} px; {octaves:+.3f} octaves from the "
            "canonical side make k = {exact_level:.3f}: it reads P{roi_level}, {} px {} the "
            "boundary at {boundary:.1f} px.".format(f"{abs(n['margin']):.1f}", side, **n),
            n,
        )
        found, index = getattr(self.trace, crops), level - LOWEST
        rows = np.asarray(found.ix[index])
        here = int(np.flatnonzero((rows == [self.image, row]).all(axis=1))[0])
        names = ("sample_y", "sample_x", "level_boxes", "pooled")
        c = {name: np.asarray(getattr(found, name)[index][here]) for name in names}
        y, x = c["sample_y"], c["sample_x"]
        yield Step(
            crops,
            f"Row {here} of P{level}'s crops: {len(y)} x {len(x)} samples over the cells "
            f"({y[0]:.2f}, {x[0]:.2f}) to ({y[-1]:.2f}, {x[-1]:.2f}) of "
            f"{self.maps[level][0]} x {self.maps[level][1]}.",
            {"level": level, "row": here, **c},
        )
        yield self._reorder(reordered, row)

    def _reorder(self, stage, row):
        result = getattr(self.trace, stage)
        stacked = np.asarray(result.box_to_level)
        at = int(np.flatnonzero((stacked[:, :2] == [self.image, row]).all(axis=1))[0])
        key, home = int(np.asarray(result.sorting_tensor)[at]), bool(self.of(stage, "home")[row])
        place = self.image * len(self.of(stage, "home")) + row
        n = {
            "stack_row": at,
            "sorting_tensor": key,
            "home": home,
            "final_order": int(np.asarray(result.final_order)[place]),
            "place": place,
        }
        arrived = "it comes home" if home else "another crop comes to its place"
        return Step(stage, f"Row {at} of the stack, sorting key {key:,}: {arrived}.", n)

    def _box_head(self):
        names = ("mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox")
        n = {name: self.of("box_head", name)[self.roi] for name in names}
        best = np.argsort(-n["mrcnn_class"], kind="stable")[:3]
        name = self.trace.config.class_name
        said = ", ".join(f"{name(int(k))} {n['mrcnn_class'][k]:.3f}" for k in best)
        return Step("box_head", f"Most probable: {said}.", {**n, "class_id": int(best[0])})

    def _detection(self):
        names = (
            *("class_ids", "class_scores", "deltas_specific", "refined_rois"),
            *("refined_rois_clipped", "is_foreground", "is_confident", "survives_nms", "kept"),
        )
        n = {name: self.of("detections", name)[self.roi] for name in names}
        n["suppressed_by"] = self.of("detections", "nms.suppressed_by")[self.roi]
        n["suppressed_iou"] = self.of("detections", "nms.suppressed_iou")[self.roi]
        n["fate"] = fates(self.trace, self.image)[self.roi]
        place = self._place(n["refined_rois_clipped"])
        text = (
            f"Deltas of {self.trace.config.class_name(int(n['class_ids']))} "
            f"{_few(n['deltas_specific'])} standard deviations make the box "
            f"{_px(place.original)} in the image as given. Fate: {n['fate']}."
        )
        return Step("detections", text, n, place)

    def _mask(self):
        rows = np.asarray(self.trace.mask_head.rows)
        computed = np.flatnonzero((rows == [self.image, self.detection]).all(axis=1))
        soft = self.of("mask_head", "class_mask")[self.detection]
        share = float((soft >= 0.5).mean())
        text = f"{soft.shape[0]} x {soft.shape[1]} probabilities, {share:.0%} of them 0.5 or more."
        yield Step("mask_head", text, {"row": int(computed[0]), "class_mask": soft})
        found = _row(self.trace.instances.detection[self.image], self.detection)
        if found < 0:
            yield Step("instances", "Its box has no area in whole pixels: left out.", {"row": -1})
            return
        box = self.trace.instances.rois[self.image][found]
        area = int(self.trace.instances.masks[self.image][..., found].sum())
        text = f"Instance {found}: box {_px(box)} and {area:,} pixels of the image as given."
        yield Step("instances", text, {"row": found, "rois": box, "area": area})


def _row(rows, value):
    """The first place of a value; -1: it is not there."""
    found = np.flatnonzero(np.asarray(rows) == value)
    return int(found[0]) if len(found) else -1


def _px(box):
    return "(" + ", ".join(f"{v:.0f}" for v in box) + ")"


def _few(values):
    return "(" + ", ".join(f"{v:+.2f}" for v in values) + ")"
