"""Explore level assignment: the level equation for every ROI and for a box of the reader's."""

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    choice,
    slider,
    text_field,
)
from mrcnn_explained.inputs import read_box
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import boxes, image_panel, line
from mrcnn_explained.stages.levels import (
    ROI_LEVELS,
    LevelAssignment,
    Rounding,
    assign_levels,
    level_boundaries,
)


class LevelsExplorer(TraceExplorer):
    """Draw or type a box and see which level it reads, and why.

    All ROIs of the run have the colours of their levels, on the image and on the chart of the
    equation; a box of the reader's is one more ROI. `result` is a LevelAssignment of the ROIs,
    and of that box as its last row.
    """

    result: LevelAssignment

    def controls(self) -> Controls:
        box = text_field("a box, px", "y1, x1, y2, x2")
        box.observe(lambda _: self._select_own(), "value")
        return {
            "rounding": choice("rounding", ["round", "floor"], self.config.level_rounding),
            "canonical_side": slider("canonical side, px", 224, 56, 896, 8),
            "shown": slider("ROIs drawn", min(60, self._number()), 0, self._number(), 1),
            "box": box,
        }

    def box_drawn(self, box: list[float]) -> None:
        """Write a box that is drawn into the field where one can be typed."""
        y1, x1, y2, x2 = box
        if y2 > y1 and x2 > x1:  # a box that has just begun has no area
            self.settings["box"].value = ", ".join(f"{v:g}" for v in box)

    def roi_of(self, row: int) -> int:
        """Return the row itself; -1 for the reader's own box, the row after the ROIs."""
        return row if row < self._number() else -1

    def _number(self) -> int:
        return len(self.trace.proposals.rpn_rois[self.image])

    def _select_own(self) -> None:
        """Select a new box, so that the text describes it."""
        self.view.selected = self._number() if self.settings["box"].value else -1

    def draw(self, rounding: Rounding, canonical_side: int, shown: int, box: str) -> Scene:
        height, width = self.pixels.shape[:2]
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image], np.float32)
        own, wrong = _read_own(box)
        if own:
            normalised = norm_boxes(tf.constant([own], tf.float32), [height, width])
            rois = np.concatenate([rois, normalised.numpy()])
        found = assign_levels(
            tf.constant(rois[None]),
            tf.constant([height, width], tf.float32),
            rounding=rounding,
            canonical_side=float(canonical_side),
        )
        # Arrays, because reading the elements of tensors for the tips takes ten times longer.
        self.result = LevelAssignment(*(tensor.numpy() for tensor in found))
        level, side = self.result.roi_level[0], self.result.side[0]
        real = np.flatnonzero(side > 0)
        chart = level_chart(
            side,
            self.result.exact_level[0],
            level,
            real,
            level_boundaries(rounding=rounding, canonical_side=float(canonical_side)),
            canonical_side=canonical_side,
        )
        text = self._text(level[real])
        if wrong:
            text.append(line(wrong, BAD))
        drawn = [*real[:shown], *range(self._number(), len(rois))]
        tips = {int(row): self._tip(int(row)) for row in real}
        return {"panels": [self._on_image(rois, drawn), chart], "text": text, "tips": tips}

    def _on_image(self, rois: np.ndarray, drawn: list[int]) -> Panel:
        """Return some ROIs on the image, small ones on top, in the colours of their levels."""
        level, side = self.result.roi_level[0], self.result.side[0]
        rows = sorted(dict.fromkeys(drawn), key=lambda row: -side[row])
        colors = [LEVEL_COLORS[k] for k in level[rows]]
        layer = boxes(to_pixels(rois[rows], self.pixels), colors, rows)
        return image_panel("Drag to draw a box", self.pixels, drawable=True, boxes=[layer])

    def _tip(self, row: int) -> str:
        """Return what hovering over an ROI shows."""
        r = self.result
        return (
            f"ROI {row}: side {r.side[0, row]:.1f} px, k = {r.exact_level[0, row]:.2f}, "
            f"reads P{r.roi_level[0, row]}"
        )

    def _text(self, levels: np.ndarray) -> list[TextLine]:
        """Return the number of ROIs of each level, and the equation for the selected ROI."""
        counts = [line(f"P{k}: {np.sum(levels == k)} ROIs", LEVEL_COLORS[k]) for k in ROI_LEVELS]
        r, row = self.result, self.view.selected
        if not 0 <= row < len(r.side[0]):
            return [*counts, line("Click an ROI, or draw or type a box, to see its numbers.")]
        k, margin = int(r.roi_level[0, row]), float(r.margin[0, row])
        name = f"ROI {row}" if row < self._number() else "Your box"
        side_of_boundary = "above" if margin >= 0 else "below"
        equation = (
            f"{name}: sqrt({r.w[0, row]:.4f} x {r.h[0, row]:.4f}) is a side of "
            f"{r.side[0, row]:.1f} px; log2 of side / canonical side is "
            f"{r.octaves[0, row]:.3f}, rounded {r.rounded_octaves[0, row]:.0f}: P{k}. The side "
            f"is {abs(margin):.1f} px {side_of_boundary} the boundary at "
            f"{r.boundary[0, row]:.1f} px."
        )
        return [*counts, line(equation, LEVEL_COLORS[k])]


def _read_own(text: str) -> tuple[list[float] | None, str]:
    """Return the box that was typed or drawn, if there is one, and what is wrong with the text."""
    try:
        return (read_box(text, "the box"), "") if text.strip() else (None, "")
    except InputError as error:
        return None, str(error)
