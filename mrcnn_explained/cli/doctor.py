"""What `mrcnn-explained doctor` finds: versions, devices, memory, weights."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from mrcnn_explained import __version__

PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "scikit-image", "matplotlib", "pillow")


def findings() -> list[tuple[str, str]]:
    """(what, finding) in the order of printing. Imports TensorFlow."""
    import tensorflow as tf

    from mrcnn_explained.detector.devices import let_memory_grow
    from mrcnn_explained.weights.download import cached_coco_weights

    let_memory_grow()
    gpus = tf.config.list_physical_devices("GPU")
    coco = cached_coco_weights()
    return [
        ("mrcnn-explained", __version__),
        ("Python", f"{platform.python_version()} on {platform.platform()}"),
        *((name, _version(name)) for name in PACKAGES),
        ("built for CUDA", "yes" if tf.test.is_built_with_cuda() else "no"),
        ("processors", str(os.cpu_count())),
        ("memory", f"{_memory('SC_PHYS_PAGES'):.1f} GiB, {_memory('SC_AVPHYS_PAGES'):.1f} free"),
        *((gpu.name, _gpu(tf, gpu)) for gpu in gpus),
        ("computes on", "GPU, memory grows as needed" if gpus else "CPU; TensorFlow sees no GPU"),
        ("mask_rcnn_coco.h5", f"{coco} ({'there' if coco.exists() else 'not there'})"),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing: install the project again (make demo)"


def _memory(what: str) -> float:
    """GiB of memory; NaN where the system does not tell."""
    try:
        return os.sysconf(what) * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return float("nan")


def _gpu(tf, gpu) -> str:
    details = tf.config.experimental.get_device_details(gpu)
    capability = ".".join(str(part) for part in details.get("compute_capability", ()))
    return f"{details.get('device_name', 'unknown')}, compute capability {capability or 'unknown'}"
