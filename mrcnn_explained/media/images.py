"""Images at the door: from a file or an array to uint8 [h, w, 3], or a refusal in words.

Needs no TensorFlow, so that a wrong path is told at once.
"""

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Num, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mrcnn_explained.errors import ImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
CHANNELS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}


def load_image(path: str | PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Read an image file as RGB, turned upright where its EXIF data says so.

    Grey images get three equal channels, an alpha channel is dropped, 16 bits become 8.
    Raises ImageError for what is not an image of one frame.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                frames = getattr(file, "n_frames", 1)
                if frames > 1:
                    raise ImageError(
                        f"{path} holds {frames} frames; a single image was expected. "
                        "Save the frame that you mean as PNG or JPEG"
                    )
                file.load()
                image = ImageOps.exif_transpose(file)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(_not_a_image(path)) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path} is too large to unpack safely ({error}). Scale it down"
        ) from error
    except OSError as error:
        raise ImageError(_unreadable(path, error)) from error
    except (ValueError, SyntaxError, EOFError) as error:  # Pillow's words for broken files
        raise ImageError(f"{path} is broken: {error}. Save it anew as PNG or JPEG") from error
    if image.mode in ("P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"):
        image = image.convert("RGB")
    return as_image(np.asarray(image), str(path))


def demo_image() -> Path:
    """The path of the demo image."""
    return Path(__file__).parent / "assets" / "demo.png"


def images_in(folder: Path) -> list[Path]:
    """All image files in a folder and below it, in the order of their names.

    Raises ImageError where there is none.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise ImageError(f"no image lies in {folder}; it looks for {', '.join(SUFFIXES)}")
    return paths


def as_image(
    array: Num[np.ndarray, "h w *ch"], name: str = "the image"
) -> UInt8[np.ndarray, "h w 3"]:
    """Turn an array into uint8 [h, w, 3], or say why it cannot be.

    Taken: one to four channels (grey, with alpha, RGB, RGBA); uint8; uint16, divided by 257;
    32-bit integers that fit into 16 bits; floats from 0 to 1, times 255.
    """
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[-1] not in CHANNELS or 0 in array.shape:
        raise ImageError(
            f"{name} has the shape {list(array.shape)}; expected [height, width, channels] "
            f"with 1 to 4 channels ({', '.join(CHANNELS.values())}) and a pixel at least"
        )
    if array.shape[-1] in (2, 4):
        array = array[..., :-1]
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    return np.ascontiguousarray(_to_uint8(array, name))


def color_splash(
    image: UInt8[np.ndarray, "h w 3"], masks: Bool[np.ndarray, "h w n"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The image in grey, with colour left where any mask is."""
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    inside = masks.any(axis=-1, keepdims=True)
    return np.where(inside, image, grey).astype(np.uint8)


def _to_uint8(array, name):
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


def _not_a_image(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        return f"{path} is empty; an image file was expected (PNG, JPEG, …)"
    return f"{path} is not an image that Pillow can read ({size} bytes). Give a PNG or JPEG file"


def _unreadable(path: Path, error: OSError) -> str:
    if path.is_dir():
        return f"{path} is a directory; give one image file in it"
    if not path.exists():
        return f"{path} does not exist; give the path of an image file"
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user; change its permissions"
    return f"{path} is truncated or broken: {error}. Save it anew as PNG or JPEG"
