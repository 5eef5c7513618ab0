"""Videos as a sequence of images, upright, read and written with PyAV (extra `video`)."""

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
from mrcnn_explained.system.files import atomic_write, check_file

Frame = UInt8[np.ndarray, "h w 3"]

#: File name suffix → the container that FFmpeg writes.
CONTAINERS = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".m4v": "mp4",
}
#: Suffixes of videos that are only read.
READ_ONLY = (
    ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".ogv", ".vob",
)  # fmt: skip

NO_PYAV = "videos need PyAV: pip install 'mrcnn-explained[video]'"
MOST_PIXELS = 8192 * 4320  # of one frame (8K): a broken header may declare any size
USUAL_RATE = Fraction(25)  # frames per second of a video that does not say it
HIGHEST_RATE = 1000
SQUARE = Fraction(1)  # a pixel as wide as it is high
TICKS = 60_000  # about as many units of time per second in the videos that are written


class VideoError(InputError):
    """A video that cannot be read or written: what came, what was expected, what to do."""


class TimedFrame(NamedTuple):
    """A frame of a video, and how it is shown."""

    image: Frame  # upright
    time: Fraction | None  # seconds; None: the file does not say it
    pixel_aspect: Fraction  # width of a pixel / its height


class Video(NamedTuple):
    """An open video."""

    timed_frames: Iterator[TimedFrame]  # in the order of time; each is read when it is asked for
    rate: Fraction  # frames per second, on average
    frame_count: int  # according to the file's header; 0: unknown

    @property
    def frames(self) -> Iterator[Frame]:
        """The images of the frames, upright, in the order of time."""
        return (frame.image for frame in self.timed_frames)


def is_video(path: str | PathLike[str]) -> bool:
    """Return whether a file has the suffix of a video."""
    suffix = Path(path).suffix.lower()
    return suffix in CONTAINERS or suffix in READ_ONLY


def check_target(path: str | PathLike[str]) -> None:
    """Raise VideoError for a file that could not be written, before any frame is read."""
    if Path(path).suffix.lower() not in CONTAINERS:
        raise VideoError(
            f"{path} does not end like a video that can be written; give one of "
            f"{', '.join(CONTAINERS)}"
        )
    if find_spec("av") is None:
        raise VideoError(NO_PYAV)


@contextmanager
def open_video(path: str | PathLike[str]) -> Iterator[Video]:
    """Open a video file; its frames can be read within the block.

    Frames are turned and mirrored as the file's display matrix asks, as players do.

    Raises VideoError for files that FFmpeg cannot read or that hold no moving image and, while
    frames are read, for a file that is broken.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError(NO_PYAV) from error
    path = Path(path)
    check_file(path, "a video file", VideoError)
    # Metadata in another encoding than UTF-8 is not needed: wrong letters do no harm.
    options = {"max_pixels": str(MOST_PIXELS)}
    try:
        container = av.open(str(path), metadata_errors="replace", options=options)
    except Exception as error:  # a broken file makes FFmpeg raise errors of many kinds
        raise VideoError(f"{path} is not a video that FFmpeg can read: {_reason(error)}") from error
    with container:
        stream = _moving(container)
        if stream is None:
            raise VideoError(f"{path} holds no moving image; give a video file")
        if stream.codec_context is None:
            raise VideoError(f"{path} is in a codec that FFmpeg cannot read; save it as H.264")
        stream.codec_context.options = options
        rate = stream.average_rate or USUAL_RATE
        if not 0 < rate <= HIGHEST_RATE:
            rate = USUAL_RATE
        yield Video(_decoded(container, stream, path), rate, stream.frames)


def _moving(container: Any) -> Any:
    """Return the stream of moving images of a container, not a cover; None if it has none."""
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return streams[0] if streams else None


def _decoded(container: Any, stream: Any, path: str | PathLike[str]) -> Iterator[TimedFrame]:
    """Yield the frames of a stream; raise VideoError if the file is broken further on."""
    done = 0
    try:
        _check_size(stream, path)
        for frame in container.decode(stream):
            _check_size(frame, path)
            yield _shown(frame, stream.sample_aspect_ratio)
            done += 1
    except VideoError:
        raise
    except Exception as error:
        raise VideoError(
            f"{path} is broken after frame {done}: {_reason(error)}. Save it again, or cut it there"
        ) from error


def _check_size(frame: Any, path: str | PathLike[str]) -> None:
    """Raise VideoError for a frame or a stream with more pixels than are read."""
    if frame.width * frame.height > MOST_PIXELS:
        raise VideoError(
            f"{path} has frames of {frame.width} x {frame.height} pixels; at most {MOST_PIXELS:,} "
            "are read. Scale it down"
        )


def _shown(frame: Any, pixel_aspect: Fraction | None) -> TimedFrame:
    """Return a decoded frame as players show it."""
    image, aspect = frame.to_ndarray(format="rgb24"), pixel_aspect or SQUARE
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # (x, y) is shown at (a x + c y, b x + d y); what else the matrix holds shifts the image.
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
        is_upright = abs(a) + abs(d) >= abs(b) + abs(c)
        if not is_upright:
            image, aspect = image.swapaxes(0, 1), 1 / aspect
        rows, columns = (d, a) if is_upright else (b, c)
        image = image[:: -1 if rows < 0 else 1, :: -1 if columns < 0 else 1]
    known = frame.pts is not None and frame.time_base is not None
    time = frame.pts * frame.time_base if known else None
    return TimedFrame(np.ascontiguousarray(image), time, aspect)


def _reason(error: Exception) -> str:
    """Return what FFmpeg said, in one short line."""
    words = " ".join(str(getattr(error, "strerror", None) or error).split())
    return words[:120] or type(error).__name__


def write_video(
    path: str | PathLike[str],
    frames: Iterable[Frame | TimedFrame],
    rate: Fraction,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write frames of one size as a video, whole or not at all; return how many there were.

    frames      images, or frames of `open_video`, which keep their times and the shape of their
                pixels (an .avi file has one rate for all frames)
    rate        frames per second
    progress    called with the number of frames done

    In files other than .webm and .avi, a side with an odd number of pixels gets one more, a copy
    of the last: H.264 stores colours at half the size. Raises VideoError if there is no frame, or
    if a frame has another size than the first.
    """
    check_target(path)
    container_format = CONTAINERS[Path(path).suffix.lower()]
    done = 0
    with atomic_write(path) as file, _Writer(file, container_format, rate) as writer:
        for frame in frames:
            timed = frame if isinstance(frame, TimedFrame) else TimedFrame(frame, None, SQUARE)
            writer.write(timed)
            done += 1
            progress(done)
        if done == 0:
            raise VideoError("the video holds no frame: there is nothing to write")
    return done


