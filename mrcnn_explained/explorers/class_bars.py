"""The probabilities of one ROI's classes as bars; two explorers show them."""

from typing import Unpack

import numpy as np

from mrcnn_explained.plots.palette import INK, LOST, class_color
from mrcnn_explained.scenes.format import Panel, Touch
from mrcnn_explained.scenes.scene import label, lines, panel

MOST_CLASSES = 10  # shown for one ROI


def best_classes(probabilities: np.ndarray, *more: int) -> list[int]:
    """Return the most probable classes, best first, and then further ones that must be shown."""
    best = np.argsort(-probabilities, kind="stable")[:MOST_CLASSES].tolist()
    return list(dict.fromkeys([*best, *more]))


def class_bars(
    title: str,
    probabilities: np.ndarray,
    shown: list[int],
    chosen: int,
    names: list[str],
    **touch: Unpack[Touch],
) -> Panel:
    """Return one bar per class, each as long as its probability.

    probabilities    of all classes
    shown            classes, from the top
    chosen           the class whose bar has the colour of its class
    names            of all classes
    touch            what the reader does on the panel
    """
    bars, labels = [], []
    for row, class_id in enumerate(shown):
        p = float(probabilities[class_id])
        of_class = class_color(class_id) if class_id else INK
        color = of_class if class_id == chosen else LOST
        bars.append(lines([[0, row, max(p, 0.003), row]], color, width=12))
        bold = class_id == chosen
        labels.append(label(names[class_id], -0.04, row, align="right", bold=bold))
        labels.append(label(f"{p:.4f}", p + 0.03, row, bold=bold))
    hidden = len(probabilities) - len(shown)
    return panel(
        f"{title}; {hidden} less probable ones are not shown" if hidden else title,
        (-0.55, -0.6, 1.25, len(shown) - 0.4),
        width=360,
        height=24 * len(shown) + 16,
        lines=bars,
        labels=labels,
        **touch,
    )
