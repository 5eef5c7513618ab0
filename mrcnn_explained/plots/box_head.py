"""Plots of the box head: class probabilities of one ROI, and of all of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.plots.palette import GOOD, QUIET
from mrcnn_explained.plots.style import axes, quiet_axes, show_map
from mrcnn_explained.stages.box_head import BoxHeadOutput

MANY = 15  # classes beyond which only the most probable are drawn


def plot_probabilities(
    head: BoxHeadOutput,
    roi: int,
    names: Sequence[str] = (),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The class probabilities of one ROI as bars, the most probable in colour.

    names    C class names, background first; without them, the numbers
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
        ax.text(
            values[class_id] + 0.01,
            bar.get_y() + 0.35,
            f"{values[class_id]:.3f}",
            va="center",
            fontsize=8,
        )
    ax.set_yticks(range(len(shown)), [names[c] if names else f"class {c}" for c in shown])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.12)
    part = f", the {MANY} most probable of {len(values)}" if len(shown) < len(values) else ""
    ax.set_xlabel(f"probability (ROI {roi}{part})")
    return ax


def plot_all_probabilities(
    head: BoxHeadOutput, names: Sequence[str] = (), image: int = 0, ax: Axes | None = None
) -> Axes:
    """Class probabilities of all ROIs: one column a ROI (best RPN score left), one row a class."""
    values = np.asarray(head.mrcnn_class[image]).T
    ax = axes(ax, 8.5, min(8.0, 1.2 + 0.22 * len(values)))
    drawn = show_map(ax, values, vmin=0, vmax=1, aspect="auto")
    ax.figure.colorbar(drawn, ax=ax, label="probability")
    step = max(1, len(values) // 20)
    rows = range(0, len(values), step)
    ax.set_yticks(rows, [names[c] if names else f"class {c}" for c in rows], fontsize=8)
    ax.set_xticks([0, values.shape[1] - 1])
    ax.set_xlabel("ROI, best RPN score first")
    return ax
