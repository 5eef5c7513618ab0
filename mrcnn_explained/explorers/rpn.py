"""Explore the RPN: scores as maps over the image, and deltas as arrows."""

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import GOOD, LEVEL_COLORS, QUIET
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, line, lines

MOST = 60  # anchors drawn with their arrows


class RpnExplorer(TraceExplorer):
    """Choose a level and a score; see where the RPN says object, and how it moves its anchors.

    Rows are anchors. `result` holds the rows above the score, best first. The view gets the best
    of the level whatever their score, and hides those below the slider itself.
    """

    cuts, fades = "score", "strength"

    def row_of(self, roi: int) -> int:
        """The anchor that a ROI began as."""
        p, one = self.trace.proposals, self.image
        candidates = np.asarray(p.post_nms_ix[one])
        row = int(candidates[roi]) if 0 <= roi < len(candidates) else -1
        return int(np.asarray(p.top_ix[one])[row]) if row >= 0 else -1

    def roi_of(self, row: int) -> int:
        """The ROI that an anchor became; -1: none."""
        p, one = self.trace.proposals, self.image
        candidate = np.flatnonzero(np.asarray(p.top_ix[one]) == row)
        return int(np.asarray(p.nms.rank[one])[candidate[0]]) if len(candidate) else -1

    def controls(self) -> Controls:
        return {
            "level": choice("level", [(f"P{k}", k) for k in LEVEL_COLORS], 4),
            "score": slider("score at least", 0.5, 0.0, 1.0),
            "strength": slider("map over image", 0.6, 0.0, 1.0),
        }

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """All anchors and where their deltas take them, pixels, once for all moves of a slider."""
        rpn, anchors = self.trace.rpn, self.trace.anchors
        deltas = np.asarray(rpn.rpn_bbox[self.image]) * self.config.rpn_bbox_std_dev
        before = tf.constant(np.asarray(anchors.boxes), tf.float32)
        after = apply_box_deltas(before, tf.constant(deltas, tf.float32))
        return to_pixels(before, self.pixels), to_pixels(after, self.pixels)

    def draw(self, level: int, score: float) -> dict[str, Any]:
        rpn, one = self.trace.rpn, self.image
        score_map = np.asarray(rpn.level_class[level - 2][one])[..., 1].max(axis=-1)
        every, scores = np.asarray(self.trace.anchors.level), np.asarray(rpn.rpn_class[one])[:, 1]
        rows = np.flatnonzero(every == level)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        self.result, shown = rows[scores[rows] >= score], rows[:MOST]
        before, after = (places[shown] for places in self.places)
        middle = [
            np.stack([(b[:, 1] + b[:, 3]) / 2, (b[:, 0] + b[:, 2]) / 2], 1) for b in (before, after)
        ]
        height, width = self.pixels.shape[:2]
        over = heat(score_map, [0, 0, width, height], fades=True)
        maps = image_panel(
            f"P{level}: the best score of each cell, dark 0, bright 1",
            self.pixels,
            images=[over],
        )
        moves = image_panel(
            "Anchors (grey), and where their deltas take them",
            self.pixels,
            boxes=[
                boxes(before, QUIET, width=0.7, dash=[2, 2], worth=scores[shown]),
                boxes(after, LEVEL_COLORS[level], shown, worth=scores[shown]),
            ],
            lines=[lines(np.concatenate(middle, 1), GOOD, arrow=True, worth=scores[shown])],
        )
        text = [
            line(
                f"P{k}: {np.sum((every == k) & (scores >= score)):,} of {np.sum(every == k):,} "
                f"anchors score {score:.2f} or more",
                LEVEL_COLORS[k],
            )
            for k in LEVEL_COLORS
        ]
        if len(self.result) > MOST:
            text.append(line(f"The best {MOST} of them are drawn."))
        tips = {int(i): f"anchor {i}: score {scores[i]:.3f}" for i in shown}
        return {"panels": [maps, moves], "text": text, "tips": tips}
