"""Notes: what was assumed about images, one line per kind of finding, on stderr."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mrcnn_explained.errors import ImageWarning


@contextmanager
def image_notes() -> Iterator[None]:
    """Print each ImageWarning as a note, in full for the first image of a kind.

    How many other images were alike is printed at the end.
    """
    images: dict[str, set[str]] = {}
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        """Print an ImageWarning, and leave other warnings to Python."""
        if isinstance(message, ImageWarning):
            alike = images.setdefault(message.finding, set())
            if not alike:
                print(f"note: {message}", file=sys.stderr)
            alike.add(message.image)
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
