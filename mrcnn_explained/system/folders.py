"""Output folders: one program at a time writes to a folder, and what a kill left behind goes.

A program holds a folder by a lock that the system releases when the program ends. The next one
that writes there removes the temporary files and the lock of one that was killed.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from mrcnn_explained.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

#: A temporary file is named `.mrcnn-explained-PID-RANDOM.part`: no user's file is.
PREFIX, SUFFIX = ".mrcnn-explained-", ".part"

#: The file in an output folder that the program which writes to the folder holds locked.
LOCK = ".mrcnn-explained.lock"

#: Seconds after which a temporary file that no program has open counts as left behind, even if
#: another program has got the number of the process that wrote it.
OLD = 60


class FolderInUseError(InputError):
    """A folder that another program is writing to."""


# What was left behind ---------------------------------------------------------------------------

_cleared: set[tuple[str, int]] = set()  # folders, and the process that cleared them


def clear_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files of programs that were killed while they wrote; return them.

    Only files that `atomic_write` named and that no program has open are removed.
    """
    removed = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            if not (entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)):
                continue
            path = Path(entry.path)
            with suppress(OSError):
                if _is_left_behind(path):
                    path.unlink()
                    removed.append(path)
    return removed


def clear_once(folder: Path) -> None:
    """Remove what was left in a folder, the first time that this process writes to it."""
    key = (os.path.realpath(folder), os.getpid())
    if key not in _cleared:
        _cleared.add(key)
        clear_leftovers(folder)


def _is_left_behind(path: Path) -> bool:
    """Return whether no program is writing a temporary file any more."""
    if path.is_symlink() or not path.is_file():
        return False
    pid = path.name.removeprefix(PREFIX).partition("-")[0]
    gone = pid.isdecimal() and not _is_running(int(pid))
    if not gone and time.time() - path.stat().st_mtime < OLD:
        return False  # its writer may not have locked it yet
    if fcntl is None:
        return True  # a file that is open cannot be removed there
    with path.open("rb") as file:
        return try_to_lock(file)


def _is_running(pid: int) -> bool:
    """Return whether a process exists; True where that cannot be asked."""
    if fcntl is None:
        return True  # on Windows a signal, even number 0, is no question
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


# A folder in use --------------------------------------------------------------------------------

_held = threading.local()  # .folders: those that this thread holds


@contextmanager
def use_folder(folder: str | PathLike[str]) -> Iterator[None]:
    """Hold an output folder within the block: no other program or thread can hold it too.

    The system releases it when the program ends, also after a kill. The same thread may hold a
    folder several times. A missing folder is created.

    Raises FolderInUseError, with the number of the process that holds it, and OSError.
    """
    folder = Path(folder)
    check_folder(folder)
    held = _held.__dict__.setdefault("folders", set())
    name = os.path.realpath(folder)
    if name in held:
        yield
        return
    file = _locked(folder / LOCK, folder)
    held.add(name)
    try:
        clear_leftovers(folder)
        yield
    finally:
        held.discard(name)
        if fcntl is None:
            file.close()
        with suppress(OSError):
            os.unlink(folder / LOCK)  # before the lock is released: it may be another's then
        file.close()


def _locked(path: Path, folder: Path) -> BinaryIO:
    """Open and lock the lock file of a folder; write this process's number into it."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o666), "r+b")
        if not try_to_lock(file):
            holder = file.read(20).decode("ascii", "replace").strip()
            file.close()
            by = f"process {holder}" if holder.isdecimal() else "another process"
            raise FolderInUseError(
                f"{folder} is in use: {by} is writing to it. Wait until it ends, or give "
                "another folder"
            )
        if _is_at(path, file):
            break
        file.close()  # its last holder removed it between our opening and locking
    file.truncate()
    file.write(f"{os.getpid()}\n".encode())
    file.flush()
    return file


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file is still the one with this path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def try_to_lock(file: BinaryIO) -> bool:
    """Lock an open file until it is closed; return False if another program holds its lock.

    A file system without locks counts as one on which no program holds any.
    """
    if fcntl is None:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _lock_on_windows(file: BinaryIO) -> bool:
    """Do what `try_to_lock` does, with Windows's locks: of a byte far behind the content."""
    import msvcrt

    place = file.tell()
    file.seek(2**30)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows
    except OSError:
        return False
    finally:
        file.seek(place)
    return True


def check_folder(path: Path) -> None:
    """Create an output folder if it is missing.

    Raises OSError, with the folder's name, if a file has that name or the folder is not writable.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(20, "a file is in the way of the output folder", str(path))
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(13, "no permission to write into the output folder", str(path))
