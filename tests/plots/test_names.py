"""A class name on a plot is text, whatever it holds."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import class_label, label_boxes, plain_text

NAMES = [
    "$", "$x", "$x$", "$_^{", r"\$", r"\frac{", "a_b^c", "[red]", "a\nb", "🐞", "\u202eabc",
    "写真", "\udcff", "x" * 500, "<b>", "%s", "{0}",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Glyph")  # the font lacks some characters
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_text(name):
    ax = Figure().subplots()
    text = class_label(1, ("background", name))
    ax.set_title(text)
    label_boxes(ax, [(0.1, 0.1, 0.5, 0.5)], [f"{text} 0.99"], ["#ff0000"])
    ax.figure.savefig(io.BytesIO(), format="png")
    assert len(text) <= 50 and "\n" not in text


def test_what_is_shown_of_a_name():
    assert plain_text("a $b$") == r"a \$b\$" and plain_text("a\n b") == "a b"
    assert plain_text("x" * 500) == "x" * 39 + "…"


def test_boxes_that_are_not_finite_get_no_label():
    ax = Figure().subplots()
    label_boxes(ax, [(np.nan, 0, 1, 1), (0, 0, 1, np.inf)], ["a", "b"], ["#000000", "#000000"])
    assert not ax.texts
