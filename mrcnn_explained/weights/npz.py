"""The one reader of .npz files: presets, traces and checkpoints.

The header of every member is read and checked first. Nothing is allocated for an array before
its declared size is known to agree with the archive, with the file and with a limit. Nothing is
unpickled.
"""

import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from mrcnn_explained.errors import InputError, OutOfMemoryError, memory_for, shown
from mrcnn_explained.system.files import check_file

MOST_MEMBERS = 20_000
#: Bytes of all arrays, at most, for each byte of a compressed file; small files may hold more.
MOST_EXPANSION = 100
SMALL = 2**26  # bytes
LARGEST = 2**36  # bytes of all arrays of one file
LONGEST_TEXT = 2**26  # bytes of a member that holds text, four for each character

_HEADER = 1000  # characters; NumPy writes about 100
_ENCRYPTED = 0x1  # flag of a zip member


class Expected(NamedTuple):
    """What a file should be, for the messages of the reader."""

    what: str  # "a preset"
    advice: str  # what to do about a file that is not, or that is damaged
    error: type[InputError]


class Header(NamedTuple):
    """What a member declares about its array."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Return the bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class NpzFile:
    """An open .npz file: kinds and shapes are known and checked, values are read on request.

    path       the file
    headers    of every array, by name
    """

    def __init__(self, path: str | PathLike[str], expected: Expected):
        """Raises the error of `expected` for anything that is not such a file."""
        self.path, self._expected = Path(path), expected
        check_file(path, expected.what, expected.error)
        with self.damage_explained():
            self._archive = zipfile.ZipFile(path)
        try:
            with self.damage_explained():
                self._members = _members(self._archive, self.path.stat().st_size)
                self.headers = {name: self._header(name) for name in self._members}
                _check_total(self.headers, self.path.stat().st_size)
        except BaseException:
            self._archive.close()
            raise

    def read(self, name: str) -> np.ndarray:
        """Return one array.

        Raises the error of the file for an array that is missing or damaged, and
        OutOfMemoryError.
        """
        with self.damage_explained():
            header = self._known(name)
            what = f"{name} of {self.path}"
            with memory_for(what, header.size), self._archive.open(self._members[name]) as file:
                return np.lib.format.read_array(file, allow_pickle=False, max_header_size=_HEADER)

    def text(self, name: str) -> str:
        """Return an array that holds one text."""
        header = self._known(name)
        if header.dtype.kind != "U" or header.shape != ():
            raise self.damaged(f"{name} is not a text")
        return str(self.read(name))

    def json(self, name: str, kind: type) -> Any:
        """Return the value of an array that holds JSON text.

        kind    of the value: dict or list
        """
        with self.damage_explained():
            value = json.loads(self.text(name))
        if not isinstance(value, kind):
            raise self.damaged(f"{name} holds a {type(value).__name__}, not a {kind.__name__}")
        return value

    def damaged(self, reason: object) -> InputError:
        """Return the error of a file that is not what it should be."""
        expected = self._expected
        return expected.error(
            f"{self.path} is not {expected.what}, or is damaged: {shown(str(reason), 120)[1:-1]}. "
            f"{expected.advice}"
        )

    @contextmanager
    def damage_explained(self) -> Iterator[None]:
        """Turn whatever the bytes of a damaged file raise into the error of the file."""
        try:
            yield
        except (self._expected.error, OutOfMemoryError):
            raise
        except PermissionError as error:
            raise self._expected.error(
                f"no permission to read {self.path}: change it (chmod u+r)"
            ) from error
        except MemoryError as error:
            raise OutOfMemoryError(f"out of memory while reading {self.path}") from error
        except Exception as error:  # zipfile, zlib, NumPy, ast and json have a dozen kinds
            raise self.damaged(error if str(error) else type(error).__name__) from error

    def _known(self, name: str) -> Header:
        """Return the header of an array; raise the error of the file if it is missing."""
        if name not in self.headers:
            raise self.damaged(f"it lacks {name}")
        return self.headers[name]

    def _header(self, name: str) -> Header:
        """Read what a member declares, and compare it with the size of the member."""
        member = self._members[name]
        with self._archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"{name} has format {version}")
            try:
                shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER)
            except MemoryError:  # of Python's parser, for brackets in brackets
                raise ValueError(f"the header of {name} is damaged") from None
            header, start = Header(tuple(map(int, shape)), dtype), file.tell()
        if dtype.kind not in "biufU" or dtype.hasobject or not dtype.isnative:
            raise ValueError(f"{name} has the type {dtype}")
        if min(header.shape, default=0) < 0 or start + header.size != member.file_size:
            raise ValueError(
                f"{name} declares {list(shape)} {dtype}, which its {member.file_size} bytes are not"
            )
        if dtype.kind == "U" and header.size > LONGEST_TEXT:
            raise ValueError(f"{name} is a text of {header.size} bytes")
        return header

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()


def read_npz(path: str | PathLike[str], expected: Expected) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file, by name.

    Raises the error of `expected` for a file that is damaged, or that declares more than it holds,
    before anything is allocated; and OutOfMemoryError.
    """
    with NpzFile(path, expected) as file:
        return {name: file.read(name) for name in file.headers}


def _members(archive: zipfile.ZipFile, file_size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive by the names of their arrays.

    Raises ValueError for members that NumPy does not write, and for those that share bytes.
    """
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"it has {len(members)} members")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in found:
            raise ValueError(f"its member {member.filename!r} is not an array, or is there twice")
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed in another way than NumPy compresses")
        found[name] = member
    if sum(member.compress_size for member in members) > file_size:
        raise ValueError("its members are larger than the file")
    return found


def _check_total(headers: dict[str, Header], file_size: int) -> None:
    """Raise ValueError for arrays that no file of this size holds unless it was made to do harm."""
    total = sum(header.size for header in headers.values())
    if total > LARGEST or total > max(SMALL, MOST_EXPANSION * file_size):
        raise ValueError(f"its {file_size:,} bytes unpack to {total:,}")
