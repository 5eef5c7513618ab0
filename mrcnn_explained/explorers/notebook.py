"""What notebooks need beside stages, plots and explorers: to show, to list, to be asked."""

import io
from typing import Any

import numpy as np
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.trace import named_tensors


def show(drawn: Axes | Figure) -> None:
    """Show a plot below the cell."""
    figure = drawn.figure if isinstance(drawn, Axes) else drawn
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    display(Image(file.getvalue(), width=int(100 * figure.get_figwidth())))


def describe(result: Any) -> None:
    """List a stage's tensors: name, shape, kind, least and largest value."""
    rows = [("tensor", "shape", "kind", "least", "largest")]
    for name, tensor in named_tensors(result):
        values = np.asarray(tensor)
        ends = [f"{v:.4g}" for v in (values.min(), values.max())] if values.size else ["", ""]
        rows.append((name, str(list(values.shape)), str(values.dtype), *ends))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def check(answer: Any, right: Any, why: str, *, within: float = 0.0) -> bool:
    """Say whether an answer is right, and why; None is no answer yet.

    within    how far a number may be off
    """
    if answer is None:
        print("Put your answer in place of None and run the cell again.")
        return False
    numbers = all(isinstance(x, int | float | np.number) for x in (answer, right))
    good = abs(answer - right) <= within if numbers else answer == right
    print(f"Right. {why}" if good else "Not yet. Look again, and try another answer.")
    return bool(good)
