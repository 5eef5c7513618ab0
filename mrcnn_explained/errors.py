"""Errors that a user can fix: the input, the config, the machine's memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Characters of a value in a message, at most: a message never holds the content of a file.
LONGEST_VALUE = 60


class InputError(ValueError):
    """Input that cannot be used: what came, what was expected, what to do.

    The command line prints it and ends with exit code 2, which no other error does.
    """


class ImageError(InputError):
    """An image that cannot be used: what came, what was expected, what to do."""


class ImageWarning(UserWarning):
    """What was assumed about an image that can be read in more than one way.

    image      what messages call the image: its path, or its place in a list
    finding    what was found and assumed, and what to do if that is wrong; the same sentence for
               all images of one kind, so that they can be counted
    """

    def __init__(self, image: str, finding: str):
        super().__init__(f"{image} {finding}")
        self.image, self.finding = image, finding


class ConfigError(InputError):
    """A config that contradicts itself: the field, its value, and what would be valid."""


class OutOfMemoryError(InputError, MemoryError):
    """Memory that the machine does not have: for what, how much, what to do."""


@contextmanager
def memory_for(what: str, size: int) -> Iterator[None]:
    """Turn a MemoryError within the block into an OutOfMemoryError that says what it was for.

    what    what is read, with the file as the user named it
    size    bytes that it needs in memory
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(
            f"out of memory while reading {what}, which needs {size:,} bytes; nothing is wrong "
            "with the file: close other programs, or use a machine with more memory"
        ) from error


class RandomWeightsWarning(UserWarning):
    """Detections have no meaning: the weights, or some of them, were never trained."""


class NotFiniteWarning(UserWarning):
    """A trace holds NaN or infinity: in which stage first, and which weights do."""


class TrainingError(InputError):
    """A training run that cannot start, resume or continue: what came, and what to do."""


class AssumedConfigWarning(UserWarning):
    """Weights came without their config, or with two: which numbers were assumed or taken."""


def shown(value: Any, longest: int = LONGEST_VALUE) -> str:
    """Return a value as a message shows it: its repr, cut if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or too deep
        text = f"a {type(value).__name__}"
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"
