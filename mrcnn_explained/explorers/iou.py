"""Explore IoU: two boxes to drag, with the area that they share and the area that they cover."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.boxes import clip_boxes, iou
from mrcnn_explained.config import Config
from mrcnn_explained.explorers.explorer import Explorer, choice
from mrcnn_explained.explorers.paper import paper, paper_panel
from mrcnn_explained.plots.palette import CURVE_COLORS, INK
from mrcnn_explained.scenes.format import Label, Panel, Scene
from mrcnn_explained.scenes.scene import area, label, line, lines, movable, panel
from mrcnn_explained.stages.detection_targets import POSITIVE_IOU

#: Where the two boxes start, in pixels.
EXAMPLES = {
    "a third": ([40, 30, 120, 110], [40, 70, 120, 150]),
    "apart": ([20, 20, 80, 90], [110, 110, 180, 180]),
    "they touch": ([40, 30, 120, 100], [40, 100, 120, 170]),
    "one inside the other": ([30, 30, 170, 170], [70, 70, 130, 130]),
    "equal": ([50, 50, 150, 150], [50, 50, 150, 150]),
    "small and off by 6 px": ([90, 90, 110, 110], [90, 96, 110, 116]),
    "large and off by 6 px": ([20, 20, 170, 170], [20, 26, 170, 176]),
}
COVERED, SHARED = CURVE_COLORS[4], CURVE_COLORS[2]


class IouExplorer(Explorer):
    """Drag two boxes, or their corners, and see how their IoU follows.

    `result` is the IoU, as `mrcnn_explained.iou` returns it: [1, 1].
    """

    result: Float32[np.ndarray, "1 1"]

    def __init__(self) -> None:
        self.boxes: dict[str, Sequence[float]] = {}
        super().__init__(paper(), {"example": choice("start with", list(EXAMPLES), "a third")})
        self.settings["example"].observe(lambda _: self._start(), "value")

    def _start(self) -> None:
        """Put the boxes where the example has them."""
        self.boxes = {}
        self.refresh()

    def box_moved(self, name: str, box: list[float]) -> None:
        """Draw a box where the reader has moved it."""
        self.boxes[name] = box
        self.refresh()

    def draw(self, example: str) -> Scene:
        if not self.boxes:
            self.boxes = dict(zip("AB", EXAMPLES[example], strict=True))
        a, b = (tf.constant([self.boxes[name]], tf.float32) for name in "AB")
        self.result = iou(a, b).numpy()
        shared = clip_boxes(b, a).numpy()[0]  # without area if the boxes do not meet
        areas = [_area(box.numpy()[0]) for box in (a, b)]
        common = _area(shared)
        sides = " x ".join(f"{side:g}" for side in shared[2:] - shared[:2])
        together = sum(areas) - common
        text = [
            line(
                f"IoU = shared / (area A + area B - shared) = {common:g} / ({areas[0]:g} + "
                f"{areas[1]:g} - {common:g}) = {common:g} / {together:g} = "
                f"{self.result[0, 0]:.3f}",
                live=True,
            ),
            line(f"The boxes share {sides} px: {common:g} square pixels.", SHARED)
            if common
            else line("The boxes share no area, so their IoU is 0.", SHARED),
            line(
                f"Together they cover {together:g} square pixels: the shared area counts once.",
                COVERED,
            ),
        ]
        on_paper = paper_panel(
            "Drag the boxes A and B, or their corners",
            images=[
                *(area(self.boxes[name], COVERED, alpha=0.35) for name in "AB"),
                *([area(shared, SHARED, alpha=0.75)] if common else []),
            ],
            movable=[movable(name, box, INK) for name, box in self.boxes.items()],
            labels=[_name(name, box) for name, box in self.boxes.items()],
        )
        return {"panels": [on_paper, _scale(float(self.result[0, 0]))], "text": text}


def _area(box: np.ndarray) -> float:
    """The area of a box."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _name(name: str, box: Sequence[float]) -> Label:
    """The name of a box, at its upper corner: left for A, right for B."""
    y1, x1, _, x2 = box
    return label(
        name,
        x1 + 3 if name == "A" else x2 - 3,
        y1 + 8,
        align="left" if name == "A" else "right",
        bold=True,
        size=14,
        background=INK,
    )


def _scale(value: float) -> Panel:
    """Return the IoU on a scale from 0 to 1, with the thresholds of Matterport's detector."""
    c = Config.coco()
    thresholds = [
        (c.detection_nms_threshold, "or less: NMS of detections keeps both"),
        (POSITIVE_IOU, "and more: an ROI trains as positive"),
        (c.rpn_nms_threshold, "or less: NMS of the RPN keeps both"),
    ]
    names = [
        label(f"{limit:g} {words}", 0, 0.72 + 0.22 * i, size=12)
        for i, (limit, words) in enumerate(thresholds)
    ]
    marks = [0.0, *(limit for limit, _ in thresholds), 1.0]
    return panel(
        f"IoU {value:.3f}",
        (-0.03, -0.2, 1.05, 1.35),
        width=440,
        height=190,
        lines=[
            lines([[0, 0, 1, 0]], COVERED, width=16, alpha=0.35),
            lines([[0, 0, max(value, 0.002), 0]], SHARED, width=16),
            lines([[mark, 0.0, mark, 0.22] for mark in marks], "ink"),
        ],
        labels=[
            *(label(f"{mark:g}", mark, 0.36, align="center", size=12) for mark in marks),
            *names,
        ],
    )
