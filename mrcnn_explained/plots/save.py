"""Save figures as PNG files."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from mrcnn_explained.system.files import atomic_write

DPI = 110
COLORS = 256  # of the PNG's palette: a third of the size, without a visible difference


Drawn = Figure | SubFigure | Axes  # what a plot returns


def save_figure(drawn: Drawn, path: Path) -> Path:
    """Write a figure, or the figure that axes belong to, as PNG; return the path.

    The file is written whole or not at all.
    """
    with atomic_write(path) as file:
        file.write(png(drawn))
    return path


def png(drawn: Drawn) -> bytes:
    """Return a figure, or the figure that axes belong to, as a PNG with 256 colours."""
    figure = drawn
    while not isinstance(figure, Figure):  # axes or a subfigure
        figure = figure.figure
    full, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=DPI)
    Image.open(full).convert("RGB").quantize(COLORS).save(packed, format="PNG", optimize=True)
    return packed.getvalue()
