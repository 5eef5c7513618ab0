"""Explore the RPN: scores as maps over the image, and deltas as arrows."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    boxes_shown,
    hidden_line,
    level_choice,
    slider,
)
from mrcnn_explained.plots.palette import (
    BEFORE_DASH,
    GOOD,
    INK,
    LEVEL_COLORS,
    LEVEL_DASHES,
    QUIET,
)
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, line, lines

MOST = 60  # anchors of a level that can be drawn with their arrows


class RpnExplorer(TraceExplorer):
    """Choose a level and a score; see where the RPN finds objects, and how it moves its anchors.

    Click a box, or a cell of the map, whose best anchor it selects, to read what the RPN computed
    for that anchor.

    Rows are anchors. `result` holds the rows above the score, best first. The view gets the best
    anchors of the level whatever their score; in the browser the slider hides those below it.
    """

    threshold_control, opacity_control = "score", "strength"
    result: np.ndarray

    def row_of(self, roi: int) -> int:
        """Return the anchor that became an ROI."""
        p, one = self.trace.proposals, self.image
        candidates = np.asarray(p.post_nms_ix[one])
        candidate = int(candidates[roi]) if 0 <= roi < len(candidates) else -1
        return int(np.asarray(p.top_ix[one])[candidate]) if candidate >= 0 else -1

    def roi_of(self, row: int) -> int:
        """Return the ROI that an anchor became; -1: none."""
        p, one = self.trace.proposals, self.image
        candidates = np.flatnonzero(np.asarray(p.top_ix[one]) == row)
        return int(np.asarray(p.nms.rank[one])[candidates[0]]) if len(candidates) else -1

    def controls(self) -> Controls:
        return {
            "level": level_choice("level", 4),
            "shown": boxes_shown(MOST),
            "score": slider("score at least", 0.5, 0.0, 1.0),
            "strength": slider("opacity of the map", 0.6, 0.0, 1.0),
        }

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """All anchors before and after their deltas, in pixels; computed once for all moves."""
        rpn, anchors = self.trace.rpn, self.trace.anchors
        deltas = np.asarray(rpn.rpn_bbox[self.image]) * self.config.rpn_bbox_std_dev
        before = tf.constant(np.asarray(anchors.boxes), tf.float32)
        after = apply_box_deltas(before, tf.constant(deltas, tf.float32))
        return to_pixels(before, self.pixels), to_pixels(after, self.pixels)

    def draw(self, level: int, score: float, shown: int) -> Scene:
        levels = np.asarray(self.trace.anchors.level)
        scores = np.asarray(self.trace.rpn.rpn_class[self.image])[:, 1]
        rows = np.flatnonzero(levels == level)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        self.result, drawn = rows[scores[rows] >= score], rows[:shown]
        text = [*self._of_selected(), *self._counts(levels, scores, score)]
        reached = len(self.result)
        text.append(
            hidden_line(min(shown, reached), reached, f"anchors of P{level} with this score")
        )
        tips = {int(anchor): f"anchor {anchor}: score {scores[anchor]:.3f}" for anchor in drawn}
        panels = [self._score_map(level), self._moves(level, drawn, scores[drawn])]
        return {"panels": panels, "text": text, "tips": tips}

    def _score_map(self, level: int) -> Panel:
        """Return the image under a map of the best score of each cell, the chosen cell framed."""
        anchors, step = self.trace.anchors, self.config.rpn_anchor_stride
        scores = np.asarray(self.trace.rpn.level_class[level - 2][self.image])[..., 1]
        height, width = self.pixels.shape[:2]
        best = scores.max(axis=-1)
        over = heat(best, [0, 0, width, height], uses_opacity=True)
        rows, columns = best.shape
        frames, cursor = [], [width / 2, height / 2]
        if self.selected >= 0 and self.trace.anchors.level[self.selected] == level:
            y, x = (int(cell[self.selected]) // step for cell in (anchors.row, anchors.column))
            cell = np.multiply([y, x, y + 1, x + 1], [height / rows, width / columns] * 2)
            frames.append(boxes([cell], INK, width=2))
            cursor = [float(cell[1] + cell[3]) / 2, float(cell[0] + cell[2]) / 2]
        return image_panel(
            f"P{level}: the best score of each cell, dark 0, bright 1",
            self.pixels,
            key="map",
            clickable=True,
            cursor=cursor,
            step=[width / columns, height / rows],
            images=[over],
            boxes=frames,
        )

    def _moves(self, level: int, shown: np.ndarray, scores: np.ndarray) -> Panel:
        """Return anchors before and after their deltas, with arrows from centre to centre."""
        before, after = (boxes_px[shown] for boxes_px in self.places)
        arrows = np.concatenate([_centres(before), _centres(after)], axis=1)
        chosen = [self.selected] if self.selected >= 0 else []  # drawn whatever its score is
        color = LEVEL_COLORS[int(self.trace.anchors.level[chosen[0]]) if chosen else level]
        return image_panel(
            "Anchors (grey), and the same boxes after their deltas",
            self.pixels,
            boxes=[
                boxes(before, QUIET, scores=scores, width=0.7, dash=BEFORE_DASH),
                boxes(after, LEVEL_COLORS[level], shown, scores=scores, dash=LEVEL_DASHES[level]),
                boxes(self.places[0][chosen], QUIET, width=2, dash=BEFORE_DASH),
                boxes(self.places[1][chosen], color, chosen, width=3),
            ],
            lines=[lines(arrows, GOOD, scores=scores, arrow=True)],
        )

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Select the best anchor of the cell at a place on the map."""
        scores, level = self.trace.rpn.rpn_class, self.settings["level"].value
        rows, columns = np.asarray(self.trace.rpn.level_class[level - 2]).shape[1:3]
        height, width = self.pixels.shape[:2]
        step, a = self.config.rpn_anchor_stride, self.trace.anchors
        row = min(int(y / height * rows), rows - 1) * step
        column = min(int(x / width * columns), columns - 1) * step
        here = np.flatnonzero(
            (np.asarray(a.level) == level)
            & (np.asarray(a.row) == row)
            & (np.asarray(a.column) == column)
        )
        best = here[np.argmax(np.asarray(scores[self.image])[here, 1])]
        self.view.selected = int(best)

    @property
    def selected(self) -> int:
        """The selected anchor; -1: none."""
        return self.view.selected if self.view.selected < len(self.places[0]) else -1

    def _of_selected(self) -> list[TextLine]:
        """Return what the RPN computed for the selected anchor, step by step."""
        row, rpn, a = self.selected, self.trace.rpn, self.trace.anchors
        if row < 0:
            return [line("Click a box, or a cell of the map, to read its anchor's numbers.")]
        level = int(a.level[row])
        background, object_logit = (
            float(v) for v in np.asarray(rpn.rpn_class_logits[self.image])[row]
        )
        score = float(np.asarray(rpn.rpn_class[self.image])[row, 1])
        deltas = np.asarray(rpn.rpn_bbox[self.image])[row] * self.config.rpn_bbox_std_dev
        dy, dx, dh, dw = (float(v) for v in deltas)
        before, after = (boxes_px[row] for boxes_px in self.places)
        words = (
            f"Anchor {row} on P{level}, cell ({int(a.row[row])}, {int(a.column[row])}): logits "
            f"{background:.2f} (background) and {object_logit:.2f} (object), so a score of "
            f"{score:.3f}"
        )
        moved = (
            f"Deltas dy {dy:+.3f}, dx {dx:+.3f} (of its height and width), dh {dh:+.3f}, "
            f"dw {dw:+.3f}: height x exp(dh) = x {np.exp(dh):.2f}, width x {np.exp(dw):.2f}"
        )
        color = LEVEL_COLORS[level]
        return [
            line(words, color),
            line(moved, color),
            line(f"Box y1, x1, y2, x2: {_numbers(before)} becomes {_numbers(after)} px.", color),
            line(self._fate_of(row), color),
        ]

    def _counts(self, levels: np.ndarray, scores: np.ndarray, score: float) -> list[TextLine]:
        """Return for each level how many of its anchors reach the score."""
        text = []
        for k, color in LEVEL_COLORS.items():
            of_level = levels == k
            reached = int(np.sum(of_level & (scores >= score)))
            words = f"P{k}: {reached:,} of {of_level.sum():,} anchors score {score:.2f} or more"
            text.append(line(words, color))
        return text

    def _fate_of(self, anchor: int) -> str:
        """Return what the proposals of the run made of an anchor."""
        p, one = self.trace.proposals, self.image
        top = np.asarray(p.top_ix[one])
        if not len(top):
            return "The ROIs of this run were passed by the caller, so no anchor became one."
        found = np.flatnonzero(top == anchor)
        if not len(found):
            return f"It is not among the {len(top):,} candidates of highest score."
        candidate = int(found[0])
        rank, by = (int(np.asarray(x[one])[candidate]) for x in (p.nms.rank, p.nms.suppressed_by))
        if rank >= 0:
            return f"As candidate {candidate} it became ROI {rank}."
        if by < 0:
            return f"Candidate {candidate} was never reached: NMS had kept enough before it."
        overlap = float(np.asarray(p.nms.suppressed_iou[one])[candidate])
        return f"Candidate {by} suppressed it, candidate {candidate}, at IoU {overlap:.2f}."


def _numbers(box: np.ndarray) -> str:
    """Return a box as text."""
    return "(" + ", ".join(f"{value:.1f}" for value in box) + ")"


def _centres(boxes_px: np.ndarray) -> np.ndarray:
    """Return the centres (x, y) of boxes [n, 4]."""
    y1, x1, y2, x2 = boxes_px.T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2], axis=1)
