"""Explore NMS: a handful of boxes, one after the other, with a threshold to move."""

import numpy as np
import tensorflow as tf
from jaxtyping import Float32
from numpy.typing import ArrayLike

from mrcnn_explained.boxes import iou
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.explorer import Controls, Explorer, slider
from mrcnn_explained.explorers.paper import paper, paper_panel
from mrcnn_explained.explorers.stepping import Stepping
from mrcnn_explained.plots.palette import INK, LOST, LOST_DASH, NEVER_DASH, WHITE
from mrcnn_explained.scenes.format import Label, MovableBox, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import label, line, lines, movable, panel
from mrcnn_explained.stages.nms import NmsVerdict, nms_keep, nms_verdict

#: Two objects: three boxes of the one, two of the other; in pixels, with their scores.
BOXES = (
    (20, 20, 100, 100),
    (26, 32, 106, 112),
    (22, 54, 102, 134),
    (118, 120, 180, 182),
    (124, 128, 188, 190),
)
SCORES = (0.95, 0.90, 0.80, 0.70, 0.60)
MOST = 12  # boxes: more of them hide each other


class NmsExplorer(Stepping, Explorer):
    """Go through the boxes from the highest score down: which are kept, and what drops the others?

    boxes     [n, 4], (y1, x1, y2, x2) in pixels of a square of 200; the default has two objects
    scores    [n]

    Each box can be dragged. Rows are boxes in the order given. `result` is an NmsVerdict of all
    boxes. Raises InputError for boxes and scores that do not fit each other.
    """

    forward = "next box ▸"
    result: NmsVerdict

    def __init__(self, boxes: ArrayLike = BOXES, scores: ArrayLike = SCORES):
        self.boxes: Float32[np.ndarray, "n 4"] = np.array(boxes, np.float32).reshape(-1, 4)
        self.scores: Float32[np.ndarray, n] = np.array(scores, np.float32).reshape(-1)
        number = len(self.boxes)
        if not 1 <= number <= MOST or len(self.scores) != number:
            raise InputError(
                f"{number} boxes and {len(self.scores)} scores; expected 1 to {MOST} boxes, each "
                "with a score"
            )
        self.order = np.argsort(-self.scores, kind="stable")
        self.names = {int(row): "ABCDEFGHIJKL"[place] for place, row in enumerate(self.order)}
        super().__init__(paper(), self._controls())

    def _controls(self) -> Controls:
        """Return the threshold and the step."""
        return {
            "threshold": slider("NMS: IoU at most", 0.5, 0.0, 1.0, 0.01),
            "step": slider("boxes looked at", 0, 0, len(self.boxes), 1),
        }

    def box_moved(self, name: str, box: list[float]) -> None:
        """Draw a box where the reader has moved it."""
        (row,) = (row for row, letter in self.names.items() if letter == name)
        self.boxes[row] = box
        self.refresh()

    def draw(self, threshold: float, step: int) -> Scene:
        number = len(self.boxes)
        everyone = tf.ones([number], tf.bool)
        inputs = (tf.constant(self.boxes), tf.constant(self.scores), everyone)
        keep = nms_keep(*inputs, threshold=threshold, limit=number)
        self.result = nms_verdict(*inputs, keep, threshold=threshold, limit=number)
        overlap = iou(inputs[0], inputs[0]).numpy()
        panels = [self._on_paper(step), self._list(step, threshold, overlap)]
        return {"panels": panels, "text": self._text(step, threshold, overlap)}

    def _is_kept(self, row: int) -> bool:
        return bool(self.result.rank[row] >= 0)

    def _on_paper(self, step: int) -> Panel:
        """Return the boxes: kept solid, suppressed dashed, those not looked at yet dotted."""
        done = [int(row) for row in self.order[:step]]
        frames: list[MovableBox] = []
        labels: list[Label] = []
        for place, row in enumerate(self.order):
            y1, x1, _, _ = self.boxes[row]
            reached, kept = place < step, self._is_kept(int(row))
            dash = [] if reached and kept else LOST_DASH if reached else NEVER_DASH
            last = bool(done) and int(row) == done[-1]
            color = LOST if reached and not kept else INK
            frames.append(
                movable(
                    self.names[int(row)],
                    self.boxes[row],
                    color,
                    width=4 if last else 2,
                    dash=dash,
                    fixed_size=True,
                )
            )
            fate = ("kept" if kept else "suppressed") if reached else "not yet"
            labels.append(
                label(
                    f"{self.names[int(row)]} {self.scores[row]:.2f}: {fate}",
                    x1,
                    y1,
                    box_bottom=float(self.boxes[row][2]),
                    background=LOST if reached and not kept else WHITE,
                    avoids_labels=True,
                    bold=last,
                )
            )
        return paper_panel(
            "Solid: kept, dashed: suppressed, dotted: not yet",
            labels=labels,
            movable=frames[::-1],  # the pointer reaches the best box first
        )

    def _list(self, step: int, threshold: float, overlap: np.ndarray) -> Panel:
        """Return the IoU of the box that is looked at with every box that was kept before."""
        row = int(self.order[step - 1]) if step else -1
        kept = [int(r) for r in self.order[: max(step - 1, 0)] if self._is_kept(int(r))]
        bars = [
            lines(
                [[0, place, max(float(overlap[row, other]), 0.002), place]],
                "ink" if overlap[row, other] <= threshold else LOST,
                width=14,
            )
            for place, other in enumerate(kept)
        ]
        names = [
            label(f"with {self.names[other]}", -0.02, place, align="right")
            for place, other in enumerate(kept)
        ]
        values = [
            label(f"{overlap[row, other]:.2f}", float(overlap[row, other]) + 0.02, place)
            for place, other in enumerate(kept)
        ]
        title = f"IoU of box {self.names[row]} with the kept boxes" if step else "No box yet"
        last = max(len(kept), 1)
        return panel(
            title,
            (-0.3, -1.2, 1.15, last),
            width=400,
            height=60 + 30 * last,
            lines=[*bars, lines([[threshold, -0.7, threshold, last - 0.4]], "ink", width=2)],
            labels=[
                *names,
                *values,
                label(f"threshold {threshold:.2f}", threshold, -0.95, align="center", size=12),
            ],
        )

    def _text(self, step: int, threshold: float, overlap: np.ndarray) -> list[TextLine]:
        """Return what became of the boxes so far; the last one is announced."""
        order = [int(row) for row in self.order[:step]]
        text = [line(self._fate(row, overlap), live=row == order[-1]) for row in order]
        if step < len(self.order):
            return [*text, line(f"Next: box {self.names[int(self.order[step])]}.", live=not step)]
        kept = sum(self._is_kept(row) for row in order)
        return [
            *text,
            line(f"{kept} of {len(order)} boxes are kept at a threshold of {threshold:.2f}."),
        ]

    def _fate(self, row: int, overlap: np.ndarray) -> str:
        """Return what became of a box, and why."""
        name, score = f"Box {self.names[row]}", f"score {self.scores[row]:.2f}"
        by = int(self.result.suppressed_by[row])
        if by >= 0:
            iou_with = float(self.result.suppressed_iou[row])
            return f"{name}, {score}: suppressed by {self.names[by]}, IoU {iou_with:.2f}."
        place = int(np.flatnonzero(self.order == row)[0])
        before = [int(r) for r in self.order[:place]]
        lost = [r for r in before if not self._is_kept(r)]
        text = f"{name}, {score}: kept"
        if not before:
            return f"{text}, as the best box always is."
        closest = max(lost, key=lambda other: overlap[row, other], default=-1)
        highest = max((overlap[row, r] for r in before if self._is_kept(r)), default=0.0)
        if closest >= 0 and overlap[row, closest] > highest and overlap[row, closest] > 0:
            return (
                f"{text}. Its IoU with {self.names[closest]} is {overlap[row, closest]:.2f}, but "
                f"{self.names[closest]} was suppressed, and a suppressed box suppresses nothing."
            )
        return f"{text}: its IoU with the kept boxes is {highest:.2f} at most."
