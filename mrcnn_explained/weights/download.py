"""Matterport's COCO weights: found in the cache, or downloaded there first."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_cache_dir

from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.errors import WeightFileError

COCO_FILE = "mask_rcnn_coco.h5"
COCO_URL = f"https://github.com/matterport/Mask_RCNN/releases/download/v2.0/{COCO_FILE}"
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # the first bytes of every HDF5 file
CHUNK = 2**20  # bytes

#: Called with (bytes so far, bytes in all; 0: unknown).
Progress = Callable[[int, int], None]


def cached_coco_weights() -> Path:
    """Return where mask_rcnn_coco.h5 is cached; $MRCNN_EXPLAINED_CACHE names another folder."""
    folder = os.environ.get("MRCNN_EXPLAINED_CACHE") or user_cache_dir("mrcnn_explained", False)
    return Path(folder) / COCO_FILE


def find_coco_weights(*, url: str = COCO_URL, progress: Progress | None = None) -> Path:
    """Return Matterport's COCO weights from the cache, or download them there first.

    progress    called with (bytes so far, bytes in all); None: a bar on the terminal

    A download that breaks off leaves no file. Raises WeightFileError if there is no network,
    with the place to put a file that was fetched elsewhere.
    """
    target = cached_coco_weights()
    if target.exists():
        return target
    by_hand = f"download {url} (about 250 MB) elsewhere and save it as {target}"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            length = response.headers.get("Content-Length", "")
            size = int(length) if length.isdecimal() else 0
            with _bar(size, progress) as report, atomic_write(target) as file:
                _copy(response, file, size, report)
    except urllib.error.HTTPError as error:
        raise WeightFileError(f"{url} answered {error.code} {error.reason}; {by_hand}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WeightFileError(f"no connection to {url} ({reason}); {by_hand}") from error
    except OSError as error:
        raise WeightFileError(
            f"{target} cannot be written: {error.strerror or error}; make room there, or set "
            "MRCNN_EXPLAINED_CACHE to another folder"
        ) from error
    return target


def _copy(response: HTTPResponse, file: BinaryIO, size: int, report: Progress) -> None:
    """Copy a response into a file; raise WeightFileError unless all of it came and is HDF5."""
    done = 0
    while chunk := response.read(CHUNK):
        if not done and not chunk.startswith(SIGNATURE):
            raise WeightFileError(
                f"the download of {COCO_FILE} is not a weight file, it begins with {chunk[:20]!r}: "
                "a proxy or a login page answered in its place; try another network"
            )
        file.write(chunk)
        done += len(chunk)
        report(done, size)
    if not done or (size and done != size):
        raise WeightFileError(
            f"the download of {COCO_FILE} broke off after {done:,} of {size:,} bytes; try again"
        )


@contextmanager
def _bar(size: int, progress: Progress | None) -> Iterator[Progress]:
    """Yield the function to report to: the caller's, or that of a bar on the terminal."""
    if progress is not None:
        yield progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(COCO_FILE), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(COCO_FILE, total=size or None)

        def report(done: int, total: int) -> None:
            """Move the bar."""
            shown.update(task, completed=done)

        yield report
