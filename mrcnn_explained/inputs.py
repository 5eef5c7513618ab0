"""Check what people type, on the command line and into explorers. Does not import TensorFlow."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

from mrcnn_explained.errors import InputError, OutOfMemoryError, shown

GIB = 2**30

#: Bytes that a machine with a GPU may have, at most, whatever its main memory: that of the largest
#: GPUs, several of them.
GPU_MEMORY = 8 * 192 * GIB


def read_box(text: str, name: str) -> list[float]:
    """Read `40, 60, 90, 120` as a box [y1, x1, y2, x2].

    name    name of the option or field, for the message

    Raises InputError for anything but four numbers with y2 > y1 and x2 > x1.
    """
    try:
        corners = [float(part) for part in text.split(",")]
    except ValueError:
        corners = []
    if len(corners) != 4 or not all(map(math.isfinite, corners)):
        raise InputError(f"{name} is {shown(text)}; expected four numbers, Y1,X1,Y2,X2")
    y1, x1, y2, x2 = corners
    if y2 <= y1 or x2 <= x1:
        raise InputError(f"{name} is {shown(text)}; expected Y1,X1,Y2,X2 with Y2 > Y1 and X2 > X1")
    return corners


def check_image_number(image: int, count: int, holder: str = "the trace holds") -> None:
    """Raise InputError unless a run on `count` images has the image with this number.

    holder    what the message says before the count
    """
    if not 0 <= image < count:
        raise InputError(f"image is {image}; {holder} {count}: give 0 to {count - 1}")


def check_range(
    name: str,
    value: float,
    lowest: float,
    highest: float = math.inf,
    error: type[InputError] = InputError,
) -> None:
    """Raise `error` unless a number is finite and from `lowest` to `highest`.

    name    what the message calls it
    """
    if math.isfinite(value) and lowest <= value <= highest:
        return
    bounds = f"{lowest} or more" if math.isinf(highest) else f"{lowest} to {highest}"
    raise error(f"{name} is {shown(value)}; expected {bounds}")


def available_memory() -> int | None:
    """Return the bytes of memory that a program can still get; None if the system does not say.

    In a container that is what its limit leaves.
    """
    found = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(found) if found else None


def check_memory(what: str, parts: Mapping[str, int], advice: str) -> None:
    """Raise OutOfMemoryError if something needs more memory than there is.

    what      that needs it, for the message
    parts     bytes that its parts need at least, at the same time
    advice    what to change
    """
    needed, available = sum(parts.values()), available_memory()
    if available is None or needed <= available:
        return
    if Path("/proc/driver/nvidia/gpus").exists() and needed <= GPU_MEMORY:
        return
    largest = max(parts, key=lambda part: parts[part])
    raise OutOfMemoryError(
        f"{what} needs {_size(needed)} of memory at least, {_size(parts[largest])} of it for "
        f"{largest}; {_size(available)} are free. {advice}"
    )


def _size(count: int) -> str:
    """Return a number of bytes in GiB, as messages show it."""
    return f"{count / GIB:,.1f} GiB" if count < 2**70 else "more than a zettabyte"


def _of_machine() -> int | None:
    """Return the bytes of memory that the machine has free."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        sizes = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines)}
        return 1024 * (int(sizes["MemAvailable"]) + int(sizes.get("SwapFree", 0)))
    except (OSError, ValueError, LookupError):
        pass
    try:  # macOS says only how much there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _of_container() -> int | None:
    """Return the bytes that the limit of a container leaves; None without such a limit."""
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            left = int(Path(limit).read_text("ascii")) - int(Path(used).read_text("ascii"))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
        return max(left, 0)
    return None
