"""Notes: the package's warnings as lines on stderr; about images, one per kind of finding."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mrcnn_explained.errors import ImageWarning


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print warnings as notes; an ImageWarning in full for the first image of a kind.

    How many other images were alike is printed at the end.
    """
    images: dict[str, set[str]] = {}
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        """Print a warning of this package, and leave others to Python."""
        if isinstance(message, ImageWarning):
            alike = images.setdefault(message.finding, set())
            if not alike:
                print(f"note: {message}", file=sys.stderr)
            alike.add(message.image)
        elif category.__module__.startswith("mrcnn_explained."):
            print(f"note: {message}", file=sys.stderr)
        elif category.__name__ != "DecompressionBombWarning":  # an error follows it
            show(message, category, *rest, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ImageWarning)
        warnings.showwarning = note
        try:
            yield
        finally:
            for finding, alike in images.items():
                if others := len(alike) - 1:
                    word = "image" if others == 1 else "images"
                    print(f"note: {others} more {word}: {finding}", file=sys.stderr)
