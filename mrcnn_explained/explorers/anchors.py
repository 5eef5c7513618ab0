"""Explore anchors: one cell of one level, its boxes, and how many there are."""

from typing import Any

import numpy as np

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, lines
from mrcnn_explained.stages.anchors import pyramid_anchors


class AnchorsExplorer(TraceExplorer):
    """Choose a level, a cell, a scale; see the anchors of that cell over the image.

    Rows are anchors. `result` is an Anchors of the scales chosen.
    """

    def row_of(self, roi: int) -> int:
        """-1: an anchor that is drawn here is not that of a ROI of the run."""
        return -1

    def roi_of(self, row: int) -> int:
        """-1: see `row_of`."""
        return -1

    def controls(self) -> Controls:
        trace = self.trace
        c = trace.config
        return {
            "level": choice("level", [(f"P{k}", k) for k in LEVEL_COLORS], 4),
            "row": slider("row of the cell", 0.5, 0.0, 1.0),
            "column": slider("column of the cell", 0.5, 0.0, 1.0),
            "factor": slider("all scales times", 1.0, 0.25, 4.0, 0.25),
            "ratio": slider(
                "ratio of the outer ones", float(max(c.rpn_anchor_ratios)), 1.0, 4.0, 0.1
            ),
        }

    def draw(
        self, level: int, row: float, column: float, factor: float, ratio: float
    ) -> dict[str, Any]:
        c, shape = self.config, self.pixels.shape[:2]
        a = self.result = pyramid_anchors(
            shape,
            scales=[factor * s for s in c.rpn_anchor_scales],
            ratios=sorted({1 / ratio, 1.0, ratio}),
            strides=c.backbone_strides,
            anchor_stride=c.rpn_anchor_stride,
        )
        levels, rows, columns = (x.numpy() for x in (a.level, a.row, a.column))
        of_level = levels == level
        cells = np.array([rows[of_level].max(), columns[of_level].max()])
        here = np.round(cells * [row, column] / c.rpn_anchor_stride) * c.rpn_anchor_stride
        chosen = np.flatnonzero(of_level & (rows == here[0]) & (columns == here[1]))
        place, stride = a.boxes_px.numpy()[chosen], c.backbone_strides[level - 2]
        centre = here * stride
        counts = [int(np.sum(levels == k)) for k in LEVEL_COLORS]
        height, width = shape
        grid = np.arange(0, width + 1, stride), np.arange(0, height + 1, stride)
        net = [[x, 0, x, height] for x in grid[0]] + [[0, y, width, y] for y in grid[1]]
        panel = image_panel(
            f"P{level}: cells of {stride} px; the anchors of cell ({here[0]:.0f}, {here[1]:.0f})",
            self.pixels,
            width=480,
            lines=[lines(net, QUIET, alpha=0.35, width=0.5)] if stride > 4 else [],
            boxes=[boxes(place, LEVEL_COLORS[level], chosen, width=2)],
            labels=[
                label(
                    "centre",
                    centre[1],
                    centre[0],
                    size=11,
                    background=LEVEL_COLORS[level],
                    align="center",
                )
            ],
        )
        inside = (place[:, :2] >= 0).all(1) & (place[:, 2:] <= shape).all(1)
        text = [
            *(
                line(f"P{k}: {n:,} anchors of {s * factor:g} px", LEVEL_COLORS[k])
                for k, n, s in zip(LEVEL_COLORS, counts, c.rpn_anchor_scales, strict=True)
            ),
            line(
                f"{len(levels):,} in all; {inside.sum()} of these {len(place)} lie inside the image"
            ),
        ]
        sizes = place[:, 2:] - place[:, :2]
        tips = {
            int(i): f"anchor {i}: {h:.0f} x {w:.0f} px"
            for i, (h, w) in zip(chosen, sizes, strict=True)
        }
        return {"panels": [panel], "text": text, "tips": tips}
