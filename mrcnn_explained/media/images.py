"""Images on input: from a file or an array to uint8 [h, w, 3], or a refusal that says why.

Needs no TensorFlow, so that a wrong path is reported at once.
"""

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mrcnn_explained.errors import ImageError, OutOfMemoryError, memory_for

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
CHANNELS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}

#: Pillow's modes that `Image.convert` turns into RGB.
TO_CONVERT = ("P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa")


def load_image(path: str | PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Read an image file as RGB, turned upright as its EXIF data asks.

    Grey images get three equal channels, an alpha channel is dropped, 16 bits become 8.

    Raises ImageError for anything but an image of one frame, and OutOfMemoryError.
    """
    path = Path(path)
    try:
        image = _open(path)
    except (ImageError, OutOfMemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(_not_an_image(path)) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path} is too large to unpack safely ({error}). Scale it down"
        ) from error
    except OSError as error:
        raise ImageError(_unreadable(path, error)) from error
    except (ValueError, SyntaxError, EOFError) as error:  # Pillow's errors for broken files
        raise ImageError(f"{path} is broken: {error}. Save it again as PNG or JPEG") from error
    if image.mode in TO_CONVERT:
        image = image.convert("RGB")
    return as_image(np.asarray(image), str(path))


def demo_image() -> Path:
    """Return the path of the demo image, which the package includes."""
    return Path(__file__).parent / "assets" / "demo.png"


def images_in(folder: Path) -> list[Path]:
    """Return all image files in a folder and its subfolders, in the order of their names.

    Raises ImageError if there is no such file.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise ImageError(f"{folder} has no image; expected files ending in {', '.join(SUFFIXES)}")
    return paths


def as_image(
    array: Num[np.ndarray, "h w *ch"], name: str = "the image"
) -> UInt8[np.ndarray, "h w 3"]:
    """Turn an array into uint8 [h, w, 3].

    array    one to four channels (grey, grey with alpha, RGB, RGBA), or none for grey; uint8,
             uint16 (divided by 257), 32-bit integers from 0 to 65535 (the same), or floats
             from 0 to 1 (times 255)
    name     what messages call the image

    Raises ImageError for other shapes, types and values.
    """
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[-1] not in CHANNELS or 0 in array.shape:
        raise ImageError(
            f"{name} has the shape {list(array.shape)}; expected [height, width, channels] "
            f"with 1 to 4 channels ({', '.join(CHANNELS.values())}) and at least one pixel"
        )
    if array.shape[-1] in (2, 4):
        array = array[..., :-1]
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    return np.ascontiguousarray(_to_uint8(array, name))


def _open(path: Path) -> Image.Image:
    """Read the one image of a file with Pillow, turned upright."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as file:
            frames = getattr(file, "n_frames", 1)
            if frames > 1:
                raise ImageError(
                    f"{path} holds {frames} frames; a single image was expected. "
                    "Save the frame that you mean as PNG or JPEG"
                )
            size = file.width * file.height * len(file.getbands())
            with memory_for(str(path), size):
                file.load()
                return ImageOps.exif_transpose(file)


def _to_uint8(array: Num[np.ndarray, "h w ch"], name: str) -> UInt8[np.ndarray, "h w ch"]:
    """Bring values to 0…255 by their type and range; raise ImageError if that is not possible."""
    kind = array.dtype.kind
    if kind not in "iuf":
        raise ImageError(f"{name} holds {array.dtype}; expected uint8, uint16 or floats 0…1")
    if array.dtype == np.uint8:
        return array
    low, high = array.min(), array.max()
    if kind in "iu" and low >= 0 and high <= 65535:
        return (array // 257).astype(np.uint8)
    if kind == "f":
        if not np.isfinite(array).all():
            wrong = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ImageError(
                f"{name} holds NaN or infinity, first at [row, column, channel] {wrong}"
            )
        if low >= 0 and high <= 1:
            return np.round(array * 255).astype(np.uint8)
    raise ImageError(
        f"{name} holds {array.dtype} values from {low} to {high}; expected uint8 0…255, "
        "uint16 0…65535 or floats 0…1. Scale it to one of these"
    )


def _not_an_image(path: Path) -> str:
    """Describe a file whose format Pillow does not know."""
    size = path.stat().st_size
    if size == 0:
        return f"{path} is empty; an image file was expected (PNG, JPEG, …)"
    return f"{path} is not an image that Pillow can read ({size} bytes). Give a PNG or JPEG file"


def _unreadable(path: Path, error: OSError) -> str:
    """Describe a path that the system or Pillow cannot read."""
    if path.is_dir():
        return f"{path} is a directory; give one image file in it"
    if not path.exists():
        return f"{path} does not exist; give the path of an image file"
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user; change its permissions"
    return f"{path} is truncated or broken: {error}. Save it again as PNG or JPEG"
