"""Explore level assignment: the level equation for every ROI and for a box of the reader's."""

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import clip_boxes, norm_boxes
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    boxes_shown,
    choice,
    hidden_line,
    slider,
    text_field,
)
from mrcnn_explained.inputs import read_box
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import image_panel, level_boxes, line, movable
from mrcnn_explained.stages.levels import (
    CANONICAL_LEVEL,
    LOWEST,
    ROI_LEVELS,
    LevelAssignment,
    Rounding,
    assign_levels,
    level_boundaries,
)


class LevelsExplorer(TraceExplorer):
    """Draw or type a box, move and resize it, and see which level it reads, and why.

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
            "shown": boxes_shown(self._number()),
            "box": box,
        }

    def box_drawn(self, box: list[float]) -> None:
        """Write a box that is drawn into the field where one can be typed."""
        y1, x1, y2, x2 = box
        if y2 > y1 and x2 > x1:  # a box that has just begun has no area
            self.settings["box"].value = ", ".join(f"{v:g}" for v in np.round(box, 1))

    def box_moved(self, name: str, box: list[float]) -> None:
        """Write a box that is moved or resized into the field where one can be typed."""
        self.box_drawn(box)

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
        own, wrong = _read_own(box, height, width)
        if own is not None:
            normalised = norm_boxes(tf.constant(own[None]), [height, width])
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
        number = int(np.sum(real < self._number()))  # without the reader's own box
        text.insert(len(ROI_LEVELS), hidden_line(min(shown, number), number, "ROIs"))
        if wrong:
            text.append(line(wrong, BAD))
        drawn = [*real[:shown], *range(self._number(), len(rois))]
        tips = {int(row): self._tip(int(row)) for row in real}
        on_image = self._on_image(rois, drawn, own)
        return {"panels": [on_image, chart], "text": text, "tips": tips}

    def _on_image(self, rois: np.ndarray, drawn: list[int], own: np.ndarray | None) -> Panel:
        """Return some ROIs on the image, small ones on top, in the colours of their levels."""
        level, side = self.result.roi_level[0], self.result.side[0]
        rows = sorted(dict.fromkeys(drawn), key=lambda row: -side[row])
        layer = level_boxes(to_pixels(rois[rows], self.pixels), level[rows], rows)
        moved = []
        if own is not None:
            moved = [movable("your box", own, LEVEL_COLORS[int(level[-1])])]
        # The title stays the same, so that the image stays in its place under the pointer.
        title = "Drag to draw, move or resize a box"
        return image_panel(title, self.pixels, drawable=True, boxes=[layer], movable=moved)

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
        if r.side[0, row] <= 0:
            return [*counts, line(f"{name} has no area: it reads the lowest level, P{k}.")]
        side_of_boundary = "above" if margin >= 0 else "below"
        equation = (
            f"{name}: sqrt({r.w[0, row]:.4f} x {r.h[0, row]:.4f}) is a side of "
            f"{r.side[0, row]:.1f} px; {self._rounding_of(row)}. The side is {abs(margin):.1f} px "
            f"{side_of_boundary} the boundary at {r.boundary[0, row]:.1f} px."
        )
        return [*counts, line(equation, LEVEL_COLORS[k])]

    def _rounding_of(self, row: int) -> str:
        """Return how the octaves of an ROI became its level: rounded, added, clamped."""
        r, way = self.result, self.settings["rounding"].value
        octaves, whole = float(r.octaves[0, row]), int(r.rounded_octaves[0, row])  # -0 becomes 0
        k, unclamped = int(r.roi_level[0, row]), CANONICAL_LEVEL + whole
        rounded = "rounded" if way == "round" else "rounded down"
        words = (
            f"log2 of side / canonical side is {octaves:.3f}, {rounded} to {whole}: "
            f"k = {CANONICAL_LEVEL} {'-' if whole < 0 else '+'} {abs(whole)} = {unclamped}"
        )
        if k == unclamped:
            return f"{words}, so it reads P{k}"
        end = "lowest" if k == LOWEST else "highest"
        return f"{words}, clamped to the {end} level of ROIs, so it reads P{k}"


def _read_own(text: str, height: int, width: int) -> tuple[np.ndarray | None, str]:
    """Return the box that was typed or drawn, within the image, and what was wrong or changed."""
    if not text.strip():
        return None, ""
    try:
        typed = np.asarray(read_box(text, "the box"), np.float32)
    except InputError as error:
        return None, str(error)
    own = clip_boxes(tf.constant(typed), tf.constant([0.0, 0.0, height, width])).numpy()
    if (own[2:] <= own[:2]).any():
        return None, f"The box {text.strip()} lies outside the image of {height} x {width} px."
    if (own == typed).all():
        return own, ""
    corners = ", ".join(f"{v:g}" for v in own)
    return own, f"The box ends outside the image: it was clipped to {corners}."
