"""Explore proposals: top-k and NMS with other settings, and which box suppressed which."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, in_graph_mode, slider
from mrcnn_explained.plots.palette import GOOD, LOST, LOST_DASH, QUIET
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import BoxLayer, Panel, Scene
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, panel, points
from mrcnn_explained.stages.proposals import Proposals, propose

DRAWN = 40  # boxes of each kind: more of them hide each other
WIDE = 520  # CSS pixels of the panel of fates

propose_again = in_graph_mode(propose)  # seven times faster, with 6000 candidates


class _Candidates(NamedTuple):
    """The candidates of one image as arrays; rows are candidates, by score."""

    scores: np.ndarray
    rank: np.ndarray  # -1: not kept
    suppressed_by: np.ndarray  # -1: by none
    suppressed_iou: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        return np.flatnonzero(self.rank >= 0)

    @property
    def suppressed(self) -> np.ndarray:
        return np.flatnonzero(self.suppressed_by >= 0)

    @property
    def unreached(self) -> np.ndarray:
        """The candidates that NMS did not reach before it had kept enough."""
        return np.flatnonzero((self.rank < 0) & (self.suppressed_by < 0))

    def suppressed_by_row(self, row: int) -> np.ndarray:
        return np.flatnonzero(self.suppressed_by == row)


class ProposalsExplorer(TraceExplorer):
    """Move the NMS threshold and the top-k; click a box to see what suppressed it, or what it did.

    Rows are candidates, by score. `result` is a Proposals of this image alone.
    """

    result: Proposals

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

    def draw(self, nms_threshold: float, pre_nms_limit: int, count: int) -> Scene:
        p = self.result = propose_again(
            *self.inputs,
            count=count,
            pre_nms_limit=pre_nms_limit,
            nms_threshold=tf.constant(nms_threshold, tf.float32),
            std_dev=self.config.rpn_bbox_std_dev,
        )
        candidates = _Candidates(
            scores=p.scores.numpy()[0],
            rank=p.nms.rank.numpy()[0],
            suppressed_by=p.nms.suppressed_by.numpy()[0],
            suppressed_iou=p.nms.suppressed_iou.numpy()[0],
        )
        place = to_pixels(p.refined_anchors_clipped.numpy()[0], self.pixels)
        selected = self.view.selected if self.view.selected < len(candidates.rank) else -1
        kept, suppressed = candidates.kept, candidates.suppressed
        near = {*kept[:DRAWN], *suppressed[:DRAWN]}
        if selected >= 0:
            title = "One kept box and what it suppressed"
            layers = _around(selected, candidates, place)
            near.update(candidates.suppressed_by_row(selected))
        else:
            title = f"The first {DRAWN} kept and suppressed"
            layers = _first(candidates, place)
        text = [
            line(f"{len(kept)} of {len(candidates.rank)} candidates kept", GOOD),
            line(f"{len(suppressed)} suppressed", LOST),
            line(f"{len(candidates.unreached)} never reached", QUIET),
            line(_fate_of(selected, candidates, count)),
        ]
        tips = {int(i): f"candidate {i}, score {candidates.scores[i]:.3f}" for i in sorted(near)}
        on_image = image_panel(title, self.pixels, boxes=layers)
        return {"panels": [on_image, _fates_panel(candidates)], "text": text, "tips": tips}


def _first(candidates: _Candidates, place: np.ndarray) -> list[BoxLayer]:
    """Return the first suppressed and the first kept boxes."""
    suppressed, kept = candidates.suppressed[:DRAWN], candidates.kept[:DRAWN]
    return [
        boxes(place[suppressed], LOST, suppressed, dash=LOST_DASH, width=0.8),
        boxes(place[kept], GOOD, kept),
    ]


def _around(selected: int, candidates: _Candidates, place: np.ndarray) -> list[BoxLayer]:
    """Return the selected box, or the one that suppressed it, and all that this one suppressed."""
    suppressor = int(candidates.suppressed_by[selected])
    head = suppressor if suppressor >= 0 else selected
    lost = candidates.suppressed_by_row(head)[:DRAWN]
    return [
        boxes(place[lost], LOST, lost, dash=LOST_DASH),
        boxes(place[[head]], GOOD, [head], width=3),
    ]


def _fates_panel(candidates: _Candidates) -> Panel:
    """Return every candidate as a dot, in a lane for its fate."""
    lanes = [
        (candidates.kept, GOOD, "kept"),
        (candidates.suppressed, LOST, "suppressed"),
        (candidates.unreached, QUIET, "never reached"),
    ]
    dots, names = [], []
    for lane, (rows, color, fate) in enumerate(lanes):
        places = np.stack([rows, np.full(len(rows), lane)], axis=1)
        dots.append(points(places, color, rows, radius=2.5))
        names.append(label(f"{len(rows)} {fate}", 0, lane - 0.4, color=color, size=11))
    number = len(candidates.rank)
    return panel(
        "The fate of every candidate; the best score is on the left",
        (-0.02 * number, -0.7, 1.02 * number, 2.5),
        width=WIDE,
        height=140,
        points=dots,
        labels=names,
    )


def _fate_of(selected: int, candidates: _Candidates, count: int) -> str:
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
