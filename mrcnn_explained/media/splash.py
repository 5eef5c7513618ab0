"""Colour splash of a video: objects keep their colours, everything else turns grey."""

from collections.abc import Callable
from os import PathLike

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.media.images import color_splash
from mrcnn_explained.media.video import check_target, open_video, write_video


def splash_video(
    model: MaskRCNN,
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> int:
    """Detect on every frame of a video and write the splashed ones; return how many.

    progress    gets frames done and, where the file says so, their number

    Raises VideoError for files that cannot be read or written.
    """
    check_target(target)
    with open_video(source) as video:
        frames = (color_splash(frame, model.detect([frame])[0]["masks"]) for frame in video.frames)
        total = video.count or None
        return write_video(target, frames, video.rate, progress=lambda done: progress(done, total))
