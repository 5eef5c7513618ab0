"""What `mrcnn-explained doctor` shows: versions, devices, memory, weights."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from mrcnn_explained import __version__

PACKAGES = ("tensorflow", "keras", "numpy", "h5py", "scikit-image", "matplotlib", "pillow")


def findings() -> list[tuple[str, str]]:
    """Return (what, finding) in the order of printing. Imports TensorFlow."""
    import tensorflow as tf

    from mrcnn_explained.system.devices import let_memory_grow
    from mrcnn_explained.weights.download import cached_coco_weights

    let_memory_grow()
    gpus = tf.config.list_physical_devices("GPU")
    devices = [
        (gpu.name, _describe_gpu(tf.config.experimental.get_device_details(gpu))) for gpu in gpus
    ]
    coco = cached_coco_weights()
    memory = f"{_memory('SC_PHYS_PAGES'):.1f} GiB, {_memory('SC_AVPHYS_PAGES'):.1f} free"
    shown = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") == "0"
    return [
        ("mrcnn-explained", __version__),
        ("Python", f"{platform.python_version()} on {platform.platform()}"),
        *((name, _version(name)) for name in PACKAGES),
        ("built for CUDA", "yes" if tf.test.is_built_with_cuda() else "no"),
        ("processors", str(os.cpu_count())),
        ("memory", memory),
        *devices,
        ("computes on", "GPU, memory grows as needed" if gpus else "CPU; TensorFlow sees no GPU"),
        ("TensorFlow's log", "shown" if shown else "hidden; MRCNN_EXPLAINED_TF_LOG=1 shows it"),
        ("mask_rcnn_coco.h5", f"{coco} ({'found' if coco.exists() else 'not downloaded'})"),
    ]


def _version(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing: install the project again (make demo)"


def _memory(what: str) -> float:
    """Return GiB of memory; NaN if the system does not report it."""
    try:
        return os.sysconf(what) * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return float("nan")


def _describe_gpu(details: dict[str, object]) -> str:
    """Return a GPU's name and compute capability, from TensorFlow's details of it."""
    capability = details.get("compute_capability")
    version = ".".join(map(str, capability)) if isinstance(capability, tuple) else "unknown"
    return f"{details.get('device_name', 'unknown')}, compute capability {version}"
