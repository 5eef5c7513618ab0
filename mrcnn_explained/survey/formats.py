"""Formats of a survey's table. Light: a wrong one is refused before anything is imported."""

from importlib.util import find_spec

from mrcnn_explained.errors import InputError

FORMATS = ("csv", "parquet")


def check_format(kind: str) -> None:
    """Raise InputError for a format that cannot be written here, before any image is read."""
    if kind not in FORMATS:
        raise InputError(f"--format is {kind!r}; one of {', '.join(FORMATS)}")
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise InputError(
            "--format parquet needs pyarrow: pip install 'mrcnn-explained[ray]', or say "
            "--format csv"
        )
