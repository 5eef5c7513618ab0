"""Image meta: the facts about each image, packed into one row of numbers.

Source   Matterport's compose_image_meta, parse_image_meta and parse_image_meta_graph
Shapes   B images, C classes, meta = 12 + C; a window is (y1, x1, y2, x2)
"""

from typing import Annotated, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64


class ImageMeta(NamedTuple):
    """The parts of `image_meta` in Matterport's order: arrays or tensors, as `image_meta` is."""

    image_id: Annotated[Float[Any, "*b"], "number of the image in its dataset; 0 when detecting"]
    original_shape: Annotated[Float[Any, "*b 3"], "(h, w, channels) of the original image, pixels"]
    molded_shape: Annotated[Float[Any, "*b 3"], "(H, W, channels) of the molded image, pixels"]
    window: Annotated[
        Float[Any, "*b 4"], "part of the molded image that the original fills, pixels"
    ]
    scale: Annotated[Float[Any, "*b"], "molded pixels per original pixel"]
    active_class_ids: Annotated[
        Float[Any, "*b C"], "1 for each class of the image's dataset, 0 for the others"
    ]


def pack_meta(
    *,
    image_id: Int64[np.ndarray, "B"],
    original_shape: Int64[np.ndarray, "B 3"],
    molded_shape: Int64[np.ndarray, "B 3"],
    window: Int64[np.ndarray, "B 4"],
    scale: Float64[np.ndarray, "B"],
    active_class_ids: Int64[np.ndarray, "B C"],
) -> Float64[np.ndarray, "B meta"]:
    """Pack the facts about each image into one row of 12 + C numbers.

    Source: Matterport's compose_image_meta. Keras graphs of that time took tensors only,
    hence one vector, image ids included; its length depends on the number of classes
    (deviation 55).
    """
    columns = (image_id[:, None], original_shape, molded_shape, window, scale[:, None])
    return np.concatenate([*columns, active_class_ids], axis=1).astype(np.float64)


def unpack_meta(image_meta: Float[Any, "*b meta"]) -> ImageMeta:
    """Return the parts of `image_meta` by name. Undoes `pack_meta`.

    image_meta    NumPy array or tensor [B, 12 + C], or [12 + C] for a single image

    Each part keeps the type of `image_meta`, so ids and shapes are floats. The order is
    image_id (1 number), original_shape (3), molded_shape (3), window (4), scale (1) and
    active_class_ids (C).

    Source: Matterport's parse_image_meta, and parse_image_meta_graph for tensors.
    """
    return ImageMeta(
        image_id=image_meta[..., 0],
        original_shape=image_meta[..., 1:4],
        molded_shape=image_meta[..., 4:7],
        window=image_meta[..., 7:11],
        scale=image_meta[..., 11],
        active_class_ids=image_meta[..., 12:],
    )
