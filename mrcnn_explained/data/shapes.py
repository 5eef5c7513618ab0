"""ShapesDataset: scenes drawn from a seed, in which a learner sees what is right.

Nine shapes, some easily confused, in sizes from 12 pixels to nearly the whole image, with
textures, shadows and clutter; every object drawn is labelled. A scene costs milliseconds and no
disk space: the same seed and number give the same scene on every machine.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8

from mrcnn_explained.data.dataset import Dataset
from mrcnn_explained.data.records import DatasetError
from mrcnn_explained.data.shape_colors import background, fill
from mrcnn_explained.data.shape_outlines import SHAPES, Number, Shape

OCCLUSION = 0.35  # largest share of an object that the objects over it hide, together
SMALLEST = 12  # pixels, longer side
LARGEST = 480  # pixels, longer side, in an image of 512; in proportion in others
TRIES = 8  # classes and places to try for each object
FEWEST_PIXELS = 20  # of an object's mask
MOST_PIXELS = 4096  # side of a scene; a larger one takes minutes to draw

Window = tuple[slice, slice]


class Scene(NamedTuple):
    """One image and the objects on it."""

    image: UInt8[np.ndarray, "s s 3"]  # RGB
    masks: Bool[np.ndarray, "s s n"]  # the visible pixels of each object
    class_ids: Int32[np.ndarray, "n"]  # 1…9, in the order of SHAPES


class ShapesDataset(Dataset):
    """`count` scenes of `size` x `size` pixels.

    Raises DatasetError for scenes of more than MOST_PIXELS.
    """

    def __init__(self, count: int, seed: int = 0, size: int = 512):
        super().__init__()
        if size > MOST_PIXELS:
            raise DatasetError(
                f"scenes of {size} x {size} pixels are too large to draw: at most {MOST_PIXELS}"
            )
        self.seed, self.size = seed, size
        for class_id, name in enumerate(SHAPES, start=1):
            self.add_class("shapes", class_id, name)
        for number in range(count):
            self.add_image("shapes", number, path=None)
        self.prepare()
        self._last: tuple[int, Scene] | None = None

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Draw the scene."""
        return self._scene(image_id).image

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the visible part of every object, and its class."""
        scene = self._scene(image_id)
        return scene.masks, scene.class_ids

    def _scene(self, image_id: int) -> Scene:
        """Draw a scene, or return the last one: its image and masks are read in turn."""
        if self._last is None or self._last[0] != image_id:
            rng = np.random.default_rng([self.seed, image_id])
            self._last = (image_id, draw_scene(rng, self.size))
        return self._last[1]


class _Drawn(NamedTuple):
    """One object, drawn in a window of the image."""

    window: Window
    cover: Float32[np.ndarray, "h w"]  # share of each pixel, 0…1
    shadow: Float32[np.ndarray, "h w"]  # share of the light that the shadow takes, 0…1


def draw_scene(rng: np.random.Generator, size: int = 512) -> Scene:
    """Draw one scene of `size` x `size` pixels.

    One scene in three has small objects around a large one, the others mix sizes. An object
    that would hide too much of another, or hardly differ from what it covers, is not drawn.
    """
    image = background(rng, size)
    masks: list[np.ndarray] = []  # visible pixels
    areas: list[int] = []  # pixels of each object before others hid a part
    class_ids: list[int] = []
    for side in _sides(rng, size):
        for _ in range(TRIES):
            index = int(rng.integers(len(SHAPES)))
            drawn = _draw(rng, list(SHAPES.values())[index], side, size)
            if drawn is None:
                continue
            mask = drawn.cover > 0.5
            if mask.sum() < FEWEST_PIXELS or _hides_too_much(mask, drawn.window, masks, areas):
                continue
            colors = fill(rng, image[drawn.window], mask, side)
            if colors is None:
                continue
            _paint(image[drawn.window], colors, drawn)
            for other in masks:
                other[drawn.window] &= ~mask
            whole = np.zeros([size, size], bool)
            whole[drawn.window] = mask
            masks.append(whole)
            areas.append(int(mask.sum()))
            class_ids.append(index + 1)
            break
    image += rng.normal(0, rng.uniform(0, 5), image.shape[:2])[..., np.newaxis]
    return Scene(
        image=np.clip(image, 0, 255).astype(np.uint8),
        masks=np.stack(masks, axis=-1) if masks else np.zeros([size, size, 0], bool),
        class_ids=np.array(class_ids, np.int32),
    )


def _sides(rng: np.random.Generator, size: int) -> Float[np.ndarray, "n"]:
    """Return the longer sides of a scene's objects, pixels, largest first."""
    smallest, largest = SMALLEST, LARGEST * size / 512

    def between(low: float, high: float, count: int) -> np.ndarray:
        """Draw sides whose logarithms are uniform."""
        return np.exp(rng.uniform(np.log(low), np.log(high), count))

    if rng.random() < 0.35:
        small = between(smallest, min(6 * smallest, largest / 3), int(rng.integers(5, 15)))
        sides = np.concatenate([between(0.55 * largest, largest, 1), small])
    else:
        sides = between(1.5 * smallest, 0.9 * largest, int(rng.integers(3, 11)))
    return np.sort(sides)[::-1]


