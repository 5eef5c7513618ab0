"""Explore proposals: top-k and NMS with other settings, one kept box after the other."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import iou
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explorers.candidates import Candidates
from mrcnn_explained.explorers.explorer import (
    Controls,
    Selection,
    TraceExplorer,
    boxes_shown,
    image_of,
    in_graph_mode,
    slider,
)
from mrcnn_explained.explorers.objects import Boxes, objects_of
from mrcnn_explained.explorers.stepping import Stepping
from mrcnn_explained.plots.palette import (
    GOOD,
    INK,
    LOST,
    LOST_DASH,
    NEVER_DASH,
    QUIET,
    TRUTH_DASH,
    WRONG,
)
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import BoxLayer, Label, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, panel, points
from mrcnn_explained.stages.proposals import Proposals, propose

MOST_DRAWN = 60
COVERED = 0.5  # IoU with a kept box from which an object counts as covered
WIDE = 520  # CSS pixels of the panel of fates

propose_again = in_graph_mode(propose)  # seven times faster, with 6000 candidates


class ProposalsExplorer(Stepping, TraceExplorer):
    """Move the NMS threshold and the top-k, and go through NMS one kept box after the other.

    objects    boxes in pixels of the molded image that should be covered; none: the detections
               of the run

    Click a box or a dot to see which box suppressed it, or which ones it suppressed. Rows are
    candidates, by score. `result` is a Proposals of this image alone; `covered` is the best IoU
    of each object with a kept box.
    """

    result: Proposals
    covered: np.ndarray

    def __init__(
        self,
        trace: Trace,
        *,
        image: int = 0,
        selection: Selection | None = None,
        objects: Boxes | None = None,
    ):
        image_of(trace, image)  # refuses a wrong number
        self.objects = objects_of(trace, image, objects)
        super().__init__(trace, image=image, selection=selection)

    def row_of(self, roi: int) -> int:
        """Return the candidate that became an ROI in the model's own run."""
        rows = np.asarray(self.trace.proposals.post_nms_ix[self.image])
        return int(rows[roi]) if 0 <= roi < len(rows) else -1

    def roi_of(self, row: int) -> int:
        """Return the ROI that a candidate became in the model's own run; -1: none."""
        rank = np.asarray(self.trace.proposals.nms.rank[self.image])
        return int(rank[row]) if 0 <= row < len(rank) else -1

    def controls(self) -> Controls:
        c, anchors = self.config, len(self.trace.anchors.boxes)
        limit, most = min(c.pre_nms_limit, anchors), min(6000, anchors)
        return {
            "nms_threshold": slider("NMS: IoU at most", float(c.rpn_nms_threshold), 0.05, 0.99),
            "pre_nms_limit": slider("top-k before NMS", limit, 1, max(limit, most), 1),
            "count": slider("ROIs at most", c.post_nms_rois_inference, 1, 2000, 1),
            "step": slider("NMS step, 0: all", 0, 0, c.post_nms_rois_inference, 1),
            "drawn": boxes_shown(MOST_DRAWN),
        }

    @cached_property
    def inputs(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The inputs of the stage for this image, read once for all moves of a slider."""
        rpn = self.trace.rpn
        return (
            tf.constant(self.of_image(rpn.rpn_class)),
            tf.constant(self.of_image(rpn.rpn_bbox)),
            tf.constant(np.asarray(self.trace.anchors.boxes)),
        )

    def draw(
        self, nms_threshold: float, pre_nms_limit: int, count: int, step: int, drawn: int
    ) -> Scene:
        p = self.result = propose_again(
            *self.inputs,
            count=count,
            pre_nms_limit=pre_nms_limit,
            nms_threshold=tf.constant(nms_threshold, tf.float32),
            std_dev=self.config.rpn_bbox_std_dev,
        )
        candidates = Candidates(
            place=to_pixels(p.refined_anchors_clipped.numpy()[0], self.pixels),
            scores=p.scores.numpy()[0],
            rank=p.nms.rank.numpy()[0],
            suppressed_by=p.nms.suppressed_by.numpy()[0],
            suppressed_iou=p.nms.suppressed_iou.numpy()[0],
        )
        step = self._limit_steps(step, len(candidates.kept))
        shown = candidates.after(step) if step else candidates
        overlaps = iou(tf.constant(self.objects.boxes), tf.constant(shown.place[shown.kept]))
        self.covered = overlaps.numpy().max(axis=1, initial=0)
        selected = self.view.selected if self.view.selected < len(candidates.rank) else -1
        if step:
            head = int(shown.kept[-1])
            title = f"Step {step}: candidate {head} is kept, and what it suppresses"
            layers = _around(head, selected, shown)
        elif selected >= 0:
            title = f"Candidate {selected}, and the boxes that had to do with it"
            layers = _around(candidates.head_of(selected), selected, candidates)
        else:
            some = min(drawn, len(candidates.kept))
            title = f"The best {some} of {len(candidates.kept)} kept boxes; dots: centres of all"
            layers = [boxes(shown.place[shown.kept[:drawn]], GOOD, shown.kept[:drawn])]
        on_image = image_panel(
            title,
            self.pixels,
            width=480,
            boxes=[*self._object_boxes(), *layers],
            points=[points(_centres(shown.place[shown.kept]), GOOD, shown.kept, radius=2)],
            labels=self._object_labels(),
        )
        text = [self._coverage(), *_counts(shown, step, candidates, nms_threshold)]
        text.append(line(_fate_of(selected, candidates, count)))
        panels = [on_image, _fates_panel(shown, step)]
        return {"panels": panels, "text": text, "tips": dict(enumerate(candidates.tips()))}

    def _limit_steps(self, step: int, kept: int) -> int:
        """Let the slider of steps end at the last kept box; return the step that is shown."""
        with self.not_drawn():
            self.settings["step"].max = max(kept, 1)
        return min(step, kept)

    def _object_boxes(self) -> list[BoxLayer]:
        """Return the objects, dashed; those that no kept box covers in another colour."""
        colors = [INK if most >= COVERED else WRONG for most in self.covered]
        return [boxes(self.objects.boxes, colors, dash=TRUTH_DASH, width=2)]

    def _object_labels(self) -> list[Label]:
        """Return the names of the objects that no kept box covers."""
        places = zip(self.objects.boxes, self.objects.names, self.covered, strict=True)
        return [
            label(
                f"{name}: not covered",
                box[1],
                box[0],
                box_bottom=float(box[2]),
                background=WRONG,
                size=11,
                avoids_labels=True,
            )
            for box, name, most in places
            if most < COVERED
        ]

    def _coverage(self) -> TextLine:
        """Return how many objects the kept boxes cover."""
        number = int((self.covered >= COVERED).sum())
        total, source = len(self.covered), self.objects.source
        if not total:
            return line(f"No objects are drawn: {source} are none.", QUIET)
        words = f"Objects (dashed; {source}) covered: {number} of {total}"
        return line(
            f"{words}, with an IoU of {COVERED} or more with a kept box",
            INK if number == total else WRONG,
        )


def _around(head: int, selected: int, candidates: Candidates) -> list[BoxLayer]:
    """Return a box, all that it suppressed, and the selected one, each drawn by its fate."""
    lost = candidates.suppressed_by_row(head)
    if selected >= 0 and candidates.suppressed_by[selected] >= 0:
        lost = np.union1d(lost, [selected])
    layers = [boxes(candidates.place[lost], LOST, lost, dash=LOST_DASH)]
    for row in {head, selected} - {-1, *lost.tolist()}:
        is_kept = candidates.rank[row] >= 0
        color, dash = (GOOD, []) if is_kept else (QUIET, NEVER_DASH)
        width = 3 if row == head else 1.5
        layers.append(boxes(candidates.place[[row]], color, [row], width=width, dash=dash))
    return layers


def _counts(
    shown: Candidates, step: int, all_steps: Candidates, threshold: float
) -> list[TextLine]:
    """Return how many candidates are kept, suppressed and not reached, and what a step did."""
    total, kept, waiting = len(shown.rank), len(shown.kept), len(shown.unreached)
    text = [
        line(f"{kept} of {total} candidates kept", GOOD),
        line(f"{len(shown.suppressed)} suppressed", LOST),
        line(f"{waiting} {'not reached yet' if step else 'never reached'}", QUIET),
    ]
    if step:
        head = int(shown.kept[-1])
        number = len(shown.suppressed_by_row(head))
        what = (
            f"Step {step} of {len(all_steps.kept)}: of those left, candidate {head} has the "
            f"highest score, {shown.scores[head]:.3f}. It is kept as ROI {step - 1}; {number} "
            f"others have an IoU above {threshold:.2f} with it and are suppressed."
        )
        text.insert(0, line(what, GOOD))
    return text


def _fates_panel(candidates: Candidates, step: int) -> Panel:
    """Return every candidate as a dot, in a lane for its fate."""
    lanes = [
        (candidates.kept, GOOD, "kept"),
        (candidates.suppressed, LOST, "suppressed"),
        (candidates.unreached, QUIET, "not reached yet" if step else "never reached"),
    ]
    dots, names = [], []
    for lane, (rows, color, fate) in enumerate(lanes):
        places = np.stack([rows, np.full(len(rows), lane)], axis=1)
        dots.append(points(places, color, rows, radius=2.5))
        names.append(label(f"{len(rows)} {fate}", 0, lane - 0.4, color="ink", size=11))
    number = len(candidates.rank)
    return panel(
        "The fate of every candidate; the best score is on the left",
        (-0.02 * number, -0.7, 1.02 * number, 2.5),
        width=WIDE,
        height=160,
        points=dots,
        labels=names,
    )


def _fate_of(selected: int, candidates: Candidates, count: int) -> str:
    """Describe what became of the selected candidate."""
    if selected < 0:
        return "Click a box, or a dot, to see which box suppressed which."
    scores, suppressor = candidates.scores, candidates.suppressed_by[selected]
    name = f"Candidate {selected} (score {scores[selected]:.3f})"
    if suppressor >= 0:
        return (
            f"{name} was suppressed by candidate {suppressor} (score {scores[suppressor]:.3f}) "
            f"at IoU {candidates.suppressed_iou[selected]:.3f}"
        )
    rank = candidates.rank[selected]
    if rank >= 0:
        number = len(candidates.suppressed_by_row(selected))
        return f"{name} is ROI {rank} and suppressed {number} candidates"
    return f"{name} was never reached: NMS had kept {count} candidates before it"


def _centres(place: np.ndarray) -> np.ndarray:
    """Return the centres (x, y) of boxes [n, 4]."""
    y1, x1, y2, x2 = place.T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2], axis=1)
