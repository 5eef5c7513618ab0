"""Devices: a GPU that TensorFlow sees is used without a flag, and takes only what it needs."""

import tensorflow as tf

from mrcnn_explained.errors import InputError, shown


class DeviceError(InputError):
    """A device that was requested and that the machine does not have."""


def let_memory_grow() -> None:
    """Let every GPU's memory grow as needed, and compute in float32 proper on it.

    TensorFlow would take all of a GPU's memory at once, and round the factors of every
    convolution to 10 bits (TensorFloat-32), which shows in the third digit of the scores.
    Does nothing once the GPUs are in use: TensorFlow decides that at their first tensor.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            return


def select_device(device: str) -> None:
    """Make TensorFlow use `auto` (a GPU if TensorFlow sees one), `cpu`, `gpu` or `gpu:1`.

    Call it before the first tensor is made. Raises DeviceError if the machine has no such device.
    """
    kind, _, index = device.lower().partition(":")
    gpus = tf.config.list_physical_devices("GPU")
    is_number = index.isdecimal() and len(index) < 10
    if kind not in ("auto", "cpu", "gpu") or (index and not (kind == "gpu" and is_number)):
        raise DeviceError(f"device {shown(device)} is not one of auto, cpu, gpu, gpu:0, gpu:1, …")
    if kind == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif kind == "gpu":
        number = int(index or 0)
        if number >= len(gpus):
            raise DeviceError(
                f"device {device!r} was requested, but TensorFlow sees {len(gpus)} GPUs. "
                "`mrcnn-explained doctor` shows more; on Linux, pip install 'mrcnn-explained[gpu]'"
            )
        tf.config.set_visible_devices([gpus[number]], "GPU")


def be_deterministic() -> None:
    """Let the same run give the same numbers to the last bit, for the whole process; slower.

    TensorFlow's own gradient of `crop_and_resize` on a CPU lets several threads add to one cell
    without a lock: in about one backward pass of a hundred a term is lost. With this it runs in
    one thread, and images are read in one, too. Operations that draw random numbers without a seed
    raise from then on; this project has none.
    """
    tf.config.experimental.enable_op_determinism()
