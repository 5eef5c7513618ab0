"""Pixels on input: an array of any usual type becomes uint8 [h, w, 3], or is refused with a reason.

This is the one way in for pixels: detection, training, evaluation, surveys and videos use it. What
it has to assume about the meaning of the values, it reports as an ImageWarning.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Num, UInt8

from mrcnn_explained.errors import ImageError, ImageWarning

CHANNELS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}

#: Bits per value of the usual cameras, scanners and microscopes that need more than 8.
DEPTHS = (10, 12, 14, 16)

GREY = np.array([0.299, 0.587, 0.114])  # weights of red, green and blue (ITU-R 601)

ROWS = 256  # rows that are converted at once, so that large images need little more memory

GIVE_RANGE = "give the range: --value-range LOW HIGH, in Python value_range=(low, high)"

ValueRange = tuple[float, float]  # the values that become 0 (black) and 255 (white)


def as_image(
    array: Num[np.ndarray, "h w *ch"],
    name: str = "the image",
    *,
    value_range: ValueRange | None = None,
    channels: int = 3,
) -> UInt8[np.ndarray, "h w ch"]:
    """Turn an array into uint8 [h, w, 3], or with as many channels as a config asks for.

    array          one to four channels (grey, grey with alpha, RGB, RGBA), or none for grey; the
                   alpha channel is dropped
    name           what messages call the image
    value_range    the values that become 0 and 255; None: the largest value decides
    channels       3 for RGB, 1 for grey, 4 for RGB with alpha: that of the array, else 255

    Without `value_range`, uint8 stays as it is, and floats up to 1 are shares of 255. Other whole
    numbers up to 255 are those values. Above 255, integers are taken as 10, 12, 14 or 16 bits:
    the fewest that hold the largest value.

    Emits ImageWarning for a range that was assumed and for values outside the given one. Raises
    ImageError for other shapes and types, and for values without a clear meaning: negative ones,
    NaN, integers above 65535, floats a little above 1 or above 255.
    """
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ImageError(f"{name} is not an array of numbers [height, width, channels]") from error
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[-1] not in CHANNELS or 0 in array.shape:
        raise ImageError(_wrong_shape(array, name))
    alpha = None
    if array.shape[-1] in (2, 4):
        array, alpha = array[..., :-1], array[..., -1:]
    pixels = _to_uint8(array, name, check_range(value_range))
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(_with_channels(pixels, alpha, name, channels))


def _with_channels(
    pixels: UInt8[np.ndarray, "h w 3"], alpha: np.ndarray | None, name: str, channels: int
) -> UInt8[np.ndarray, "h w ch"]:
    """Return RGB as the number of channels that is asked for."""
    if channels == 3:
        return pixels
    if channels == 1:
        return np.round(pixels @ GREY).astype(np.uint8)[..., np.newaxis]
    if channels == 4:
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        kept = opaque if alpha is None else _to_uint8(alpha, name, None)
        return np.concatenate([pixels, kept], axis=-1)
    raise ImageError(
        f"the config asks for {channels} channels (image_channel_count); an image has 1, 3 or 4"
    )


def check_range(value_range: ValueRange | None) -> ValueRange | None:
    """Return a range of values as two floats; raise ImageError if it is not a range."""
    if value_range is None:
        return None
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise ImageError(
            f"value_range (--value-range) is {value_range!r}; expected two numbers, for example "
            "(0, 4095)"
        ) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ImageError(
            f"value_range (--value-range) is ({low:g}, {high:g}); expected two finite numbers, "
            "the lower one first"
        )
    return low, high


def _to_uint8(
    array: Num[np.ndarray, "h w ch"], name: str, value_range: ValueRange | None
) -> UInt8[np.ndarray, "h w ch"]:
    """Bring values to 0…255; raise ImageError if their meaning is not clear."""
    kind = array.dtype.kind
    if kind == "b":
        raise ImageError(
            f"{name} holds bool, which is a mask and not an image; for black and white, pass "
            "array * np.uint8(255)"
        )
    if kind not in "iuf":
        raise ImageError(f"{name} holds {array.dtype}; expected whole numbers or floats")
    if kind == "f" and not np.isfinite(array).all():
        wrong = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ImageError(
            f"{name} holds NaN or infinity, first at [row, column, channel] {wrong}; replace "
            "them by a value, for example with np.nan_to_num"
        )
    if value_range is not None:
        return _stretched(array, name, value_range)
    if array.dtype == np.uint8:
        return array
    if array.min() < 0:
        raise ImageError(_no_meaning(array, name, "negative values have no usual meaning"))
    return _floats(array, name) if kind == "f" else _integers(array, name)


def _integers(array: Num[np.ndarray, "h w ch"], name: str) -> UInt8[np.ndarray, "h w ch"]:
    """Bring whole numbers to 0…255: those values, or the fewest usual bits that hold them."""
    high = int(array.max())
    bits = 8 * array.dtype.itemsize
    if high <= 255:
        if bits == 16 and high > 0:
            _warn(
                name,
                "holds 16-bit numbers of which none is above 255: they are taken as 8 bits, "
                f"0…255. If the image is only dark, {GIVE_RANGE}",
            )
        return array.astype(np.uint8)
    depth = next((depth for depth in DEPTHS if high < 2**depth), None)
    if depth is None:
        raise ImageError(_no_meaning(array, name, "more than 16 bits have no usual meaning"))
    top = 2**depth - 1
    if not (depth == 16 and array.dtype.kind == "u" and bits == 16):
        _warn(
            name,
            f"holds {bits}-bit numbers of which none is above {top}: they are taken as {depth} "
            f"bits, 0…{top}. If that is wrong, {GIVE_RANGE}",
        )
    table = np.round(np.arange(top + 1) * (255 / top)).astype(np.uint8)
    return _by_rows(array, lambda rows: table[rows])


def _floats(array: Num[np.ndarray, "h w ch"], name: str) -> UInt8[np.ndarray, "h w ch"]:
    """Bring floats to 0…255: shares of 255, or those values."""
    high = float(array.max())
    if high <= 1:
        return _by_rows(array, lambda rows: np.round(rows * 255).astype(np.uint8))
    if high > 255:
        raise ImageError(_no_meaning(array, name, "floats are 0…1 or 0…255"))
    if high <= 2 and not _are_whole(array):  # what is left of 0…1 after a resize, for example
        raise ImageError(_no_meaning(array, name, "floats a little above 1 may be 0…1 or 0…255"))
    _warn(
        name,
        f"holds floats above 1: they are taken as 0…255, not as 0…1. If that is wrong, "
        f"{GIVE_RANGE}",
    )
    return _by_rows(array, lambda rows: np.round(rows).astype(np.uint8))


def _stretched(
    array: Num[np.ndarray, "h w ch"], name: str, value_range: ValueRange
) -> UInt8[np.ndarray, "h w ch"]:
    """Bring a given range of values to 0…255; values outside it become black or white."""
    low, high = value_range
    if array.min() < low or array.max() > high:
        _warn(
            name,
            f"holds values outside the given range {low:g}…{high:g}: they become black or white",
        )

    def convert(rows: Num[np.ndarray, "n w ch"]) -> UInt8[np.ndarray, "n w ch"]:
        """Convert some rows."""
        shares = (rows.astype(np.float64) - low) / (high - low)
        return np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)

    return _by_rows(array, convert)


def _by_rows(
    array: Num[np.ndarray, "h w ch"],
    convert: Callable[[Num[np.ndarray, "n w ch"]], UInt8[np.ndarray, "n w ch"]],
) -> UInt8[np.ndarray, "h w ch"]:
    """Convert an array some rows at a time."""
    pixels = np.empty(array.shape, np.uint8)
    for top in range(0, len(array), ROWS):
        pixels[top : top + ROWS] = convert(array[top : top + ROWS])
    return pixels


def _are_whole(array: Num[np.ndarray, "h w ch"]) -> bool:
    """Return whether all floats are whole numbers."""
    return bool((array == np.floor(array)).all())


def _warn(name: str, finding: str) -> None:
    """Report what was found in an image, and what was assumed."""
    warnings.warn(ImageWarning(name, finding), stacklevel=2)


def _wrong_shape(array: Num[np.ndarray, "..."], name: str) -> str:
    """Describe an array whose shape is not that of an image."""
    first = array.ndim == 3 and array.shape[0] in CHANNELS
    return (
        f"{name} has the shape {list(array.shape)}; expected [height, width, channels] "
        f"with 1 to 4 channels ({', '.join(CHANNELS.values())}) and at least one pixel"
        + (". If the channels come first, pass array.transpose(1, 2, 0)" if first else "")
    )


def _no_meaning(array: Num[np.ndarray, "h w ch"], name: str, reason: str) -> str:
    """Describe values of which it is not clear what is black and what is white."""
    return (
        f"{name} holds {array.dtype} values from {array.min()} to {array.max()}; expected "
        f"0…255, 10 to 16 bits, or floats 0…1: {reason}. Scale them, or {GIVE_RANGE}"
    )
