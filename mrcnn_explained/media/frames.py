"""The frame of an image file that is meant: files of phones, scanners and satellites hold several.

A photo of a phone (MPO) carries a preview, a TIFF carries smaller copies of itself. A stack or an
animation has no frame that is meant: the caller chooses one.
"""

import operator
import warnings
from typing import NamedTuple

from PIL import Image

from mrcnn_explained.errors import ImageError, ImageWarning

#: Formats whose first frame is the image, and the others belong to it: previews, gain maps, layers.
FIRST_IS_MEANT = ("MPO", "PSD")

#: Numbers of TIFF's tags: what kind of copy a page is, in the new and in the old way.
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
REDUCED, MASK = 1, 4  # bits of the new tag
OLD_REDUCED = 2  # value of the old one

HALF = 1.9  # a copy is at least this many times smaller, on each side


class Page(NamedTuple):
    """A page of a TIFF file."""

    number: int
    size: tuple[int, int]  # width and height in pixels
    is_copy: bool  # marked as a smaller copy or as a mask


def select_frame(file: Image.Image, name: str, frame: int | None) -> None:
    """Move an open file to the frame that is meant.

    frame    number from 0; None: the only one that can be meant

    Emits ImageWarning if a TIFF's pages look like smaller copies but are not marked as such. Raises
    ImageError if the file has no such frame, or if `frame` is None and several could be meant.
    """
    count = getattr(file, "n_frames", 1)
    if frame is not None:
        number = _checked(frame, count, name)
        if count > 1:  # other formats cannot seek
            file.seek(number)
    elif count > 1 and file.format not in FIRST_IS_MEANT:
        page = _full_page(file, count, name) if file.format == "TIFF" else None
        if page is None:
            raise ImageError(
                f"{name} holds {count} frames; a single image was expected. Choose one from 0 to "
                f"{count - 1}: --frame N, in Python load_image(path, frame=N)"
            )
        file.seek(page)


def _checked(frame: int, count: int, name: str) -> int:
    """Return the number of a frame; raise ImageError if the file has no such frame."""
    try:
        number = operator.index(frame)
    except TypeError as error:
        raise ImageError(f"frame is {frame!r}; expected a whole number from 0") from error
    if not 0 <= number < count:
        held = "a single frame" if count == 1 else f"{count} frames"
        raise ImageError(f"{name} holds {held}: frame {number} does not exist; count from 0")
    return number


def _full_page(file: Image.Image, count: int, name: str) -> int | None:
    """Return the page of a TIFF whose other pages are copies of it; None for a stack."""
    pages: list[Page] = []
    for number in range(count):
        file.seek(number)
        pages.append(Page(number, file.size, _is_marked_as_copy(file)))
        unmarked = [page for page in pages if not page.is_copy]
        if any(not _is_smaller(page.size, unmarked[0].size) for page in unmarked[1:]):
            return None
    if not unmarked:
        _warn(name, f"holds {count} images that are all marked as copies: the first one is read")
        return 0
    if len(unmarked) > 1:
        _warn(
            name,
            f"holds {count} images: the first one is read, the others look like smaller copies "
            "of it. If another one is meant, choose it: --frame N, in Python frame=N",
        )
    return unmarked[0].number


def _is_marked_as_copy(file: Image.Image) -> bool:
    """Return whether the current page of a TIFF says that it is a smaller copy or a mask."""
    tags = getattr(file, "tag_v2", {})
    new, old = tags.get(NEW_SUBFILE_TYPE), tags.get(SUBFILE_TYPE)
    return (isinstance(new, int) and bool(new & (REDUCED | MASK))) or old == OLD_REDUCED


def _is_smaller(size: tuple[int, int], full: tuple[int, int]) -> bool:
    """Return whether a size is that of a smaller copy: the same shape, at most half the sides."""
    (width, height), (full_width, full_height) = size, full
    if width * HALF > full_width or height * HALF > full_height:
        return False
    # A pixel more or less on the shorter side is rounding.
    return abs(width * full_height - height * full_width) <= 2 * max(full_width, full_height)


def _warn(name: str, finding: str) -> None:
    """Report which frame of a file was taken."""
    warnings.warn(ImageWarning(name, finding), stacklevel=3)
