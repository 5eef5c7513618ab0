"""What notebooks need beside stages, plots and explorers: to show, to list, to be asked."""

import io
from typing import Any

import numpy as np
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.detector.trace import named_tensors
from mrcnn_explained.lessons.answers import ANSWERS


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


def check_answer(question: str, answer: Any, right: Any = None) -> None:
    """Say whether an answer is right, and why.

    question    notebook and number, "07.2"
    answer      the reader's; None is none yet
    right       the right one, where it comes from the notebook's own tensors
    """
    if answer is None:
        return print("Put your answer in place of None and run the cell again.")
    known = ANSWERS[question]
    right = known.right if right is None else right
    numbers = all(isinstance(x, int | float | np.number) for x in (answer, right))
    good = abs(answer - right) <= known.within if numbers else answer == right
    if good:
        return print(f"Right. {known.why}")
    hint = f" Too {'low' if answer < right else 'high'}." if numbers else ""
    print(f"Not yet.{hint} Look again, and try another answer.")
