"""What the benchmarks share: weights that lead to full work, the machine's own rate, medians."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mrcnn_explained import Config, MaskRCNN

RUNS = 5


def busy_model(**overrides) -> MaskRCNN:
    """ResNet-101 at 1024x1024 whose every ROI and detection is real: 1000 and 100.

    The weights are random; the class layer is made large, so that ROIs differ in class and
    overlap too little within one for NMS to leave fewer than 100.
    """
    model = MaskRCNN(Config.coco(detection_min_confidence=0.0, **overrides))
    rng = np.random.default_rng(0)
    for name in ("rpn_class_raw/kernel", "rpn_bbox_pred/kernel", "mrcnn_class_logits/kernel"):
        kernel = model.weights[name]
        kernel.assign(rng.normal(0, 0.1, kernel.shape))
    return model


def image() -> np.ndarray:
    """A landscape of noise, uint8 [768, 1024, 3]."""
    return np.random.default_rng(1).integers(0, 255, (768, 1024, 3), dtype=np.uint8)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(*works: Callable[[], object], runs: int = RUNS) -> list[list[float]]:
    """Time several works in turn, A B A B …, so that a machine that drifts hurts all alike."""
    rounds = [[seconds(work) for work in works] for _ in range(runs)]
    return [list(column) for column in zip(*rounds, strict=True)]


def median(values: list[float]) -> float:
    return statistics.median(values)


def machine_rate() -> Callable[[], object]:
    """A 3x3 convolution 256→256 on 256x256, 77.3 GFLOP: the machine's own limit."""
    x, w = tf.random.normal([1, 256, 256, 256]), tf.random.normal([3, 3, 256, 256])
    conv = tf.function(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"))
    conv(x, w)
    return lambda: conv(x, w).numpy()


CONV_GFLOP = 2 * 9 * 256 * 256 * 256 * 256 / 1e9


def peak_gb() -> float:
    """Peak resident memory of this process so far, GB (Linux)."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9
