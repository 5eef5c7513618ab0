"""What the commands share: a console, a line that says what is being done, a quiet import."""

import contextlib
import os
import sys
from collections.abc import Iterator


def console():
    """A terminal as wide as it is, or 120 columns of text in a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)


@contextlib.contextmanager
def progress() -> Iterator:
    """Show on stderr what is being done; yields a function that takes the next step's name."""
    from rich.console import Console

    with Console(stderr=True).status("Starting") as status:
        yield status.update


@contextlib.contextmanager
def bar(what: str) -> Iterator:
    """A progress bar on stderr; yields a function that takes how many are done, of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep what TensorFlow says while it starts, in C++ to file descriptor 2, off the screen."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # without a driver this complains, once
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
