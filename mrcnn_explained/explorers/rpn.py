"""Explore the RPN: scores as maps over the image, and deltas as arrows."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, level_choice, slider
from mrcnn_explained.plots.palette import BEFORE_DASH, GOOD, LEVEL_COLORS, QUIET
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, line, lines

MOST = 60  # anchors drawn with their arrows


class RpnExplorer(TraceExplorer):
    """Choose a level and a score; see where the RPN finds objects, and how it moves its anchors.

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

    def draw(self, level: int, score: float) -> Scene:
        levels = np.asarray(self.trace.anchors.level)
        scores = np.asarray(self.trace.rpn.rpn_class[self.image])[:, 1]
        rows = np.flatnonzero(levels == level)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        self.result, shown = rows[scores[rows] >= score], rows[:MOST]
        text = self._counts(levels, scores, score)
        if len(self.result) > MOST:
            text.append(line(f"The best {MOST} of them are drawn."))
        tips = {int(anchor): f"anchor {anchor}: score {scores[anchor]:.3f}" for anchor in shown}
        panels = [self._score_map(level), self._moves(level, shown, scores[shown])]
        return {"panels": panels, "text": text, "tips": tips}

    def _score_map(self, level: int) -> Panel:
        """Return the image under a map of the best score of each cell."""
        scores = np.asarray(self.trace.rpn.level_class[level - 2][self.image])[..., 1]
        height, width = self.pixels.shape[:2]
        over = heat(scores.max(axis=-1), [0, 0, width, height], uses_opacity=True)
        title = f"P{level}: the best score of each cell, dark 0, bright 1"
        return image_panel(title, self.pixels, images=[over])

    def _moves(self, level: int, shown: np.ndarray, scores: np.ndarray) -> Panel:
        """Return anchors before and after their deltas, with arrows from centre to centre."""
        before, after = (boxes_px[shown] for boxes_px in self.places)
        arrows = np.concatenate([_centres(before), _centres(after)], axis=1)
        return image_panel(
            "Anchors (grey), and the same boxes after their deltas",
            self.pixels,
            boxes=[
                boxes(before, QUIET, scores=scores, width=0.7, dash=BEFORE_DASH),
                boxes(after, LEVEL_COLORS[level], shown, scores=scores),
            ],
            lines=[lines(arrows, GOOD, scores=scores, arrow=True)],
        )

    def _counts(self, levels: np.ndarray, scores: np.ndarray, score: float) -> list[TextLine]:
        """Return for each level how many of its anchors reach the score."""
        text = []
        for k, color in LEVEL_COLORS.items():
            of_level = levels == k
            reached = int(np.sum(of_level & (scores >= score)))
            words = f"P{k}: {reached:,} of {of_level.sum():,} anchors score {score:.2f} or more"
            text.append(line(words, color))
        return text


def _centres(boxes_px: np.ndarray) -> np.ndarray:
    """Return the centres (x, y) of boxes [n, 4]."""
    y1, x1, y2, x2 = boxes_px.T
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2], axis=1)
