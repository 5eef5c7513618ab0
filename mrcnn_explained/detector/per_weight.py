"""Per weight: what a function says of each weight, asked again only where values changed."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
import tensorflow as tf

T = TypeVar("T")


class PerWeight(Generic[T]):
    """A function of the values of a weight that is called again only for weights that changed.

    function    takes the values of one weight, an array

    Whether values changed is known without a look at them. TensorFlow never writes into memory
    that somebody else still holds: it copies it first. The arrays seen last are held here, so a
    weight whose memory is still the same has the same values, to the last bit. The price: after
    a change the old values stay in memory until the next call.
    """

    def __init__(self, function: Callable[[np.ndarray], T]):
        self._function = function
        self._seen: dict[str, tuple[np.ndarray, T]] = {}

    def __call__(self, weights: Mapping[str, Any]) -> dict[str, T]:
        """Return weight → what the function returns of its values.

        weights    Keras variables by `layer/weight`; the same names always mean the same network
        """
        values = {name: as_array(weight) for name, weight in weights.items()}
        changed = [name for name in values if not self._is_known(name, values[name])]
        with ThreadPoolExecutor() as threads:  # NumPy and hashlib let other threads run
            results = threads.map(self._function, (values[name] for name in changed))
            answers = dict(zip(changed, results, strict=True))
        known = {name: self._seen[name][1] for name in values if name not in answers}
        self._seen = {name: (values[name], (known | answers)[name]) for name in values}
        return {name: answer for name, (_, answer) in self._seen.items()}

    def _is_known(self, name: str, values: np.ndarray) -> bool:
        """Return whether the values are those that the function saw last."""
        if name not in self._seen:
            return False
        seen = self._seen[name][0]
        return seen.shape == values.shape and seen.ctypes.data == values.ctypes.data


def as_array(weight: Any) -> np.ndarray:
    """Return the values of a Keras variable without a copy, which NumPy would make of it."""
    return np.asarray(tf.convert_to_tensor(getattr(weight, "value", weight)))
