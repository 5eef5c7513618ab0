"""The table of a weight file: for every tensor its statistics, and what is odd about it.

Source   Matterport's inspect_weights notebook, whose "Overflow?" fires on healthy
         BatchNorm statistics and which shows the nested rpn_model as one row
"""

from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple

import numpy as np

from mrcnn_explained.weights.matterport_h5 import is_float, read_tensors


class TensorStatistics(NamedTuple):
    """One row of the table that `mrcnn-explained weights FILE` prints."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as stored
    min: float
    max: float
    mean: float
    std: float
    flags: tuple[str, ...]  # what is worth a second look, in words


def describe(path: str | PathLike[str]) -> Iterator[TensorStatistics]:
    """Yield the statistics of every tensor of a file, with one tensor in memory at a time.

    Tensors that are not floats are listed with NaN for their statistics.
    """
    with read_tensors(path) as file:
        for name, tensor in file.tensors.items():
            dtype = tensor.dataset.dtype
            if is_float(dtype) and np.prod(tensor.shape) > 0:
                values = file.read(name)
                statistics, flags = _statistics(values), _flags(name, values)
            else:
                statistics, flags = [np.nan] * 4, ("empty" if is_float(dtype) else "not floats",)
            yield TensorStatistics(name, tensor.shape, str(dtype), *statistics, flags)


def _statistics(values: np.ndarray) -> list[float]:
    """Minimum, maximum, mean and standard deviation; the last two summed in float64."""
    with np.errstate(invalid="ignore"):  # inf - inf: the flags say so
        mean, std = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return [float(x) for x in (values.min(), values.max(), mean, std)]


def _flags(name: str, values: np.ndarray) -> tuple[str, ...]:
    """Name what is odd about a tensor.

    The statistics of BatchNorm may well be large (bn_conv1/moving_variance of the COCO
    file has thousands), so they are not held against the bound of the weights.
    """
    weight = name.rpartition("/")[2]
    statistic = weight in ("moving_mean", "moving_variance")
    with np.errstate(invalid="ignore"):
        flags = {
            "NaN": np.isnan(values).any(),
            "infinite": np.isinf(values).any(),
            "constant": values.size > 1 and values.min() == values.max(),
            "large": not statistic and np.abs(values).max() > 1000,
            "negative variance": weight == "moving_variance" and values.min() < 0,
        }
    return tuple(flag for flag, raised in flags.items() if raised)
