"""What every command checks of every value that was typed, before it runs."""

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer

from mrcnn_explained.errors import InputError, shown

#: Options and arguments that are text, but may be the path of a file.
MAY_BE_PATHS = ("weights",)

_context: ContextVar[typer.Context | None] = ContextVar("context", default=None)


@contextmanager
def checked(context: typer.Context, values: Mapping[str, Any]) -> Iterator[None]:
    """Check the values of a command, which runs within the block.

    values    of its options and arguments, by the names of the parameters

    Raises InputError, with the name of the option or argument, for an empty text, a number that
    is not finite, and a path that leads to a pipe, a device or in a circle.
    """
    for parameter in context.command.params:
        key = str(parameter.name)
        name = parameter.opts[0] if parameter.opts[0].startswith("-") else key
        value = values.get(key)
        _check_value(name, value, isinstance(value, Path) or key in MAY_BE_PATHS)
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def claim_folder(folder: Path) -> None:
    """Hold an output folder until the command ends; it is created if it is missing.

    Raises FolderInUseError if another program is writing to it, and OSError.
    """
    from mrcnn_explained.system.folders import check_folder, use_folder

    context = _context.get()
    if context is None:  # called from Python, not from the command line
        check_folder(folder)
    else:
        context.with_resource(use_folder(folder))


def _check_value(name: str, value: Any, is_path: bool) -> None:
    """Raise InputError for a value that no option or argument can have."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is {value}; expected a finite number")
    if not isinstance(value, str | Path):
        return
    if "\0" in str(value):
        raise InputError(f"{name} is {shown(str(value))}, which holds the character NUL")
    if is_path:
        _check_path(name, str(value))


def _check_path(name: str, path: str) -> None:
    """Refuse what is neither a file nor a folder, without opening it: a pipe would be waited for.

    A path that does not exist is left to the command.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:  # a loop of links, a name that is too long
        raise InputError(
            f"{shown(path, 160)} cannot be used: {error.strerror}; give another path ({name})"
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            f"{shown(path, 160)[1:-1]} is a pipe or a device; give a file or a folder ({name})"
        )
