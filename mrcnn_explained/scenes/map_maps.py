"""The feature maps of a Map: a few channels of every level, as bytes."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from PIL import Image

from mrcnn_explained.detector.schema import is_there
from mrcnn_explained.explain.reading import OneImage
from mrcnn_explained.scenes.map_block import Block
from mrcnn_explained.stages.levels import ROI_LEVELS

MOST_CHANNELS = 8
MOST_BYTES = 700_000  # of maps of the pyramid, before compression
PYRAMID_LEVELS = (*ROI_LEVELS, 6)


def add_maps(block: Block, one: OneImage) -> tuple[list[int], list[str]]:
    """Append the maps of one image; return the chosen channels, and what is missing."""
    trace, image, missing = one.trace, one.image, []
    channels = best_channels(one)
    if all(map(is_there, trace.backbone)):
        for i, features in enumerate(trace.backbone, start=1):
            if features.shape[-1]:  # C1 of another backbone may have no channels
                mean = np.abs(_finite(features[image])).mean(axis=-1)
                block.add_map(f"c{i}", mean[np.newaxis])
    else:
        missing.append("C1 to C5: a saved trace does not hold them; a run in memory does")
    parts = ("laterals", "upsampled", "sums")
    if all(is_there(level) for part in parts for level in getattr(trace.pyramid, part)):
        for part in parts:
            for k, features in enumerate(getattr(trace.pyramid, part), start=2):
                block.add_map(f"{part}{k}", _chosen(features[image], channels))
    else:
        missing.append(
            "laterals and sums of the pyramid: a saved trace does not hold them; a run in memory "
            "does"
        )
    for k in PYRAMID_LEVELS:
        block.add_map(f"p{k}", _chosen(getattr(trace.pyramid, f"p{k}")[image], channels))
        scores = _finite(trace.rpn.level_class[k - 2][image])[..., 1]
        block.add(f"objectness{k}", np.round(255 * np.moveaxis(scores, -1, 0)), np.uint8)
    return channels, missing


def best_channels(one: OneImage) -> list[int]:
    """Return the channels whose maps differ most between objects and the rest, on all levels.

    Without an object the channels that vary most. As many as the size of the image leaves room
    for, at least one.
    """
    inside = np.any(one.of("instances", "masks"), axis=-1)
    maps = [_finite(getattr(one.trace.pyramid, f"p{k}")[one.image]) for k in ROI_LEVELS]
    bytes_each = 4 * sum(features.shape[0] * features.shape[1] for features in maps)
    most = int(np.clip(MOST_BYTES // bytes_each, 1, MOST_CHANNELS))
    ranks = np.zeros(maps[0].shape[-1])
    for features in maps:
        deviation = features.std(axis=(0, 1)) + 1e-9
        ranks += 0.3 * np.log(deviation)
        small = _in_molded(one, inside, features.shape[:2])
        if small.any() and not small.all():
            difference = features[small].mean(axis=0) - features[~small].mean(axis=0)
            ranks += np.abs(difference) / deviation
    return [int(channel) for channel in np.argsort(-ranks, kind="stable")[:most]]


def _finite(values: Any) -> Float64[np.ndarray, "*n"]:
    """Return values with 0 for NaN and infinity, in float64: no sum of them overflows."""
    return np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0)


def _in_molded(one: OneImage, inside: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of the original image in the cells of a map of the molded image."""
    height, width = one.of("image", "molded_shape")[:2]
    y1, x1, y2, x2 = one.of("image", "window")
    molded = np.zeros((height, width), bool)
    scaled = Image.fromarray(inside).resize((int(x2 - x1), int(y2 - y1)))
    molded[y1:y2, x1:x2] = np.asarray(scaled)
    return np.asarray(Image.fromarray(molded).resize((shape[1], shape[0])))


def _chosen(features: Any, channels: list[int]) -> Float32[np.ndarray, "ch h w"]:
    """Return some channels of a map, channels first."""
    return np.moveaxis(np.asarray(features)[..., channels], -1, 0)
