"""Runner: calls the stages of one run, keeps what is known, and takes other functions in place.

`MaskRCNN._stages` hands every stage to a runner by its name in the trace. That is all that a
what-if needs: results that are known are not computed again, and a stage may be the reader's.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.detector.trace import Omitted
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.levels import HIGHEST, LOWEST


class StageError(InputError):
    """A function in place of a stage that does something else: what came, what was expected."""


class Runner:
    """`run(name, stage, *inputs, **settings)` → the stage's result.

    known       results by name; these are returned as they are
    replaced    functions to call in place of stages, by name
    settings    arguments that override those of a stage, by name
    """

    def __init__(
        self,
        known: Mapping[str, Any] | None = None,
        replaced: Mapping[str, Callable[..., Any]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        self.known, self.replaced, self.settings = known or {}, replaced or {}, settings or {}

    def __call__(
        self, name: str, stage: Callable[..., Any], /, *inputs: Any, **settings: Any
    ) -> Any:
        """Return the known result, or call the stage or what stands in its place.

        Raises StageError where a function in place of a stage cannot be called like it, or
        returns something else.
        """
        if name in self.known:
            return self.known[name]
        settings |= self.settings.get(name, {})
        _demand(inputs)
        if name not in self.replaced:
            return stage(*inputs, **settings)
        own = self.replaced[name]
        _check_call(name, own, inputs, settings)
        result = own(*inputs, **settings)
        # The stage itself says what is expected.
        _check_result(name, result, stage(*inputs, **settings))
        _check_levels(name, result)
        return result

    def plain(self, name: str, stage: Callable[..., Any], /, *inputs: Any) -> Any:
        """The known result, or the stage's: nothing can stand in its place."""
        return self.known[name] if name in self.known else stage(*inputs)


def _demand(value):
    """Refuse tensors that a trace's file left out, in words, before a layer trips over them."""
    if isinstance(value, Omitted):
        value.__array__()
    elif isinstance(value, tuple | list):
        for part in value:
            _demand(part)


def _check_call(name, own, inputs, settings):
    try:
        inspect.signature(own).bind(*inputs, **settings)
    except ValueError:
        raise StageError(
            f"what stands in place of {name}, {own!r}, does not say its arguments: write a "
            "function of your own around it"
        ) from None
    except TypeError as error:
        call = ", ".join(
            ["…"] * len(inputs) + [f"{key}={value!r}" for key, value in settings.items()]
        )
        raise StageError(
            f"the function in place of {name} cannot be called as {name}({call}): {error}. Give it "
            "the arguments of the stage, or **settings for those that it does not need"
        ) from None


def _check_levels(name, result):
    """A level that no map has would stop the crops in TensorFlow's words."""
    if name in ("levels", "mask_levels"):
        level = np.asarray(result.roi_level)
        if not ((level >= LOWEST) & (level <= HIGHEST)).all():
            wrong = level[(level < LOWEST) | (level > HIGHEST)][0]
            raise StageError(
                f"{name}.roi_level holds {wrong}; ROIs read the levels {LOWEST} to {HIGHEST}: "
                f"tf.clip_by_value(…, {LOWEST}, {HIGHEST})"
            )


def _check_result(name, result, expected):
    """Compare type, kind and shape, field by field."""
    if type(result) is not type(expected):
        raise StageError(
            f"the function in place of {name} returned {_kind(result)}; expected "
            f"{type(expected).__name__}({', '.join(expected._fields)})"
        )
    for field, ours, theirs in zip(expected._fields, result, expected, strict=True):
        where = f"{name}.{field}"
        if isinstance(theirs, tuple):
            _check_parts(where, ours, theirs)
        else:
            _check_tensor(where, ours, theirs)


def _check_parts(where, ours, theirs):
    if hasattr(theirs, "_fields"):
        return _check_result(where, ours, theirs)
    if not isinstance(ours, tuple | list) or len(ours) != len(theirs):
        raise StageError(f"{where} came as {_kind(ours)}; expected a tuple of {len(theirs)}")
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        _check_tensor(f"{where}[{i}]", mine, other)


def _check_tensor(where, ours, theirs):
    expected = f"{_dtype(theirs)} {_shape(theirs)}"
    if not hasattr(ours, "dtype"):
        raise StageError(f"{where} came as {_kind(ours)}; expected a tensor, {expected}")
    if _dtype(ours) != _dtype(theirs):
        raise StageError(
            f"{where} came as {_dtype(ours)} {_shape(ours)}; expected {expected}: "
            f"tf.cast(…, tf.{_dtype(theirs)}) converts it"
        )
    if not tf.TensorShape(ours.shape).is_compatible_with(theirs.shape):
        raise StageError(f"{where} came with shape {_shape(ours)}; expected {_shape(theirs)}")


def _kind(value):
    return "nothing (None): does it end with return?" if value is None else type(value).__name__


def _dtype(tensor):
    return tf.as_dtype(tensor.dtype).name


def _shape(tensor):
    return f"[{', '.join('?' if n is None else str(n) for n in tuple(tensor.shape))}]"
