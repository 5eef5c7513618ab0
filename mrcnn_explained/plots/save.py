"""Save figures as PNG files."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from mrcnn_explained.files import atomic_write

DPI = 110
COLORS = 256  # of the PNG's palette: a third of the size, without a visible difference


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; return the path."""
    with atomic_write(path) as file:
        file.write(png(figure))
    return path


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG with a palette of 256 colours."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(COLORS).save(packed, format="PNG", optimize=True)
    return packed.getvalue()