class _Writer:
    """Writes frames into a container; the first frame decides the size."""

    def __init__(self, file: Any, container_format: str, rate: Fraction):
        self.file, self.format = file, container_format
        self.rate = Fraction(rate).limit_denominator(1001)
        # AVI has no times: its unit is one frame.
        self.ticks = 1 if container_format == "avi" else max(1, round(TICKS / self.rate))
        self.unit = 1 / (self.rate * self.ticks)  # seconds
        self.stream: Any = None
        self.shape: tuple[int, ...] = ()
        self.start: Fraction | None = None
        self.last = -self.ticks  # the time of the last frame, in units

    def __enter__(self) -> "_Writer":
        import av

        self.container = av.open(self.file, "w", format=self.format)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Write what the encoder still holds, and close the container."""
        if self.stream is not None and error is None:
            self.container.mux(self.stream.encode())
        self.container.close()

    def write(self, frame: TimedFrame) -> None:
        """Write the next frame."""
        import av

        if self.stream is None:
            self._add_stream(frame)
        if frame.image.shape != self.shape:
            size, first = ("{1} x {0}".format(*shape) for shape in (frame.image.shape, self.shape))
            raise VideoError(
                f"a frame has {size} pixels, the first one has {first}: a video has one size. "
                "Cut the video where its size changes"
            )
        missing = (self.stream.height - self.shape[0], self.stream.width - self.shape[1])
        padded = np.pad(frame.image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="edge")
        image = av.VideoFrame.from_ndarray(padded, "rgb24")
        image.time_base, image.pts, image.duration = self.unit, self._place(frame), self.ticks
        self.container.mux(self.stream.encode(image))

    def _add_stream(self, frame: TimedFrame) -> None:
        """Begin the stream, with the size of its first frame."""
        codec = self.container.default_video_codec
        self.shape = frame.image.shape
        height, width = self.shape[:2]
        even = codec == "h264"
        self.stream = self.container.add_stream(codec, rate=self.rate)
        self.stream.height = height + height % 2 if even else height
        self.stream.width = width + width % 2 if even else width
        self.stream.pix_fmt = "yuv420p"
        self.stream.codec_context.time_base = self.unit
        self.stream.codec_context.sample_aspect_ratio = frame.pixel_aspect

    def _place(self, frame: TimedFrame) -> int:
        """Return the time of a frame in units from the first one; later than the one before."""
        if self.start is None:
            self.start = frame.time
        if frame.time is None or self.start is None or self.ticks == 1:
            self.last += self.ticks
        else:
            self.last = max(self.last + 1, round((frame.time - self.start) / self.unit))
        return self.last
