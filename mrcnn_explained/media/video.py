"""Videos as images, one after the other: read and written with PyAV (extra `video`)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.errors import InputError
from mrcnn_explained.files import atomic_write

Frame = UInt8[np.ndarray, "h w 3"]

#: File name suffix → the container that FFmpeg writes.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}


class VideoError(InputError):
    """A video that cannot be read or written: what came, what was expected, what to do."""


class Video(NamedTuple):
    """An open video."""

    frames: Iterator[Frame]  # in the order of time, each read when it is asked for
    rate: Fraction  # images a second
    count: int  # how many its header promises; 0: it does not say


def is_video(path: str | PathLike[str]) -> bool:
    """Whether a file's name says that it is a video."""
    return Path(path).suffix.lower() in CONTAINERS


def check_target(path: str | PathLike[str]) -> None:
    """Raise VideoError for a file that could not be written, before any frame is read."""
    if not is_video(path):
        raise VideoError(
            f"{path} does not end like a video that can be written; give one of "
            f"{', '.join(CONTAINERS)}"
        )
    if find_spec("av") is None:
        raise VideoError("videos need PyAV: pip install 'mrcnn-explained[video]'")


@contextmanager
def open_video(path: str | PathLike[str]) -> Iterator[Video]:
    """Open a video file; frames can be asked for within the block.

    Raises VideoError for what FFmpeg does not know, what holds no moving image, and, while
    frames are read, for a file that is broken.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError("videos need PyAV: pip install 'mrcnn-explained[video]'") from error
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path} is not a file; give a video file")
    try:
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise VideoError(f"{path} is no video that FFmpeg can read: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path} holds no moving image")
        stream = container.streams.video[0]
        yield Video(
            _decoded(container, stream, path), stream.average_rate or Fraction(25), stream.frames
        )


def _decoded(container, stream, path):
    """Frame by frame; a file that is broken further on is told in words, too."""
    import av

    done = 0
    try:
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")
            done += 1
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path} is broken behind frame {done}: {error.strerror}. Save it anew, or cut it there"
        ) from error


def write_video(
    path: str | PathLike[str],
    frames: Iterable[Frame],
    rate: Fraction,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write frames of one size as a video, whole or not at all; return how many there were.

    rate        images a second
    progress    gets the number of frames done

    A side of an odd number of pixels grows by one, a copy of the last: its codecs halve colours.
    Raises VideoError where no frame came.
    """
    import av

    check_target(path)
    done, stream = 0, None
    with (
        atomic_write(path) as file,
        av.open(file, "w", format=CONTAINERS[Path(path).suffix.lower()]) as container,
    ):
        for frame in frames:
            if stream is None:
                height, width = (side + side % 2 for side in frame.shape[:2])
                stream = container.add_stream(container.default_video_codec, rate=rate)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            padding = [(0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)]
            image = av.VideoFrame.from_ndarray(np.pad(frame, padding, mode="edge"), "rgb24")
            container.mux(stream.encode(image))
            done += 1
            progress(done)
        if stream is None:
            raise VideoError("the video holds no frame: there is nothing to write")
        container.mux(stream.encode())
    return done
