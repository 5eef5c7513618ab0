"""Plots of the box head: class probabilities of one ROI, and of all ROIs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.plots.palette import GOOD, QUIET
from mrcnn_explained.plots.style import axes, class_label, quiet_axes, show_map
from mrcnn_explained.stages.box_head import BoxHeadOutput

MANY = 15  # with more classes, only the most probable ones are drawn


def plot_probabilities(
    head: BoxHeadOutput,
    roi: int,
    names: Sequence[str] = (),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the class probabilities of one ROI as bars; the most probable class is coloured.

    names    C class names, background first; without them, numbers are shown
    """
    values = np.asarray(head.mrcnn_class[image, roi])
    shown = np.arange(len(values))
    if len(values) > MANY:
        shown = np.sort(np.argsort(-values, kind="stable")[:MANY])
    best = int(values.argmax())
    ax = quiet_axes(axes(ax, 6, 0.6 + 0.28 * len(shown)))
    bars = ax.barh(range(len(shown)), values[shown], height=0.7)
    for bar, class_id in zip(bars, shown, strict=True):
        bar.set_color(GOOD if class_id == best else QUIET)
        value = values[class_id]
        ax.text(value + 0.01, bar.get_y() + 0.35, f"{value:.3f}", va="center", fontsize=8)
    ax.set_yticks(range(len(shown)), [class_label(c, names) for c in shown])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.12)
    part = f", the {MANY} most probable of {len(values)}" if len(shown) < len(values) else ""
    ax.set_xlabel(f"probability (ROI {roi}{part})")
    return ax


def plot_all_probabilities(
    head: BoxHeadOutput, names: Sequence[str] = (), image: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw the class probabilities of all ROIs: one row per class, one column per ROI.

    names    C class names, background first; without them, numbers are shown

    The ROI with the best RPN score is on the left.
    """
    values = np.asarray(head.mrcnn_class[image]).T
    ax = axes(ax, 8.5, min(8.0, 1.2 + 0.22 * len(values)))
    drawn = show_map(ax, values, vmin=0, vmax=1, aspect="auto")
    ax.figure.colorbar(drawn, ax=ax, label="probability")
    step = max(1, len(values) // 20)
    rows = range(0, len(values), step)
    ax.set_yticks(rows, [class_label(c, names) for c in rows], fontsize=8)
    ax.set_xticks([0, values.shape[1] - 1])
    ax.set_xlabel("ROI, best RPN score first")
    return ax
