"""Schema: which tensors a stage's result holds, with kinds and shapes, read from its annotations.

`Annotated[Float32[tf.Tensor, "B N 4"], "meaning"]` is written once, in the stage. Trace files,
replaced stages, resumed runs, the invariants and docs/stages.md are checked against it here.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import keras
import numpy as np
import tensorflow as tf

from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.levels import HIGHEST, LOWEST, ROI_LEVELS

#: Stages with one tensor per level of the ROIs.
PER_LEVEL = ("crops", "mask_crops")

Sizes = dict[str, int]  # letter of an annotation → size


class TraceFileError(InputError):
    """A file that is not a trace, is damaged, or lacks a tensor that is needed."""


class StageError(InputError):
    """A function in place of a stage that does something else: what came, what was expected."""


class Omitted(NamedTuple):
    """Takes the place of a tensor that was left out when a trace was saved."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: Any) -> Any:
        return self.__array__()[index]

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TraceFileError(
            f"{self.path} {list(self.shape)} was left out when this trace was saved; "
            "run the model again, or save the trace with omit=()"
        )


@dataclass(frozen=True)
class Problem:
    """One thing that must hold and does not, at the first place where it does not."""

    stage: str  # name in a trace
    tensor: str  # field of its result
    index: tuple[int, ...]  # of the element; (): the tensor as a whole
    expected: str
    actual: str

    def __str__(self) -> str:
        at = str(list(self.index)) if self.index else ""
        return f"{self.stage}.{self.tensor}{at}: expected {self.expected}, is {self.actual}"


class TensorSpec(NamedTuple):
    """Kind and shape of a tensor, as an annotation writes them."""

    kind: str  # Float32, Int32, Bool, …
    dtypes: tuple[str, ...]  # names of the NumPy types that are of this kind
    dims: tuple[str, ...]  # letters, numbers, "H//4"; "_" any size, "_R0" rows of part 0

    def __str__(self) -> str:
        dims = (dim.rstrip("0123456789") if dim.startswith("_") else dim for dim in self.dims)
        return f"{self.kind} [{' '.join(dims)}]"

    def with_sizes(self, sizes: Sizes) -> str:
        """Return dtype and shape with numbers for the letters that are known."""
        shape = ", ".join(str(sizes.get(dim, dim)) for dim in self.dims)
        return f"{self.dtypes[0]} [{shape}]"

    def fits(self, shape: Sequence[int | None], sizes: Sizes) -> bool:
        """Return whether a shape fits; letters that are new get their sizes in `sizes`."""
        if len(shape) != len(self.dims):
            return False
        return all(_fits(dim, size, sizes) for dim, size in zip(self.dims, shape, strict=True))


def _fits(dim: str, size: int | None, sizes: Sizes) -> bool:
    """Compare one axis; a size that is not known yet, in a graph, fits everything."""
    if dim == "_" or size is None:
        return True
    if dim.isdigit():
        return int(dim) == size
    letter, _, divisor = dim.partition("//")
    if divisor:
        return letter not in sizes or sizes[letter] // int(divisor) == size
    return sizes.setdefault(dim, size) == size


def spec_of(hint: Any, part: int | None = None) -> TensorSpec | None:
    """Read an annotation of a tensor; None for anything else.

    part    number in a tuple of tensors: its "_R" is a letter of its own, equal in all fields
            of this part and free in the others
    """
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if not hasattr(hint, "dim_str"):
        return None
    dims = hint.dim_str.split()
    if part is not None:
        dims = [f"{dim}{part}" if len(dim) > 1 and dim.startswith("_") else dim for dim in dims]
    return TensorSpec(hint.dtype.__name__, tuple(hint.dtypes), tuple(dims))


def annotated(result: Any, kind: type, prefix: str = "") -> Iterator[tuple[str, Any, TensorSpec]]:
    """Yield (name, value, what is expected) of every tensor of a result, nested ones too.

    A tensor that was left out of a file comes as `Omitted`.
    """
    hints = get_type_hints(kind)
    for name, value in zip(result._fields, result, strict=True):
        hint = hints[name]
        if hasattr(hint, "_fields"):
            yield from annotated(value, hint, f"{prefix}{name}.")
        elif get_origin(hint) is tuple:
            for i, part in enumerate(value):
                if spec := spec_of(get_args(hint)[0], i):
                    yield f"{prefix}{name}.{i}", part, spec
        elif spec := spec_of(hint):
            yield f"{prefix}{name}", value, spec


