"""Frames: which way up an image was when it was annotated.

A photo is stored as the sensor saw it, and its EXIF orientation says how to turn it. Some tools
draw on the upright image, others on the stored one; the declared size shows which, if the two
differ.
"""

import warnings
from enum import Enum
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool
from PIL import Image

from mrcnn_explained.data.records import DatasetError
from mrcnn_explained.errors import ImageError
from mrcnn_explained.media.frames import select_frame
from mrcnn_explained.media.images import load_image
from mrcnn_explained.system.files import check_file

ORIENTATION, WIDTH, HEIGHT = 0x0112, 0x0100, 0x0101  # TIFF's and EXIF's tags
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width

#: Which frame was drawn on: the declared size decides, or the user.
FrameChoice = Literal["auto", "upright", "stored"]


class Frame(Enum):
    """What the declared size of an image says about the frame that was drawn on."""

    UPRIGHT = "upright"
    STORED = "stored"
    EITHER = "either"  # both frames have that size, or no size is declared
    NEITHER = "neither"  # the size of another image


class ImageSize(NamedTuple):
    """The size of an image file, and how it must be turned."""

    stored: tuple[int, int]  # height, width of the stored pixels
    orientation: int  # 1…8, as in EXIF

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width when upright, as `load_image` returns the image."""
        return self.stored[::-1] if self.orientation in SIDEWAYS else self.stored


def read_size(path: Path) -> ImageSize:
    """Read the size and the orientation of an image file without its pixels.

    Raises DatasetError or ImageError if the file is no image.
    """
    check_file(path, "an image file", ImageError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                select_frame(image, str(path), None)
                if image.format == "TIFF":  # Pillow turns its size, or not, by version
                    tags = image.tag_v2  # type: ignore[attr-defined]  # of TIFF images only
                    stored = int(tags[HEIGHT]), int(tags[WIDTH])
                    orientation = tags.get(ORIENTATION, 1)
                else:
                    stored = image.height, image.width
                    orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's errors for broken files are of many kinds
        shape = load_image(path).shape  # the one place that says what is wrong with an image
        return ImageSize((shape[0], shape[1]), 1)
    if Image.MAX_IMAGE_PIXELS and stored[0] * stored[1] > Image.MAX_IMAGE_PIXELS:
        load_image(path)  # refuses it, and says what to do
    valid = isinstance(orientation, int) and 1 <= orientation <= 8
    return ImageSize(stored, orientation if valid else 1)


def frame_of(size: ImageSize, declared: tuple[int, int] | None) -> Frame:
    """Return which frame an image was annotated in, by its declared (height, width)."""
    is_upright, is_stored = declared == size.upright, declared == size.stored
    if size.orientation == 1:
        return Frame.UPRIGHT if is_upright or declared is None else Frame.NEITHER
    if declared is None or (is_upright and is_stored):
        return Frame.EITHER
    if is_upright:
        return Frame.UPRIGHT
    return Frame.STORED if is_stored else Frame.NEITHER


def check_choice(frame: str) -> None:
    """Raise DatasetError for anything but a FrameChoice."""
    if frame not in ("auto", "upright", "stored"):
        raise DatasetError(f"frame is {frame!r}; expected auto, upright or stored")


def turn(masks: Bool[np.ndarray, "h w *n"], orientation: int) -> Bool[np.ndarray, "H W *n"]:
    """Turn masks of the stored pixels upright, as the image's orientation asks."""
    match orientation:
        case 2:
            return masks[:, ::-1]
        case 3:
            return masks[::-1, ::-1]
        case 4:
            return masks[::-1]
        case 5:
            return masks.swapaxes(0, 1)
        case 6:
            return np.rot90(masks, -1)
        case 7:
            return np.rot90(masks, 2).swapaxes(0, 1)
        case 8:
            return np.rot90(masks, 1)
    return masks
