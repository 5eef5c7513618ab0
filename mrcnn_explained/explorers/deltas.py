"""Explore deltas: four numbers that move and scale a box, and why two of them go through exp."""

import numpy as np
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.config import Config
from mrcnn_explained.explorers.explorer import Controls, Explorer, slider
from mrcnn_explained.explorers.paper import SIDE, paper, paper_panel
from mrcnn_explained.plots.palette import BEFORE_DASH, CURVE_COLORS, INK
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, label, line, lines, movable, panel, points

START = (60.0, 50.0, 120.0, 130.0)  # the box before the deltas, pixels
MOST = 1.5  # of each delta
HEIGHT, WIDTH = CURVE_COLORS[3], CURVE_COLORS[1]


class DeltasExplorer(Explorer):
    """Move four deltas and see what they do to a box, with the numbers in the formula.

    The box itself can be dragged: the same deltas do the same to a box of any size. `result` is
    the moved box, as `mrcnn_explained.apply_box_deltas` returns it: [1, 4].
    """

    result: Float32[np.ndarray, "1 4"]

    def __init__(self) -> None:
        self.box = list(START)
        super().__init__(paper(), self._controls())

    def _controls(self) -> Controls:
        """Return a slider for each delta."""
        values = {"dy": 0.25, "dx": -0.1, "dh": 0.4, "dw": -0.7}
        return {name: slider(name, value, -MOST, MOST, 0.05) for name, value in values.items()}

    def box_moved(self, name: str, box: list[float]) -> None:
        """Take another box to begin with."""
        self.box = box
        self.refresh()

    def draw(self, dy: float, dx: float, dh: float, dw: float) -> Scene:
        before = np.array(self.box, np.float32)
        deltas = tf.constant([[dy, dx, dh, dw]], tf.float32)
        self.result = apply_box_deltas(tf.constant(before[np.newaxis]), deltas).numpy()
        after = self.result[0]
        (cy, cx, _, _), (new_cy, new_cx, _, _) = _centred(before), _centred(after)
        on_paper = paper_panel(
            "Drag the dotted box. Solid: after the deltas",
            boxes=[boxes([after], INK, width=3)],
            lines=[lines([[cx, cy, new_cx, new_cy]], INK, width=2, arrow=True)],
            movable=[movable("box", before, INK, dash=BEFORE_DASH)],
        )
        return {"panels": [on_paper, _exponential(dh, dw)], "text": self._text(before, deltas)}

    def _text(self, before: np.ndarray, deltas: tf.Tensor) -> list[TextLine]:
        """Return the formula with the numbers put in."""
        dy, dx, dh, dw = (float(value) for value in deltas[0])
        cy, cx, h, w = _centred(before)
        new_cy, new_cx, new_h, new_w = _centred(self.result[0])
        std = np.array(Config.coco().rpn_bbox_std_dev)
        predicted = ", ".join(f"{value:+.2f}" for value in deltas[0].numpy() / std)
        left = self.result[0][:2].min() < 0 or self.result[0][2:].max() > SIDE
        return [
            line(f"cy' = cy + dy h = {cy:.1f} {dy:+.2f} x {h:.1f} = {new_cy:.1f}"),
            line(f"cx' = cx + dx w = {cx:.1f} {dx:+.2f} x {w:.1f} = {new_cx:.1f}"),
            line(
                f"h' = h exp(dh) = {h:.1f} x exp({dh:+.2f}) = {h:.1f} x {np.exp(dh):.3f} = "
                f"{new_h:.1f}",
                HEIGHT,
            ),
            line(
                f"w' = w exp(dw) = {w:.1f} x exp({dw:+.2f}) = {w:.1f} x {np.exp(dw):.3f} = "
                f"{new_w:.1f}",
                WIDTH,
            ),
            line(
                f"The RPN would predict ({predicted}): deltas divided by the standard deviations "
                f"({', '.join(f'{value:g}' for value in std)})."
            ),
            *([line("A part of the box is outside the image: it is clipped later.")] * bool(left)),
        ]


def _centred(box: np.ndarray) -> tuple[float, float, float, float]:
    """Return centre, height and width of a box."""
    y1, x1, y2, x2 = (float(value) for value in box)
    return (y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1


def _exponential(dh: float, dw: float) -> Panel:
    """Return the curve of exp, with a dot for the height and one for the width."""
    x = np.linspace(-MOST, MOST, 61)
    y = -np.exp(x)
    most = float(np.exp(MOST))
    curve = np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)
    grid = [[-MOST, -factor, MOST, -factor] for factor in (0.5, 1, 2, 4)]
    values = {"height": (dh, HEIGHT), "width": (dw, WIDTH)}
    return panel(
        "Factor exp(d): always positive; d and -d undo each other",
        (-MOST - 0.35, -most - 0.3, MOST + 0.2, 0.55),
        width=400,
        height=400,
        lines=[
            lines(grid, "ink", alpha=0.25),
            lines([[0, -most, 0, 0]], "ink", alpha=0.25),
            lines(curve, "ink", width=2),
            *(
                lines(
                    [[d, 0, d, -np.exp(d)], [d, -np.exp(d), -MOST, -np.exp(d)]],
                    color,
                    dash=BEFORE_DASH,
                )
                for d, color in values.values()
            ),
        ],
        points=[
            points([[d, -np.exp(d)]], color, radius=6, halo=True) for d, color in values.values()
        ],
        labels=[
            *(
                label(f"{factor:g}", -MOST - 0.05, -factor, align="right", size=12)
                for factor in (0.5, 1, 2, 4)
            ),
            *(label(f"{d:g}", d, 0.3, align="center", size=12) for d in (-1, 0, 1)),
            *(
                label(
                    f"{name} x {np.exp(d):.2f}",
                    d + 0.1,
                    -np.exp(d) - 0.12,
                    background=color,
                    avoids_labels=True,
                    align="right" if d > 0.6 else "left",
                )
                for name, (d, color) in values.items()
            ),
        ],
    )
