"""The error of weight files, and the words that all their readers share."""

from collections.abc import Sequence
from typing import Any

from mrcnn_explained.errors import InputError

#: What a reader of .h5 files expects, for its messages.
EXPECTED = (
    "expected is an .h5 file of a Mask R-CNN, as Matterport's code or a port of it saves with "
    "Keras 2"
)


class WeightFileError(InputError):
    """A weight file that cannot be used: what came, what was expected, what to do.

    report    the WeightReport, if the file could be read but does not fit the model
    """

    def __init__(self, message: str, report: Any = None):
        super().__init__(message)
        self.report = report


def some(names: Sequence[str], limit: int = 5) -> str:
    """Name the first few: 'a, b, c and 12 more'."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