def tensors_of(result: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (`nms.rank`, tensor) for every tensor of a result, in the order of its fields."""
    if isinstance(result, tuple) and not isinstance(result, Omitted):
        names = getattr(result, "_fields", range(len(result)))
        for name, part in zip(names, result, strict=True):
            yield from tensors_of(part, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, result


def is_there(value: Any) -> bool:
    """Return whether a tensor is in the trace, and was not left out of its file."""
    return not isinstance(value, Omitted)


def wrong_shapes(trace: Any, stage: str) -> list[Problem]:
    """List the tensors of one stage of a trace whose kind or shape is not the annotated one."""
    batch, height, width, _ = trace.image.molded.shape
    return mismatches(stage, getattr(trace, stage), {"B": batch, "H": height, "W": width})


def mismatches(stage: str, result: Any, sizes: Sizes) -> list[Problem]:
    """List the tensors of a stage's result whose kind or shape is not the annotated one.

    stage    name in a trace
    sizes    letters whose sizes are known; those of the result are added
    """
    found = []
    for name, value, spec in annotated(result, type(result)):
        dtype = _dtype(value)
        shape = tuple(value.shape if isinstance(value, Omitted) else np.shape(value))
        if dtype not in spec.dtypes or not spec.fits(shape, sizes):
            found.append(Problem(stage, name, (), str(spec), f"{dtype} {list(shape)}"))
    if stage in PER_LEVEL:
        expected = f"a part for each of {len(ROI_LEVELS)} levels"
        for name, parts in zip(result._fields, result, strict=True):
            if len(parts) != len(ROI_LEVELS):
                found.append(Problem(stage, name, (), expected, str(len(parts))))
    return found


def wrong_level(stage: str, result: Any) -> Problem | None:
    """Return the first ROI with a level that no map has: the crops would stop at it."""
    if stage not in ("levels", "mask_levels") or not is_there(result.roi_level):
        return None
    level = np.asarray(result.roi_level)
    outside = np.argwhere((level < LOWEST) | (level > HIGHEST))
    if not len(outside):
        return None
    index = tuple(int(i) for i in outside[0])
    return Problem(stage, "roi_level", index, f"{LOWEST}…{HIGHEST}", str(level[index]))


def unusable(trace: Any, stage: str) -> list[Problem]:
    """List what would stop the stages downstream of one: wrong shapes, levels without a map."""
    found = wrong_shapes(trace, stage)
    if not found and (problem := wrong_level(stage, getattr(trace, stage))):
        found = [problem]
    return found


# A function in place of a stage ----------------------------------------------------------------


def check_result(name: str, stage: Callable[..., Any], inputs: Sequence[Any], result: Any) -> None:
    """Compare what a function in place of a stage returned with the stage's annotations.

    name      of the stage in a trace
    stage     the function or layer whose place was taken; it is not run
    inputs    what both get: their shapes say how large a letter is

    Raises StageError with the field, what came and what was expected.
    """
    function = stage.call if isinstance(stage, keras.layers.Layer) else stage
    hints = get_type_hints(function)
    sizes: Sizes = {}
    for parameter, value in zip(inspect.signature(function).parameters, inputs, strict=False):
        spec = spec_of(hints.get(parameter))
        if spec is not None and hasattr(value, "shape"):
            spec.fits(tuple(value.shape), sizes)
    _check_fields(name, hints["return"], result, sizes)
    if tf.executing_eagerly() and (problem := wrong_level(name, result)):
        raise StageError(
            f"{name}.roi_level holds {problem.actual}; ROIs read the levels {LOWEST} to {HIGHEST}: "
            f"tf.clip_by_value(…, {LOWEST}, {HIGHEST})"
        )


def _check_fields(where: str, kind: type, result: Any, sizes: Sizes) -> None:
    """Compare the type of a result, then every field."""
    if type(result) is not kind:
        fields = ", ".join(kind._fields)  # type: ignore[attr-defined]  # a NamedTuple
        raise StageError(
            f"the function in place of {where} returned {_type_name(result)}; expected "
            f"{kind.__name__}({fields})"
        )
    for name, hint in get_type_hints(kind).items():
        value, path = getattr(result, name), f"{where}.{name}"
        if hasattr(hint, "_fields"):
            _check_fields(path, hint, value, sizes)
        elif get_origin(hint) is tuple:
            _check_parts(path, where, value)
            for i, part in enumerate(value):
                _check_tensor(f"{path}[{i}]", spec_of(get_args(hint)[0], i), part, sizes)
        else:
            _check_tensor(path, spec_of(hint), value, sizes)


def _check_parts(path: str, stage: str, parts: Any) -> None:
    """Refuse a field that should be a tuple of tensors and is not, or has another length."""
    count = f" of {len(ROI_LEVELS)}" if stage in PER_LEVEL else ""
    if not isinstance(parts, tuple | list) or (count and len(parts) != len(ROI_LEVELS)):
        raise StageError(f"{path} came as {_type_name(parts)}; expected a tuple{count}")


def _check_tensor(path: str, spec: TensorSpec | None, value: Any, sizes: Sizes) -> None:
    """Refuse a value that is not a tensor, is of another dtype, or of another shape."""
    if spec is None:
        return
    expected = spec.with_sizes(sizes)
    if not hasattr(value, "dtype"):
        raise StageError(f"{path} came as {_type_name(value)}; expected a tensor, {expected}")
    if _dtype(value) not in spec.dtypes:
        raise StageError(
            f"{path} came as {_dtype(value)} {_shape(value)}; expected {expected}: "
            f"tf.cast(…, tf.{spec.dtypes[0]}) converts it"
        )
    if not spec.fits(tuple(value.shape), sizes):
        shape = expected.partition(" ")[2]
        raise StageError(f"{path} came with shape {_shape(value)}; expected {shape}")


def _type_name(value: Any) -> str:
    """Name what a function returned; the commonest mistake gets a question."""
    return "nothing (None): does it end with return?" if value is None else type(value).__name__


def _dtype(tensor: Any) -> str:
    """Return the name of a dtype, of an array's or of a tensor's."""
    return (
        tf.as_dtype(tensor.dtype).name if hasattr(tensor, "dtype") else str(np.array(tensor).dtype)
    )


def _shape(tensor: Any) -> str:
    """Return a shape as text, ? for a size that a graph does not know."""
    return f"[{', '.join('?' if n is None else str(n) for n in tuple(tensor.shape))}]"
