"""Explore anchors: those of one cell, and the anchor that fits an object best."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from traitlets import Bunch

from mrcnn_explained.boxes import iou
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explorers.explorer import (
    Controls,
    Selection,
    TraceExplorer,
    image_of,
    level_choice,
    slider,
)
from mrcnn_explained.explorers.objects import Boxes, objects_of
from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.format import LineLayer, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import (
    boxes,
    heat,
    image_panel,
    level_boxes,
    line,
    lines,
    movable,
    panel,
    points,
)
from mrcnn_explained.stages.anchors import Anchors, pyramid_anchors

CENTRED = (0.4, 0.4, 0.6, 0.6)  # the object of an image without any, as shares of its sides


class _Fit(NamedTuple):
    """How well the anchors fit the object."""

    iou: np.ndarray  # of every anchor
    best: int  # the anchor of the highest IoU
    best_here: int  # the same among the anchors of the chosen cell


class AnchorsExplorer(TraceExplorer):
    """Click a cell to see its anchors; move the object to see which anchor of all fits it best.

    objects    boxes in pixels of the molded image, of which the first is the object; none: the
               best detection

    Rows are anchors. `result` is an Anchors with the chosen scales, `overlaps` the IoU of every
    anchor with `object`, which the RPN's targets would compute.
    """

    shares_selection = False  # the anchors that are drawn here are not those of the run's ROIs
    result: Anchors
    overlaps: np.ndarray

    def __init__(
        self,
        trace: Trace,
        *,
        image: int = 0,
        selection: Selection | None = None,
        objects: Boxes | None = None,
    ):
        height, width = image_of(trace, image).shape[:2]
        found = objects_of(trace, image, objects)
        centred = np.multiply(CENTRED, [height, width, height, width])
        self.object = (found.boxes[0] if len(found.boxes) else centred).tolist()
        super().__init__(trace, image=image, selection=selection)

    def controls(self) -> Controls:
        ratio = float(max(self.config.rpn_anchor_ratios))
        level = level_choice("level", 4)
        y1, x1, y2, x2 = self.object
        stride = self.config.backbone_strides[level.value - 2]
        row, column = self._nearest_cell(
            level.value, (y1 + y2) / 2 / stride, (x1 + x2) / 2 / stride
        )
        last, step = self._last_cell(level.value), self.config.rpn_anchor_stride
        controls = {
            "level": level,
            "row": slider("row of the cell", row, 0, int(last[0]), step),
            "column": slider("column of the cell", column, 0, int(last[1]), step),
            "factor": slider("factor of all scales", 1.0, 0.25, 4.0, 0.25),
            "ratio": slider("largest aspect ratio", ratio, 1.0, 4.0, 0.1),
        }
        level.observe(self._level_changed, "value")
        return controls

    def _last_cell(self, level: int) -> np.ndarray:
        """Return the last (row, column) of a level that has anchors."""
        cells = np.ceil(np.divide(self.pixels.shape[:2], self.config.backbone_strides[level - 2]))
        step = self.config.rpn_anchor_stride
        return ((cells - 1) // step * step).astype(int)

    def _level_changed(self, change: Bunch) -> None:
        """Keep the place on the image when the level changes: its cells are of another size."""
        strides = self.config.backbone_strides
        ratio = strides[change.old - 2] / strides[change.new - 2]
        places = [(self.settings[name].value + 0.5) * ratio for name in ("row", "column")]
        with self.not_drawn():  # the level itself draws
            for name, last in zip(("row", "column"), self._last_cell(change.new), strict=True):
                self.settings[name].max = int(last)
            self._choose_cell(*places)

    def _nearest_cell(self, level: int, row: float, column: float) -> list[int]:
        """Return the (row, column) of the cell with anchors that holds a place, or the nearest."""
        step = self.config.rpn_anchor_stride
        cell = np.floor(np.divide([row, column], step)).astype(int) * step
        return np.clip(cell, 0, self._last_cell(level)).tolist()

    def _choose_cell(self, row: float, column: float) -> None:
        """Move the sliders to the cell at a place, in cells of the chosen level."""
        row, column = self._nearest_cell(self.settings["level"].value, row, column)
        self.set_controls(row=row, column=column)

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Choose the cell at a place on the image, in pixels, or on the map, in cells."""
        stride = self.config.backbone_strides[self.settings["level"].value - 2]
        size = stride if panel == "image" else 1
        self._choose_cell(y / size, x / size)

    def box_moved(self, name: str, box: list[float]) -> None:
        """Take the object at its new place."""
        self.object = box
        self.refresh()

    def draw(self, level: int, row: int, column: int, factor: float, ratio: float) -> Scene:
        config = self.config
        self.result = pyramid_anchors(
            self.pixels.shape[:2],
            scales=[factor * scale for scale in config.rpn_anchor_scales],
            ratios=sorted({1 / ratio, 1.0, ratio}),
            strides=config.backbone_strides,
            anchor_stride=config.rpn_anchor_stride,
        )
        self.result = Anchors(*(tensor.numpy() for tensor in self.result))
        anchors = self.result
        self.overlaps = iou(tf.constant(anchors.boxes_px), tf.constant([self.object])).numpy()[:, 0]
        of_level = anchors.level == level
        here = np.flatnonzero(of_level & (anchors.row == row) & (anchors.column == column))
        fit = _Fit(
            self.overlaps, int(self.overlaps.argmax()), int(here[self.overlaps[here].argmax()])
        )
        panels = [
            self._on_image(level, (row, column), here, fit),
            self._map(level, (row, column), of_level),
        ]
        tips = {int(anchor): self._name(int(anchor)) for anchor in {*here, fit.best}}
        return {"panels": panels, "text": self._text(level, here, fit), "tips": tips}

    def _on_image(self, level: int, cell: tuple[int, int], here: np.ndarray, fit: _Fit) -> Panel:
        """Return the anchors of the cell, the best of all, and the object over the image."""
        anchors, color = self.result.boxes_px, LEVEL_COLORS[level]
        stride = self.config.backbone_strides[level - 2]
        centre_y, centre_x = (place * stride for place in cell)
        best_level = int(self.result.level[fit.best])
        return image_panel(
            f"P{level}: anchors of cell {cell}, centred at y {centre_y}, x {centre_x} px",
            self.pixels,
            width=520,
            # The same while the cell moves, so that the image stays where it is.
            margin=float(np.ptp(anchors[here][:, [0, 2]], axis=1).max(initial=0)) / 2,
            key="image",
            clickable=True,
            cursor=[centre_x + stride / 2, centre_y + stride / 2],
            step=[stride * self.config.rpn_anchor_stride] * 2,
            lines=self._grid(stride),
            boxes=[
                boxes([_cell_box(cell, stride)], INK, width=1.2),
                boxes(anchors[here], color, here, width=2),  # the title names their level
                level_boxes(anchors[[fit.best]], [best_level], [fit.best], width=4),
            ],
            points=[points([[centre_x, centre_y]], color, radius=2, halo=True)],
            movable=[movable("object", self.object, INK)],
        )

    def _map(self, level: int, cell: tuple[int, int], of_level: np.ndarray) -> Panel:
        """Return the best IoU of each cell's anchors with the object as a map."""
        anchors, step = self.result, self.config.rpn_anchor_stride
        rows, columns = self._last_cell(level) + 1
        best = np.zeros([rows, columns])
        np.maximum.at(
            best, (anchors.row[of_level], anchors.column[of_level]), self.overlaps[of_level]
        )
        extent = (0.0, 0.0, float(columns), float(rows))
        return panel(
            f"P{level}, {rows} x {columns} cells: best IoU with the object, brightest "
            f"{best.max():.2f}",
            extent,
            width=300,
            key="map",
            clickable=True,
            cursor=[cell[1] + 0.5, cell[0] + 0.5],
            step=[float(step)] * 2,
            images=[heat(best, extent)],
            boxes=[boxes([_cell_box(cell, 1)], INK, width=2)],
        )

    def _grid(self, stride: int) -> list[LineLayer]:
        """Return the borders of the cells; none where they would hide the image."""
        if stride <= 4:
            return []
        height, width = self.pixels.shape[:2]
        upright = [[x, 0, x, height] for x in range(0, width + 1, stride)]
        level = [[0, y, width, y] for y in range(0, height + 1, stride)]
        return [lines(upright + level, QUIET, alpha=0.35, width=0.5)]

    def _name(self, anchor: int) -> str:
        """Return what hovering over an anchor shows."""
        a = self.result
        y1, x1, y2, x2 = a.boxes_px[anchor]
        return (
            f"anchor {anchor} on P{a.level[anchor]}, cell ({a.row[anchor]}, {a.column[anchor]}): "
            f"{y2 - y1:.0f} x {x2 - x1:.0f} px, IoU {self.overlaps[anchor]:.3f}"
        )

    def _text(self, level: int, here: np.ndarray, fit: _Fit) -> list[TextLine]:
        """Return which anchors fit, what lies outside, and how well each level fits."""
        levels, scales = self.result.level, np.asarray(self.result.scale)
        best_level = int(levels[fit.best])
        text = [
            line(
                f"The object is {_size(self.object)} px. Best of all {len(levels):,} anchors, "
                f"drawn thick: {self._name(fit.best)}",
                LEVEL_COLORS[best_level],
            ),
            line(f"Best of this cell: {self._name(fit.best_here)}", LEVEL_COLORS[level]),
            line(self._outside(here), QUIET),
        ]
        for k, color in LEVEL_COLORS.items():
            rows = np.flatnonzero(levels == k)
            most = self.overlaps[rows].max()
            side = f"{scales[rows[0]]:g} px"
            text.append(line(f"P{k}: {len(rows):,} anchors of {side}, best IoU {most:.3f}", color))
        return text

    def _outside(self, here: np.ndarray) -> str:
        """Return how many anchors of the cell reach beyond the image, and how far."""
        anchors, shape = self.result.boxes_px[here], self.pixels.shape[:2]
        beyond = np.maximum(-anchors[:, :2], anchors[:, 2:] - shape).max(axis=1)
        if not (beyond > 0).any():
            return f"All {len(here)} anchors of this cell lie inside the image."
        return (
            f"{int((beyond > 0).sum())} of the {len(here)} anchors of this cell reach beyond the "
            f"image, by up to {beyond.max():.0f} px; the parts outside are drawn, too."
        )


def _cell_box(cell: tuple[int, int], size: int) -> list[float]:
    """Return the box of a cell, in units of which a cell has `size`."""
    row, column = cell
    return [row * size, column * size, (row + 1) * size, (column + 1) * size]


def _size(box: list[float]) -> str:
    """Return height and width of a box as text."""
    y1, x1, y2, x2 = box
    return f"{y2 - y1:.0f} x {x2 - x1:.0f}"
