"""Write files whole or not at all: under a temporary name first, then renamed."""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def atomic_write(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that gets its name only when the block ends without an error.

    A full disk, an exception or Ctrl-C leaves the previous file in place. Missing parent folders
    are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes a file that only its owner reads
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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

    Raises ValueError for a row with a key that is not a column.
    """
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: _cell(value, digits) for name, value in row.items()})
        text.detach()  # flushes, and leaves the file to `atomic_write`


def _cell(value: Any, digits: int | None) -> Any:
    """Return what the table holds of a value."""
    return f"{value:.{digits}g}" if digits and isinstance(value, float) else value


def check_folder(path: Path) -> None:
    """Create an output folder if it is missing.

    Raises OSError, with the folder's name, if a file has that name or the folder is not writable.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(20, "a file is in the way of the output folder", str(path))
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(13, "no permission to write into the output folder", str(path))


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
