"""Write files whole or not at all, and check what is to be read before it is opened.

A file is written under a temporary name first, then renamed; folders.py removes what is left of
one whose writer was killed.
"""

import csv
import io
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from mrcnn_explained.errors import InputError, shown
from mrcnn_explained.system.folders import PREFIX, SUFFIX, clear_once, try_to_lock

#: How texts begin that a spreadsheet takes for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@contextmanager
def atomic_write(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that gets its name only when the block ends without an error.

    A full disk, an exception or Ctrl-C leaves the previous file in place. Missing parent folders
    are created. After a kill a temporary file is left; the next program that writes to the folder
    removes it.

    Raises OSError for a path that is a pipe, a device or a folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_target(path)
    clear_once(path.parent)
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f"{PREFIX}{os.getpid()}-", suffix=SUFFIX
    )
    try:
        with os.fdopen(handle, "wb") as file:
            try_to_lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes a file that only its owner reads
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _check_target(path: Path) -> None:
    """Raise OSError if a path is something that a file must not take the place of."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "a folder is in the way of the output file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(22, "a pipe or a device is in the way of the output file", str(path))


def write_csv(
    path: str | PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    digits: int | None = None,
) -> None:
    """Write a table as CSV (UTF-8, one header line), whole or not at all.

    columns    names of the columns, in order
    rows       one mapping per row, from column to value; a missing value is an empty cell. Any
               iterable: a table that is larger than the memory can come from a generator
    digits     significant digits of floats; None: as many as it takes to read the same number back

    A text that a spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a line
    break) gets an apostrophe in front; numbers stay as they are. What cannot be written as UTF-8
    is written as its code, `\\udcff`.

    Raises ValueError for a row with a key that is not a column.
    """
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: _cell(value, digits) for name, value in row.items()})
        text.detach()  # flushes, and leaves the file to `atomic_write`


def _cell(value: Any, digits: int | None) -> Any:
    """Return what the table holds of a value."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULAS) else value
    return f"{value:.{digits}g}" if digits and isinstance(value, float) else value


def check_file(
    path: str | PathLike[str], expected: str, error: type[InputError] = InputError
) -> None:
    """Raise `error` unless a path is a regular file that can be read and is not empty.

    expected    the file that should have come, for the message: "the config.json of a run"

    A pipe or a device is refused unopened, because reading it may never end.
    """
    name = shown(str(path), 160)[1:-1]
    try:
        mode = os.stat(path)
        if stat.S_ISDIR(mode.st_mode):
            raise error(f"{name} is a folder; give {expected}")
        if not stat.S_ISREG(mode.st_mode):
            raise error(f"{name} is a pipe or a device, not a file; give {expected}")
        if not mode.st_size:
            raise error(f"{name} is empty; give {expected}, or copy it again")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise error(f"{name} does not exist; give {expected}") from None
    except PermissionError:
        raise error(f"no permission to read {name}: change it (chmod u+r)") from None
    except OSError as reason:  # a loop of links, a name that is too long, a disk that fails
        raise error(f"{name} cannot be read ({reason.strerror}); give {expected}") from reason
    except ValueError as reason:
        if isinstance(reason, InputError):
            raise
        raise error(f"{name} is not a valid path ({reason}); give {expected}") from reason


def read_json(
    path: str | PathLike[str],
    expected: str,
    error: type[InputError] = InputError,
    *,
    largest: int = 2**26,
) -> Any:
    """Return the value in a JSON file: UTF-8, with or without a byte order mark.

    expected    the file that should have come, for the message
    largest     bytes of the file, at most: Python needs about ten times as much

    Raises `error` for a file that cannot be read, is too large, or is not JSON.
    """
    check_file(path, expected, error)
    name = shown(str(path), 160)[1:-1]
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise error(f"{name} has more than {largest:,} bytes; give {expected}")
        return json.loads(content.decode("utf-8-sig"))
    except error:
        raise
    except OSError as reason:
        raise error(f"{name} cannot be read ({reason.strerror})") from reason
    except UnicodeDecodeError as reason:
        raise error(
            f"{name} is not JSON in UTF-8 (byte {reason.start}); give {expected}"
        ) from reason
    except (ValueError, RecursionError) as reason:
        why = shown(str(reason))[1:-1]
        raise error(f"{name} is not JSON: {why}; give {expected}") from reason


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
