"""Colour splash: objects keep their colours, everything else turns grey; of images and videos."""

from collections.abc import Callable
from os import PathLike

import numpy as np
from jaxtyping import Bool, UInt8

from mrcnn_explained.media.video import check_target, open_video, write_video

Image = UInt8[np.ndarray, "h w 3"]
Masks = Bool[np.ndarray, "h w n"]


def color_splash(image: Image, masks: Masks) -> Image:
    """Return the image in grey, with its colours where any mask is True."""
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    inside = masks.any(axis=-1, keepdims=True)
    return np.where(inside, image, grey).astype(np.uint8)


def splash_video(
    masks_of: Callable[[Image], Masks],
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> int:
    """Write a video whose objects keep their colours; return the number of frames.

    masks_of    returns the masks of the objects on one frame, for example
                `lambda frame: model.detect([frame])[0]["masks"]`
    progress    called with (frames done, frames in all; None: unknown)

    Raises VideoError for files that cannot be read or written.
    """
    check_target(target)
    with open_video(source) as video:
        total = video.frame_count or None
        frames = (
            frame._replace(image=color_splash(frame.image, masks_of(frame.image)))
            for frame in video.timed_frames
        )

        def report(done: int) -> None:
            """Report progress with the number of frames in all."""
            progress(done, total)

        return write_video(target, frames, video.rate, progress=report)
