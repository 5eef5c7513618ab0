"""The block of a Map: arrays end to end, compressed; the index says where each one lies."""

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from mrcnn_explained.scenes.map_format import ArrayPlace

ALIGN = 4  # bytes: a browser's view of float32 starts on a multiple of it


class Block:
    """Arrays that are added one by one; `index` and `packed` are what a page needs."""

    def __init__(self) -> None:
        self.index: dict[str, ArrayPlace] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: ArrayLike, dtype: DTypeLike) -> None:
        """Append an array."""
        array = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
        padding = -self._size % ALIGN
        self._parts += [bytes(padding), array.tobytes()]
        at = self._size + padding
        self.index[name] = {
            "dtype": np.dtype(dtype).name,
            "shape": [int(side) for side in np.shape(values)],
            "at": at,
        }
        self._size = at + array.nbytes

    def add_map(self, name: str, values: ArrayLike) -> None:
        """Append a map of real values [channels, h, w] in 256 steps, a range for each channel.

        NaN and infinity, of a run that overflowed, become 0.
        """
        numbers = np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0)
        low, high = numbers.min(axis=(1, 2)), numbers.max(axis=(1, 2))
        step = np.maximum(high - low, 1e-9) / 255
        self.add(name, np.round((numbers - low[:, None, None]) / step[:, None, None]), np.uint8)
        self.index[name] |= {"low": low.tolist(), "step": step.tolist()}

    def add_all(self, arrays: Iterable[tuple[str, Any, DTypeLike]]) -> None:
        """Append several arrays: (name, values, dtype)."""
        for name, values, dtype in arrays:
            self.add(name, values, dtype)

    def packed(self) -> bytes:
        """Return all arrays, compressed by zlib."""
        return zlib.compress(b"".join(self._parts), 9)
