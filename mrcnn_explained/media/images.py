"""Image files on input: RGB, upright, of the frame that is meant, or a refusal that says why.

Needs no TensorFlow, so that a wrong path is reported at once.
"""

import io
import math
import sys
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Num, UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from mrcnn_explained.errors import ImageError, ImageWarning, InputError, memory_for
from mrcnn_explained.media.frames import FIRST_IS_MEANT, select_frame
from mrcnn_explained.media.pixels import ROWS, ValueRange, as_image
from mrcnn_explained.system.files import check_file

#: Pillow's modes whose values are taken as they are → channels to keep: no alpha, no padding.
#: `Image.convert` turns all other modes into RGB.
CHANNELS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3}
WIDE = ("I", "F")  # the same with more than 8 bits in one channel, beside I;16 and its kin

#: What Pillow knows but an image loader should not open: page descriptions, which need another
#: program, and formats for which Pillow has no reader of its own.
NOT_IMAGES = ("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG")

#: Formats whose 16-bit values Pillow brings to 0…65535, however many bits the file has.
FULL_RANGE = ("PPM", "JPEG2000")

#: Of a raw mode of 16 bits, Pillow keeps the high bytes; this one reads the low bytes.
LOW_BYTES = {
    f"{mode};16{high}": f"{mode};16{low}"
    for mode in ("RGB", "RGBX", "RGBA")
    for high, low in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}

#: EXIF's orientation → quarters to turn anticlockwise, then whether to mirror left and right.
TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}

TILE = 4096  # side of the tiles that the message about large images proposes
PHOTOMETRIC = 262  # TIFF's tag that says, among others, whether white is zero


class Stored(NamedTuple):
    """What an image file holds, turned upright."""

    values: Num[np.ndarray, "h w *ch"]
    value_range: ValueRange | None  # of the format; None: the values decide
    white_is_zero: bool


class _Stream(io.BufferedReader):
    """A file of which no more is read at once than it holds.

    A broken file may say that gigabytes follow, and Python reserves memory for what is asked for.
    """

    def __init__(self, path: Path):
        super().__init__(io.FileIO(path))
        self.size = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes; None or -1: all."""
        return super().read(size if size is None else min(size, self.size))


def load_image(
    path: str | PathLike[str],
    frame: int | None = None,
    *,
    value_range: ValueRange | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Read an image file as RGB, turned upright as its EXIF data asks.

    frame          which frame of a stack or animation, from 0; None: the file's one image. Of a
                   phone's MPO that is the first frame, of a TIFF with smaller copies the full image
    value_range    the values that become 0 and 255; None: `as_image` decides

    Grey images get three equal channels, an alpha channel is dropped, more bits become 8.

    Emits ImageWarning for what had to be assumed. Raises ImageError for anything that is not an
    image or that holds several, and OutOfMemoryError.
    """
    path = Path(path)
    check_file(path, "an image file", ImageError)
    try:
        stored = _read(path, frame)
    except (InputError, ImageWarning):  # the latter, if Python was asked to raise warnings
        raise
    except UnidentifiedImageError as error:
        raise ImageError(_not_an_image(path)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise ImageError(_too_large(path, limit, None)) from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read by this user; change its permissions") from error
    except Exception as error:  # a broken file makes Pillow's readers raise almost anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ImageError(
            f"{path} is truncated or broken: {reason}. Save it again as PNG or JPEG"
        ) from error
    image = as_image(stored.values, str(path), value_range=value_range or stored.value_range)
    return 255 - image if stored.white_is_zero else image


def demo_image() -> Path:
    """Return the path of the demo image, which the package includes."""
    return Path(__file__).parent / "assets" / "demo.png"


def _read(path: Path, frame: int | None) -> Stored:
    """Return what a file holds of the frame that is meant."""
    with _Stream(path) as stream, Image.open(stream, formats=_formats()) as file:
        select_frame(file, str(path), frame)
        limit = _most_pixels(file)
        if limit and file.width * file.height > limit:
            raise ImageError(_too_large(path, limit, file.size))
        is_wide = file.mode.startswith("I")
        white_is_zero = (
            file.mode.startswith("I;16") and getattr(file, "tag_v2", {}).get(PHOTOMETRIC) == 0
        )
        with memory_for(str(path), file.width * file.height * len(file.getbands())):
            values = _upright(_values(file, path), file, path)
    value_range = (0, 65535) if file.format in FULL_RANGE and is_wide else None
    return Stored(values, value_range, white_is_zero)


def _formats() -> list[str]:
    """Return the names of the formats that are opened."""
    Image.init()
    return [name for name in Image.OPEN if name not in NOT_IMAGES]


def _most_pixels(file: Image.Image) -> int:
    """Return how many pixels are read of a file, so that it takes less than 1 GB; 0: any number."""
    limit = Image.MAX_IMAGE_PIXELS or 0
    if file.format == "JPEG2000":
        return limit // 3
    several = getattr(file, "n_frames", 1) > 1 and file.format not in ("TIFF", *FIRST_IS_MEANT)
    is_wide_colour = not file.mode.startswith(WIDE) and any(
        ";16" in _raw_mode(tile) for tile in getattr(file, "tile", [])
    )
    return limit // 2 if several or is_wide_colour or file.format == "WEBP" else limit


