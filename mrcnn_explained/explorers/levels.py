"""Explore level assignment: every ROI falls from equation 1 onto a step of the pyramid."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.explorers.scene import (
    boxes,
    label,
    line,
    lines,
    panel,
    picture_panel,
    points,
)
from mrcnn_explained.plots.style import LEVEL_COLORS, QUIET, pixels
from mrcnn_explained.stages.levels import (
    HIGHEST,
    LOWEST,
    LevelAssignment,
    assign_levels,
    level_boundaries,
)

LEVELS = range(LOWEST, HIGHEST + 1)
FOOT = 0.8  # below level 0, for the numbers of the axis
LEFT, RIGHT = 3.0, 11.0  # log2 of the sides that the chart shows: 8 to 2048 pixels


class LevelsExplorer(TraceExplorer):
    """Draw a box on the picture and watch its numbers fall onto a level.

    All ROIs of the run in the colours of their levels, on the picture and on the equation; a
    box that is drawn takes part as one more ROI. `result` is a LevelAssignment of the ROIs,
    and of the drawn box as its last row.
    """

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        return {
            "rounding": choice("rounding", ["round", "floor"], trace.config.level_rounding),
            "canonical_side": slider("canonical side, px", 224, 56, 896, 8),
            "shown": slider("ROIs drawn", 60, 0, len(trace.proposals.rpn_rois[image]), 1),
        }

    def draw(self, rounding: str, canonical_side: int, shown: int) -> dict[str, Any]:
        height, width = self.picture.shape[:2]
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image], np.float32)
        if self.view.drawn:
            own = norm_boxes(tf.constant([self.view.drawn], tf.float32), [height, width])
            rois = np.concatenate([rois, own.numpy()])
        setting = {"rounding": rounding, "canonical_side": float(canonical_side)}
        found = assign_levels(
            tf.constant(rois[None]), tf.constant([height, width], tf.float32), **setting
        )
        # As arrays: a tensor's elements, one by one for the tips, cost ten times the stage.
        r = self.result = LevelAssignment(*(x.numpy() for x in found))
        level, side, exact = r.roi_level[0], r.side[0], r.exact_level[0]
        real = np.flatnonzero(side > 0)
        drawn = real[:shown] if not self.view.drawn else [*real[:shown], len(rois) - 1]
        drawn = sorted(dict.fromkeys(drawn), key=lambda i: -side[i])
        colors = [LEVEL_COLORS[k] for k in level[drawn]]
        edges = level_boundaries(**setting)

        on_picture = picture_panel(
            "Drag to draw a box", self.picture, draws=True,
            boxes=[boxes(pixels(rois[drawn], self.picture), colors, drawn)],
        )  # fmt: skip
        x = np.clip(np.log2(np.maximum(side, 1)), LEFT, RIGHT)
        steps = [LEFT, *np.log2(edges), RIGHT]
        # In the chart the level grows upwards, so it is turned over.
        up = np.maximum(exact, 0.3)
        chart = panel(
            "k = 4 + log2(side / canonical side), and the step that it falls to",
            (LEFT - 0.6, -6.2, RIGHT + 0.2, FOOT), width=520, height=400,
            lines=[
                *(lines([[a, -k, b, -k]], LEVEL_COLORS[k], width=7, alpha=0.35)
                  for k, a, b in zip(LEVELS, steps[:-1], steps[1:], strict=True)),
                lines([[LEFT, -4 - LEFT + np.log2(canonical_side),
                        RIGHT, -4 - RIGHT + np.log2(canonical_side)]], QUIET),
                *(lines(np.stack([x[here], -up[here], x[here], -level[here]], 1),
                        LEVEL_COLORS[k], alpha=0.5)
                  for k in LEVELS for here in [real[level[real] == k]]),
            ],
            points=[points(np.stack([x[real], -up[real]], 1),
                           [LEVEL_COLORS[k] for k in level[real]], real, radius=3, halo=True)],
            labels=[
                *(label(f"P{k}", LEFT - 0.5, -k, color=LEVEL_COLORS[k], bold=True) for k in LEVELS),
                *(label(f"{e:.0f}", np.log2(e), FOOT - 0.2, align="center") for e in edges),
                label("side of the ROI, px", LEFT - 0.5, FOOT - 0.2, size=11),
            ],
        )  # fmt: skip
        tips = {int(i): self._tip(i, r) for i in real}
        return {"panels": [on_picture, chart], "text": self._text(level[real], r), "tips": tips}

    def _tip(self, row, r):
        return (
            f"ROI {row}: side {r.side[0, row]:.1f} px, k = {r.exact_level[0, row]:.2f}, "
            f"reads P{r.roi_level[0, row]}"
        )

    def _text(self, level, r):
        counts = [line(f"P{k}: {np.sum(level == k)} ROIs", LEVEL_COLORS[k]) for k in LEVELS]
        row = self.view.selected if not self.view.drawn else len(r.side[0]) - 1
        if not 0 <= row < len(r.side[0]):
            return [*counts, line("Click a ROI, or draw a box, for its numbers.")]
        k, margin = int(r.roi_level[0, row]), float(r.margin[0, row])
        name = "Your box" if self.view.drawn else f"ROI {row}"
        sides = "above" if margin >= 0 else "below"
        return [*counts, line(
            f"{name}: sqrt({r.w[0, row]:.4f} x {r.h[0, row]:.4f}) is a side of "
            f"{r.side[0, row]:.1f} px; log2 of its share of the canonical side is "
            f"{r.octaves[0, row]:.3f}, rounded {r.rounded_octaves[0, row]:.0f}: P{k}. "
            f"It is {abs(margin):.1f} px {sides} the boundary at {r.boundary[0, row]:.1f} px.",
            LEVEL_COLORS[k],
        )]  # fmt: skip
