"""Shared by the benchmarks: a fully occupied model, the machine's own rate, medians."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mrcnn_explained import Config, MaskRCNN

RUNS = 5


def busy_model(**overrides) -> MaskRCNN:
    """Return a ResNet-101 model for 1024x1024 with 1000 ROIs and 100 detections, none of padding.

    The weights are random. Those of the class layer are large, so that ROIs differ in class, and
    those of one class overlap too little for NMS to leave fewer than 100.
    """
    model = MaskRCNN(Config.coco(detection_min_confidence=0.0, **overrides))
    rng = np.random.default_rng(0)
    for name in ("rpn_class_raw/kernel", "rpn_bbox_pred/kernel", "mrcnn_class_logits/kernel"):
        kernel = model.weights[name]
        kernel.assign(rng.normal(0, 0.1, kernel.shape))
    return model


def image() -> np.ndarray:
    """Return an image of noise, uint8 [768, 1024, 3]."""
    return np.random.default_rng(1).integers(0, 255, (768, 1024, 3), dtype=np.uint8)


def seconds(work: Callable[[], object]) -> float:
    """Time one call, seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(*works: Callable[[], object], runs: int = RUNS) -> list[list[float]]:
    """Time several functions in turn, A B A B …, so that a machine that slows down affects all."""
    rounds = [[seconds(work) for work in works] for _ in range(runs)]
    return [list(column) for column in zip(*rounds, strict=True)]


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def machine_rate() -> Callable[[], object]:
    """Return a function that runs a 3x3 convolution 256→256 on 256x256, of CONV_GFLOP.

    Its rate is the machine's own limit.
    """
    x, w = tf.random.normal([1, 256, 256, 256]), tf.random.normal([3, 3, 256, 256])
    conv = tf.function(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"))
    conv(x, w)
    return lambda: conv(x, w).numpy()


CONV_GFLOP = 2 * 9 * 256 * 256 * 256 * 256 / 1e9


def peak_gb() -> float:
    """Return the peak resident memory of this process so far, GB (Linux)."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9
