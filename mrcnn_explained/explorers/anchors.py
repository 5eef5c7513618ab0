"""Explore anchors: the anchors of one cell of one level, and how many anchors there are."""

import numpy as np

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, level_choice, slider
from mrcnn_explained.plots.palette import LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.format import LineLayer, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, lines
from mrcnn_explained.stages.anchors import Anchors, pyramid_anchors


class AnchorsExplorer(TraceExplorer):
    """Choose a level, a cell and a scale; see the anchors of that cell over the image.

    Rows are anchors. `result` is an Anchors with the chosen scales.
    """

    result: Anchors

    def row_of(self, roi: int) -> int:
        """Return -1: the anchors that are drawn here are not those of the run's ROIs."""
        return -1

    def roi_of(self, row: int) -> int:
        """Return -1, see `row_of`."""
        return -1

    def controls(self) -> Controls:
        ratio = float(max(self.config.rpn_anchor_ratios))
        return {
            "level": level_choice("level", 4),
            "row": slider("row of the cell", 0.5, 0.0, 1.0),
            "column": slider("column of the cell", 0.5, 0.0, 1.0),
            "factor": slider("factor of all scales", 1.0, 0.25, 4.0, 0.25),
            "ratio": slider("largest aspect ratio", ratio, 1.0, 4.0, 0.1),
        }

    def draw(self, level: int, row: float, column: float, factor: float, ratio: float) -> Scene:
        config, shape = self.config, self.pixels.shape[:2]
        self.result = pyramid_anchors(
            shape,
            scales=[factor * scale for scale in config.rpn_anchor_scales],
            ratios=sorted({1 / ratio, 1.0, ratio}),
            strides=config.backbone_strides,
            anchor_stride=config.rpn_anchor_stride,
        )
        chosen, cell = self._anchors_of_cell(level, row, column)
        anchors, stride = self.result.boxes_px.numpy()[chosen], config.backbone_strides[level - 2]
        centre_y, centre_x = cell * stride
        color = LEVEL_COLORS[level]
        name = label("centre", centre_x, centre_y, size=11, background=color, align="center")
        panel = image_panel(
            f"P{level}: cells of {stride} px; the anchors of cell ({cell[0]:.0f}, {cell[1]:.0f})",
            self.pixels,
            width=480,
            lines=self._grid(stride),
            boxes=[boxes(anchors, color, chosen, width=2)],
            labels=[name],
        )
        sides = anchors[:, 2:] - anchors[:, :2]
        tips = {
            int(anchor): f"anchor {anchor}: {height:.0f} x {width:.0f} px"
            for anchor, (height, width) in zip(chosen, sides, strict=True)
        }
        return {"panels": [panel], "text": self._counts(factor, anchors), "tips": tips}

    def _anchors_of_cell(
        self, level: int, row: float, column: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the anchors of a cell and its (row, column); `row`, `column` are shares 0…1."""
        anchors, step = self.result, self.config.rpn_anchor_stride
        levels, rows, columns = (
            tensor.numpy() for tensor in (anchors.level, anchors.row, anchors.column)
        )
        of_level = levels == level
        last_cell = np.array([rows[of_level].max(), columns[of_level].max()])
        cell = np.round(last_cell * [row, column] / step) * step
        return np.flatnonzero(of_level & (rows == cell[0]) & (columns == cell[1])), cell

    def _grid(self, stride: int) -> list[LineLayer]:
        """Return the borders of the cells; none where they would hide the image."""
        if stride <= 4:
            return []
        height, width = self.pixels.shape[:2]
        upright = [[x, 0, x, height] for x in range(0, width + 1, stride)]
        level = [[0, y, width, y] for y in range(0, height + 1, stride)]
        return [lines(upright + level, QUIET, alpha=0.35, width=0.5)]

    def _counts(self, factor: float, anchors: np.ndarray) -> list[TextLine]:
        """Return the number of anchors of each level, and how many of the cell lie inside."""
        levels, scales = self.result.level.numpy(), self.config.rpn_anchor_scales
        text = [
            line(f"P{k}: {np.sum(levels == k):,} anchors of {scale * factor:g} px", color)
            for (k, color), scale in zip(LEVEL_COLORS.items(), scales, strict=True)
        ]
        starts_inside = (anchors[:, :2] >= 0).all(axis=1)
        ends_inside = (anchors[:, 2:] <= self.pixels.shape[:2]).all(axis=1)
        inside = int((starts_inside & ends_inside).sum())
        total = f"{len(levels):,} anchors in all; {inside} of the {len(anchors)} anchors of this"
        return [*text, line(f"{total} cell lie inside the image")]
