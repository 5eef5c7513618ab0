"""Check what people type, on the command line and into explorers. Does not import TensorFlow."""

import math

from mrcnn_explained.errors import InputError, shown


def read_box(text: str, name: str) -> list[float]:
    """Read `40, 60, 90, 120` as a box [y1, x1, y2, x2].

    name    name of the option or field, for the message

    Raises InputError for anything but four numbers with y2 > y1 and x2 > x1.
    """
    try:
        corners = [float(part) for part in text.split(",")]
    except ValueError:
        corners = []
    if len(corners) != 4 or not all(map(math.isfinite, corners)):
        raise InputError(f"{name} is {shown(text)}; expected four numbers, Y1,X1,Y2,X2")
    y1, x1, y2, x2 = corners
    if y2 <= y1 or x2 <= x1:
        raise InputError(f"{name} is {shown(text)}; expected Y1,X1,Y2,X2 with Y2 > Y1 and X2 > X1")
    return corners


def check_image_number(image: int, count: int, holder: str = "the trace holds") -> None:
    """Raise InputError unless a run on `count` images has the image with this number.

    holder    what the message says before the count
    """
    if not 0 <= image < count:
        raise InputError(f"image is {image}; {holder} {count}: give 0 to {count - 1}")
