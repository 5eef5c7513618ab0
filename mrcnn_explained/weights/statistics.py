"""The table of a weight file: for every tensor its statistics, and what is odd about it.

Source   Matterport's inspect_weights notebook, whose "Overflow?" warns of healthy BatchNorm
         statistics and which shows the nested rpn_model as one row
"""

from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple

import numpy as np

from mrcnn_explained.weights.matterport_h5 import is_float, read_tensors

LARGE = 1000  # magnitude of a weight that is worth a second look


class TensorStatistics(NamedTuple):
    """One row of the table that `mrcnn-explained weights FILE` prints."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as stored
    min: float
    max: float
    mean: float
    std: float
    flags: tuple[str, ...]  # what is unusual: "NaN", "constant", …


def describe(path: str | PathLike[str]) -> Iterator[TensorStatistics]:
    """Yield the statistics of every tensor of a file, with one tensor in memory at a time.

    Tensors that are empty or not floats are listed with NaN for their statistics.
    """
    with read_tensors(path) as file:
        for name, tensor in file.tensors.items():
            dtype = tensor.dataset.dtype
            if not is_float(dtype):
                yield _row(name, tensor.shape, str(dtype), None, ("not floats",))
            elif 0 in tensor.shape:
                yield _row(name, tensor.shape, str(dtype), None, ("empty",))
            else:
                values = file.read(name)
                yield _row(name, tensor.shape, str(dtype), values, _flags(name, values))


def _row(
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    values: np.ndarray | None,
    flags: tuple[str, ...],
) -> TensorStatistics:
    """Return one row of the table; mean and deviation are summed in float64."""
    if values is None:
        nan = float("nan")
        return TensorStatistics(name, shape, dtype, nan, nan, nan, nan, flags)
    with np.errstate(invalid="ignore"):  # inf - inf: the flags report it
        return TensorStatistics(
            name=name,
            shape=shape,
            dtype=dtype,
            min=float(values.min()),
            max=float(values.max()),
            mean=float(values.mean(dtype=np.float64)),
            std=float(values.std(dtype=np.float64)),
            flags=flags,
        )


def _flags(name: str, values: np.ndarray) -> tuple[str, ...]:
    """Name what is odd about a tensor.

    The statistics of BatchNorm may well be large (bn_conv1/moving_variance of the COCO file
    has thousands), so the bound of weights does not apply to them.
    """
    weight = name.rpartition("/")[2]
    is_statistic = weight in ("moving_mean", "moving_variance")
    with np.errstate(invalid="ignore"):
        flags = {
            "NaN": np.isnan(values).any(),
            "infinite": np.isinf(values).any(),
            "constant": values.size > 1 and values.min() == values.max(),
            "large": not is_statistic and np.abs(values).max() > LARGE,
            "negative variance": weight == "moving_variance" and values.min() < 0,
        }
    return tuple(flag for flag, raised in flags.items() if raised)