def _draw(rng: np.random.Generator, shape: Shape, side: float, size: int) -> _Drawn | None:
    """Draw a shape at a random place, antialiased; None: it would touch the image's border."""
    proportion = rng.uniform(*shape.proportion)
    side = max(side, SMALLEST * min(proportion, 1.6))  # thin shapes must be long to be seen
    half = side / 2
    angle = np.deg2rad(rng.uniform(-shape.turn, shape.turn))
    cy, cx = rng.uniform(0.45 * side, size - 0.45 * side, 2) if side < size else (size / 2,) * 2
    reach = 1.25 * half + 6  # of the shape and its shadow, from the centre
    y1, x1 = (max(0, int(c - reach)) for c in (cy, cx))
    y2, x2 = (min(size, int(c + reach) + 1) for c in (cy, cx))
    if rng.random() < 0.5 and shape.proportion[0] > 1:
        angle += np.pi / 2  # lying or standing

    def distance(shift: Number) -> np.ndarray:
        """Return the distance to the outline, moved by `shift` pixels down and right."""
        y = np.arange(y1, y2, dtype=np.float32)[:, np.newaxis] + np.float32(0.5 - cy - shift)
        x = np.arange(x1, x2, dtype=np.float32)[np.newaxis] + np.float32(0.5 - cx - shift)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        turned_x, turned_y = cosine * x + sine * y, cosine * y - sine * x
        return shape.distance(turned_x, turned_y, np.float32(half), np.float32(proportion))

    cover = np.clip(0.5 - distance(0), 0, 1)
    cut_off = (
        (cover[0].any() and y1 > 0)
        or (cover[-1].any() and y2 < size)
        or (cover[:, 0].any() and x1 > 0)
        or (cover[:, -1].any() and x2 < size)
    )
    if cover.sum() == 0 or cut_off:
        return None
    softness = np.float32(2 + 0.06 * side)
    depth = np.float32(rng.uniform(0, 0.45))
    shadow = depth * np.clip(0.5 - distance(softness / 2) / softness, 0, 1)
    return _Drawn((slice(y1, y2), slice(x1, x2)), cover, shadow)


def _hides_too_much(
    mask: Bool[np.ndarray, "h w"], window: Window, others: list[np.ndarray], areas: list[int]
) -> bool:
    """Return whether a new object would leave too little of another one visible.

    mask      of the new object, in its window
    others    visible pixels of the objects drawn before, in the whole image
    areas     pixels of those objects before anything hid a part of them
    """
    for other, area in zip(others, areas, strict=True):
        left = other.sum() - (mask & other[window]).sum()
        if left / area < 1 - OCCLUSION:
            return True
    return False


def _paint(
    view: Float32[np.ndarray, "h w 3"], colors: Float32[np.ndarray, "h w 3"], drawn: _Drawn
) -> None:
    """Put an object and its shadow into a window of the image, in place."""
    view *= (1 - drawn.shadow)[..., np.newaxis]
    view += (colors - view) * drawn.cover[..., np.newaxis]
