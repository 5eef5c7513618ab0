"""What the commands share: a console, and two ways to show progress."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Return the terminal; in a file, 120 columns of text. Brackets and colons in it are text."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)


def print_text(text: object) -> None:
    """Print text as it is: numbers get no colour."""
    console().print(str(text), highlight=False)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show on stderr which step runs; yield a function that takes the next step's name."""
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("Starting") as status:
        yield lambda what: status.update(Text(what))  # a str would be markup


@contextlib.contextmanager
def bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on stderr; yield a function that takes how many of how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
