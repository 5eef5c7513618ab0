"""Videos as a sequence of images, read and written with PyAV (extra `video`)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.errors import InputError
from mrcnn_explained.files import atomic_write

Frame = UInt8[np.ndarray, "h w 3"]

#: File name suffix → the container that FFmpeg writes.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}

NO_PYAV = "videos need PyAV: pip install 'mrcnn-explained[video]'"


class VideoError(InputError):
    """A video that cannot be read or written: what came, what was expected, what to do."""


class Video(NamedTuple):
    """An open video."""

    frames: Iterator[Frame]  # in the order of time; each is read when it is asked for
    rate: Fraction  # frames per second
    frame_count: int  # according to the file's header; 0: unknown


def is_video(path: str | PathLike[str]) -> bool:
    """Return whether a file has the suffix of a video."""
    return Path(path).suffix.lower() in CONTAINERS


def check_target(path: str | PathLike[str]) -> None:
    """Raise VideoError for a file that could not be written, before any frame is read."""
    if not is_video(path):
        raise VideoError(
            f"{path} does not end like a video that can be written; give one of "
            f"{', '.join(CONTAINERS)}"
        )
    if find_spec("av") is None:
        raise VideoError(NO_PYAV)


@contextmanager
def open_video(path: str | PathLike[str]) -> Iterator[Video]:
    """Open a video file; its frames can be read within the block.

    Raises VideoError for files that FFmpeg cannot read or that hold no moving image and, while
    frames are read, for a file that is broken.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError(NO_PYAV) from error
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path} is not a file; give a video file")
    try:
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise VideoError(f"{path} is not a video that FFmpeg can read: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path} holds no moving image; give a video file")
        stream = container.streams.video[0]
        rate = stream.average_rate or Fraction(25)
        yield Video(_decoded(container, stream, path), rate, stream.frames)


def _decoded(container: Any, stream: Any, path: str | PathLike[str]) -> Iterator[Frame]:
    """Yield the frames of a stream; raise VideoError if the file is broken further on."""
    import av

    done = 0
    try:
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")
            done += 1
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path} is broken after frame {done}: {error.strerror}. Save it again, or cut it there"
        ) from error


def write_video(
    path: str | PathLike[str],
    frames: Iterable[Frame],
    rate: Fraction,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write frames of one size as a video, whole or not at all; return how many there were.

    rate        frames per second
    progress    called with the number of frames done

    A side with an odd number of pixels gets one more, a copy of the last: the codecs store
    colours at half the size. Raises VideoError if there is no frame.
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
