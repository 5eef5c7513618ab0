"""Molding by a config: the one place that hands the numbers of a Config to `mold_image`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.config import Config
from mrcnn_explained.stages.image import MoldedImage, mold_image


def _call(name: str, stage: Callable[..., Any], *inputs: Any, **settings: Any) -> Any:
    """Call a stage; a runner, which takes this function's place, needs its name as well."""
    return stage(*inputs, **settings)


def mold(
    images: Sequence[UInt8[np.ndarray, "_ _ ch"]],
    config: Config,
    *,
    run: Callable[..., Any] = _call,
    **more: Any,
) -> MoldedImage:
    """Mold images to the size that a config asks for.

    images    uint8 [h, w, channels], any sizes
    run       calls the stage, `run("image", mold_image, images, **settings)`: a `Runner`, which
              may call another function in its place
    more      `image_ids`, `active_class_ids` and `seed` of `mold_image`

    Raises ImageError as `mold_image` does.
    """
    settings = {
        "min_dim": config.image_min_dim,
        "max_dim": config.image_max_dim,
        "min_scale": config.image_min_scale,
        "mode": config.image_resize_mode,
        "mean_pixel": config.mean_pixel,
        "num_classes": config.num_classes,
    }
    return run("image", mold_image, images, **settings, **more)