def _values(file: Image.Image, path: Path) -> Num[np.ndarray, "h w *ch"]:
    """Return the values of an open file, with all their bits."""
    tiles = getattr(file, "tile", [])
    raw_modes = {_raw_mode(tile) for tile in tiles}
    if file.mode.startswith(WIDE) or not any(";16" in mode for mode in raw_modes):
        return _array(file)
    if raw_modes == {"LA;16B"} and file.mode == "RGBA":  # read as four bytes: L, L, A, A
        with _Stream(path) as stream:
            again = _reopened(file, stream, {"LA;16B": "RGBA"})
            return _array(again, keep=2).view(">u2")
    if not raw_modes <= set(LOW_BYTES):
        finding = (
            "holds 16 bits per channel, of which 8 can be read: values of fewer bits, as of a "
            "12-bit camera, come out dark"
        )
        warnings.warn(ImageWarning(str(path), finding), stacklevel=2)
        return _array(file)
    with _Stream(path) as stream:
        again = _reopened(file, stream, LOW_BYTES)
        values = _array(file).astype(np.uint16)
        values *= 256
        values += _array(again)
    return values


def _raw_mode(tile: Any) -> str:
    """Return the raw mode of one of the pieces that Pillow decodes."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple | list) and arguments else arguments)


def _reopened(file: Image.Image, stream: BinaryIO, raw_modes: dict[str, str]) -> Image.Image:
    """Open a file again, at the same frame, to decode other bytes of its pixels."""
    again: Any = Image.open(stream, formats=[str(file.format)])
    if file.tell():
        again.seek(file.tell())
    again.tile = [
        (tile[0], tile[1], tile[2], _with_raw_mode(tile[3], raw_modes[_raw_mode(tile)]))
        for tile in again.tile
    ]
    return again


def _with_raw_mode(arguments: Any, raw_mode: str) -> Any:
    """Return a decoder's arguments with another raw mode."""
    return raw_mode if isinstance(arguments, str) else (raw_mode, *arguments[1:])


def _array(image: Image.Image, keep: int | None = None) -> Num[np.ndarray, "h w *ch"]:
    """Return an image's values, converted some rows at a time: the whole would need it twice.

    keep    channels to keep; None: all but alpha
    """
    image.load()
    as_stored = image.mode in CHANNELS or image.mode.startswith(WIDE)
    keep = keep or CHANNELS.get(image.mode, 3)
    values: Any = None
    for top in range(0, image.height, ROWS):
        bottom = min(top + ROWS, image.height)
        rows = image.crop((0, top, image.width, bottom))
        part = np.asarray(rows if as_stored else rows.convert("RGB"))
        part = part[..., :keep] if part.ndim == 3 else part[..., np.newaxis]
        if values is None:
            values = np.empty((image.height, *part.shape[1:]), part.dtype)
        values[top:bottom] = part
    return values


def _upright(
    values: Num[np.ndarray, "h w ch"], file: Image.Image, path: Path
) -> Num[np.ndarray, "h w ch"]:
    """Turn values as the EXIF data of their file asks. Pillow has already turned TIFF and AVIF."""
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF data makes Pillow raise almost anything
        finding = "has broken EXIF data: it is taken as upright"
        warnings.warn(ImageWarning(str(path), finding), stacklevel=2)
        return values
    quarters, mirrored = TURNS.get(orientation, (0, False)) if orientation else (0, False)
    turned = np.rot90(values, quarters)
    return turned[:, ::-1] if mirrored else turned


def _too_large(path: Path, limit: int, size: tuple[int, int] | None) -> str:
    """Describe an image with more pixels than are read, and propose what works."""
    tile = min(TILE, math.isqrt(limit))
    if size is None:  # Pillow does not report it
        return (
            f"{path} is too large to unpack safely: at most {limit:,} pixels are read. Cut it into "
            f"tiles of {tile} x {tile}, crop it, or scale it down to sides of at most "
            f"{math.isqrt(limit):,}"
        )
    width, height = size
    columns, rows = math.ceil(width / tile), math.ceil(height / tile)
    share = math.sqrt(limit / (width * height))
    smaller = f"{int(width * share)} x {int(height * share)}"
    return (
        f"{path} is too large to unpack safely: {width} x {height} pixels, and at most {limit:,} "
        f"are read. Cut it into {columns} x {rows} tiles of {tile} x {tile}, crop it, or scale it "
        f"down to {smaller}"
    )


#: How files begin that people take for images, and what to do with them: place, bytes, words.
FOREIGN = (
    (0, b"%PDF", "a PDF: save its page as PNG"),
    (0, b"%!PS", "PostScript, a page description: save it as PNG"),
    (0, b"<svg", "SVG, a drawing: save it as PNG"),
    (4, b"ftyphei", "a HEIC photo, which Pillow cannot read: save it as JPEG"),
    (4, b"ftyphev", "a HEIC photo, which Pillow cannot read: save it as JPEG"),
    (4, b"ftypmif1", "a HEIC photo, which Pillow cannot read: save it as JPEG"),
    (4, b"ftyp", "a video: choose a frame and save it as PNG"),
    (
        0,
        b"II*\0",
        "a TIFF without a size, or with bands or values that Pillow cannot read: save "
        "the bands that you mean as RGB or grey, 8 or 16 bits",
    ),
    (
        0,
        b"MM\0*",
        "a TIFF without a size, or with bands or values that Pillow cannot read: save "
        "the bands that you mean as RGB or grey, 8 or 16 bits",
    ),
)


def _not_an_image(path: Path) -> str:
    """Describe a file whose format Pillow does not know."""
    with path.open("rb") as file:
        start = file.read(32)
    size = path.stat().st_size
    for place, begin, words in FOREIGN:
        if start[place:].startswith(begin):
            return f"{path} is not an image that Pillow can read ({size} bytes). It is {words}"
    return f"{path} is not an image that Pillow can read ({size} bytes). Give a PNG or JPEG file"
