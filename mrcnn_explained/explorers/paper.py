"""Squared paper: the background of explorers that need no image, 200 pixels high and wide."""

from typing import Unpack

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.scenes.format import Panel
from mrcnn_explained.scenes.scene import PanelOptions, image_panel

SIDE = 200  # pixels
CELL = 20  # pixels between two lines
LINE, GROUND = 214, 244  # of 255


def paper(side: int = SIDE) -> UInt8[np.ndarray, "s s 3"]:
    """Return the paper: bright, with a line every 20 pixels."""
    found = np.full([side, side, 3], GROUND, np.uint8)
    found[::CELL], found[:, ::CELL] = LINE, LINE
    return found


def paper_panel(title: str, side: int = SIDE, **options: Unpack[PanelOptions]) -> Panel:
    """Return a panel over the paper, in its pixels."""
    return image_panel(title, np.empty([side, side, 0]), fade=1.0, **options)
