"""Opening an HDF5 file: what a file is that cannot be opened, or that turns out to be damaged."""

import functools
import mmap
import re
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from mrcnn_explained.errors import OutOfMemoryError, shown
from mrcnn_explained.weights.errors import EXPECTED, WeightFileError

#: Which error h5py raises over a damaged file depends on the byte that is wrong.
DAMAGE = (
    OSError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
)

HEAP_HEADER = struct.Struct("<8xQ")  # signature, version, and the size
HEAP_OBJECT = struct.Struct("<HH4xQ")  # index, references, and the size

_TRUNCATED = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")


def check_is_hdf5(path: Path) -> None:
    """Raise WeightFileError unless a path is a readable HDF5 file: what it is instead."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise WeightFileError(f"{path} is a directory; {EXPECTED}: give the file inside")
        if not stat.S_ISREG(mode):  # reading a pipe or a device may never end
            raise WeightFileError(f"{path} is not a regular file; {EXPECTED}")
        with path.open("rb") as file:
            start = file.read(512)
        if not h5py.is_hdf5(path):
            raise WeightFileError(f"{path} {_what_came(path, start)}; {EXPECTED}")
        _check_heaps(path)
    except FileNotFoundError:
        raise WeightFileError(f"{path} does not exist; {EXPECTED}: check the path") from None
    except PermissionError:
        raise WeightFileError(
            f"no permission to read {path}: change it (chmod u+r), or copy the file to where "
            "you may read"
        ) from None
    except OSError as error:
        name = shown(str(path), 160)[1:-1]
        raise WeightFileError(f"{name} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL byte
        if isinstance(error, WeightFileError):
            raise
        raise WeightFileError(f"{shown(str(path))} is not a path; {EXPECTED}") from error


def _check_heaps(path: Path) -> None:
    """Refuse a file with a heap of texts in which the HDF5 library would go round for ever.

    A heap is a block `GCOL`, version, size, and objects of (index, references, size); an object
    with index 0 is free space, after which the library goes on by its size: by nothing, if that
    is 0. Seen in HDF5 1.14.6.
    """
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
        heap, left = -1, len(content)  # objects to look at, at most: heaps do not overlap
        while (heap := content.find(b"GCOL\x01", heap + 1)) >= 0:
            if heap + HEAP_HEADER.size > len(content):
                return
            (size,) = HEAP_HEADER.unpack_from(content, heap)
            place, end = heap + HEAP_HEADER.size, min(heap + size, len(content))
            while place + HEAP_OBJECT.size <= end:
                left -= 1
                index, _, length = HEAP_OBJECT.unpack_from(content, place)
                if index:
                    place += HEAP_OBJECT.size + -(-length // 8) * 8
                elif length:
                    place += length
                if left < 0 or not (index or length):
                    raise WeightFileError(
                        f"{path} is a damaged HDF5 file (an empty block in the heap at byte "
                        f"{heap:,}); download or copy it again"
                    )


#: Reads every text of variable length in a file, with little memory; run in a process of its own.
_READ_TEXTS = """
import sys, h5py
try:
    import resource
    resource.setrlimit(resource.RLIMIT_DATA, (2**29 + 8 * int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
def read(name, item):
    for attribute in item.attrs:
        if item.attrs.get_id(attribute).dtype.hasobject:
            item.attrs[attribute]
with h5py.File(sys.argv[1], "r") as file:
    read("/", file)
    file.visititems(read)
"""
READ_SECONDS = 8.0


@functools.lru_cache(maxsize=64)
def check_texts(path: Path, size: int, changed: int) -> None:
    """Refuse a file with texts of variable length that the HDF5 library cannot survive.

    A damaged length makes it read beyond its memory, which ends the process, or ask for
    gigabytes. So the texts are read in another process first, for about half a second. Seen in
    HDF5 1.14.6; files of Keras 2 and ours have names of fixed length and need no such check.

    size, changed    of the file, bytes and nanoseconds: a file that stays the same is read once
    """
    command = [sys.executable, "-c", _READ_TEXTS, str(path.absolute()), str(size)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=READ_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        raise WeightFileError(
            f"{path} is a damaged HDF5 file (its names cannot be read); download or copy it again"
        )


@contextmanager
def damage_explained(path: Path) -> Iterator[None]:
    """Turn what h5py raises over a damaged file within the block into a WeightFileError.

    Errors of the machine pass or are named as such: lack of memory, a disk that fails.
    """
    try:
        yield
    except (WeightFileError, OutOfMemoryError):
        raise
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise WeightFileError(f"{path} cannot be read: {error.strerror}") from error
        sizes = _TRUNCATED.search(str(error))
        damage = (
            f"is truncated: {int(sizes[1]):,} of {int(sizes[2]):,} bytes are there"
            if sizes
            else f"is a damaged HDF5 file ({shown(str(error), 120)[1:-1]})"
        )
        raise WeightFileError(f"{path} {damage}; download or copy it again") from error


def _what_came(path: Path, start: bytes) -> str:
    """Describe a file that is not HDF5 by its first bytes."""
    again = "download the file itself"
    if not start:
        return "is empty: download or copy it again"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return f"is HTML: a web page was saved instead of the file; {again}"
    if start.startswith(b"version https://git-lfs"):
        return f"is a pointer of Git LFS, not the file it points to; {again} (git lfs pull)"
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        return _which_archive(path)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return "is compressed; unpack it first"
    return f"is not HDF5: it begins with {start[:8]!r}"


def _which_archive(path: Path) -> str:
    """Describe a zip archive: a model of Keras 3, or something else."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "model.weights.h5" in names:
        return (
            "is a .keras file of Keras 3, a zip archive; in the program that wrote it, save "
            "the model once more with model.save('NAME.h5')"
        )
    return "is a zip archive, as PyTorch's weights are; unpack it if the .h5 file is inside"
