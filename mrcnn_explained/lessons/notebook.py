"""Helpers for notebooks: show a plot, list the tensors of a result."""

import io
from typing import Any

import numpy as np
from IPython.display import Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.detector.schema import tensors_of


def show(drawn: Axes | Figure, caption: str = "") -> None:
    """Show a plot below the cell, with what to see in it below the plot.

    caption    one or two sentences, Markdown; also read out in place of the image
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    assert isinstance(figure, Figure), "axes of a subfigure: pass the figure itself"
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    width = int(100 * figure.get_figwidth())
    display(Image(file.getvalue(), width=width, alt=caption or None))
    if caption:
        display(Markdown(f"*{caption}*"))


def describe(result: Any) -> None:
    """List the tensors of a stage's result: name, shape, dtype, minimum and maximum."""
    rows = [["tensor", "shape", "dtype", "min", "max"]]
    for name, tensor in tensors_of(result):
        values = np.asarray(tensor)
        low, high = (f"{values.min():.4g}", f"{values.max():.4g}") if values.size else ("", "")
        rows.append([name, str(list(values.shape)), str(values.dtype), low, high])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
