"""Explore level assignment: every ROI falls from equation 1 onto a step of the pyramid."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider, typed
from mrcnn_explained.inputs import read_box
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import boxes, image_panel, line
from mrcnn_explained.stages.levels import (
    ROI_LEVELS,
    LevelAssignment,
    assign_levels,
    level_boundaries,
)


class LevelsExplorer(TraceExplorer):
    """Draw or type a box and watch its numbers fall onto a level.

    All ROIs of the run in the colours of their levels, on the image and on the equation; a
    box of the reader's takes part as one more ROI. `result` is a LevelAssignment of the ROIs,
    and of that box as its last row.
    """

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        box = typed("a box, px", "y1, x1, y2, x2")
        box.observe(lambda _: self._choose_own(), "value")
        return {
            "rounding": choice("rounding", ["round", "floor"], trace.config.level_rounding),
            "canonical_side": slider("canonical side, px", 224, 56, 896, 8),
            "shown": slider("ROIs drawn", 60, 0, len(trace.proposals.rpn_rois[image]), 1),
            "box": box,
        }

    def box_drawn(self, box: list[float]) -> None:
        """A box that is drawn is written where one can be typed."""
        if box[2] > box[0] and box[3] > box[1]:  # not yet, while it is begun
            self.settings["box"].value = ", ".join(f"{v:g}" for v in box)

    def roi_of(self, row: int) -> int:
        """-1 for the reader's own box, which is the row behind the ROIs."""
        return row if row < self._number() else -1

    def _number(self):
        return len(self.trace.proposals.rpn_rois[self.image])

    def _choose_own(self):
        """A new box is the one to tell of."""
        self.view.selected = self._number() if self.settings["box"].value else -1

    def draw(self, rounding: str, canonical_side: int, shown: int, box: str) -> dict[str, Any]:
        height, width = self.pixels.shape[:2]
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image], np.float32)
        own, wrong = _own(box)
        if own:
            own = norm_boxes(tf.constant([own], tf.float32), [height, width])
            rois = np.concatenate([rois, own.numpy()])
        setting = {"rounding": rounding, "canonical_side": float(canonical_side)}
        found = assign_levels(
            tf.constant(rois[None]), tf.constant([height, width], tf.float32), **setting
        )
        # As arrays: a tensor's elements, one by one for the tips, cost ten times the stage.
        r = self.result = LevelAssignment(*(x.numpy() for x in found))
        level, side, exact = r.roi_level[0], r.side[0], r.exact_level[0]
        real = np.flatnonzero(side > 0)
        drawn = [*real[:shown], *range(self._number(), len(rois))]
        drawn = sorted(dict.fromkeys(drawn), key=lambda i: -side[i])
        colors = [LEVEL_COLORS[k] for k in level[drawn]]
        edges = level_boundaries(**setting)

        on_image = image_panel(
            "Drag to draw a box",
            self.pixels,
            draws=True,
            boxes=[boxes(to_pixels(rois[drawn], self.pixels), colors, drawn)],
        )
        chart = level_chart(side, exact, level, real, edges, canonical_side=canonical_side)
        tips = {int(i): self._tip(i, r) for i in real}
        text = self._text(level[real], r) + ([line(wrong, BAD)] if wrong else [])
        return {"panels": [on_image, chart], "text": text, "tips": tips}

    def _tip(self, row, r):
        return (
            f"ROI {row}: side {r.side[0, row]:.1f} px, k = {r.exact_level[0, row]:.2f}, "
            f"reads P{r.roi_level[0, row]}"
        )

    def _text(self, level, r):
        counts = [line(f"P{k}: {np.sum(level == k)} ROIs", LEVEL_COLORS[k]) for k in ROI_LEVELS]
        row = self.view.selected
        if not 0 <= row < len(r.side[0]):
            return [*counts, line("Click a ROI, or draw or type a box, for its numbers.")]
        k, margin = int(r.roi_level[0, row]), float(r.margin[0, row])
        name = f"ROI {row}" if row < self._number() else "Your box"
        sides = "above" if margin >= 0 else "below"
        return [
            *counts,
            line(
                f"{name}: sqrt({r.w[0, row]:.4f} x {r.h[0, row]:.4f}) is a side of "
                f"{r.side[0, row]:.1f} px; log2 of its share of the canonical side is "
                f"{r.octaves[0, row]:.3f}, rounded {r.rounded_octaves[0, row]:.0f}: P{k}. "
                f"It is {abs(margin):.1f} px {sides} the boundary at {r.boundary[0, row]:.1f} px.",
                LEVEL_COLORS[k],
            ),
        ]


def _own(text):
    """The box that was typed or drawn, and what is wrong with it."""
    try:
        return (read_box(text, "the box"), "") if text.strip() else (None, "")
    except InputError as error:
        return None, str(error)
