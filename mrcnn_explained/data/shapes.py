"""ShapesDataset: scenes drawn by rule from a seed, in which a learner sees what is right.

Nine shapes, some easily confused, in sizes from 12 pixels to nearly the whole image, with
textures, shadows and clutter; every object drawn is labelled. A scene costs milliseconds and
no disk: the same (seed, number) is the same scene everywhere.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8
from PIL import Image

from mrcnn_explained.data.dataset import Dataset

OCCLUSION = 0.35  # share of an object that others may hide, together
SMALLEST = 12  # pixels, longer side
LARGEST = 480  # pixels, longer side, in an image of 512; in proportion in others
CONTRAST = 45  # RGB distance of an object from what it lies on, at least


class ShapesDataset(Dataset):
    """`count` scenes of `size` x `size` pixels."""

    def __init__(self, count: int, seed: int = 0, size: int = 512):
        super().__init__()
        self.seed, self.size = seed, size
        for class_id, name in enumerate(SHAPES, start=1):
            self.add_class("shapes", class_id, name)
        for number in range(count):
            self.add_image("shapes", number, path=None)
        self.prepare()
        self._last = (None, None)

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Draw the scene."""
        return self._scene(image_id)[0]

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return what is visible of every object, and its class."""
        return self._scene(image_id)[1:]

    def _scene(self, image_id):
        key, scene = self._last
        if key != image_id:  # an image and its masks are asked for one after the other
            scene = draw_scene(np.random.default_rng([self.seed, image_id]), self.size)
            self._last = (image_id, scene)
        return scene


def draw_scene(
    rng: np.random.Generator, size: int = 512
) -> tuple[UInt8[np.ndarray, "s s 3"], Bool[np.ndarray, "s s n"], Int32[np.ndarray, "n"]]:
    """Draw one scene: image, visible masks, classes 1…9 in the order of SHAPES.

    One scene in three is a crowd of small objects around a large one, the others mix sizes.
    An object that would hide too much of another, or hardly differ from what it lies on, is
    not drawn.
    """
    image = _background(rng, size)
    masks, areas, class_ids = [], [], []
    for side in _sides(rng, size):
        for _ in range(8):  # places to try
            class_id = int(rng.integers(len(SHAPES)))
            drawn = _object(rng, list(SHAPES.values())[class_id], side, size)
            if drawn is None:
                continue
            (window, cover, shadow) = drawn
            mask = cover > 0.5
            hidden = [mask & other[window] for other in masks]
            visible = [
                (other.sum() - cut.sum()) / area
                for other, cut, area in zip(masks, hidden, areas, strict=True)
            ]
            if mask.sum() < 20 or min(visible, default=1) < 1 - OCCLUSION:
                continue
            fill = _fill(rng, image[window], mask, side)
            if fill is None:
                continue
            view = image[window]
            view *= (1 - shadow)[..., np.newaxis]
            view += (fill - view) * cover[..., np.newaxis]
            for other, cut in zip(masks, hidden, strict=True):
                other[window] &= ~cut
            whole = np.zeros([size, size], bool)
            whole[window] = mask
            masks.append(whole)
            areas.append(mask.sum())
            class_ids.append(class_id + 1)
            break
    image += rng.normal(0, rng.uniform(0, 5), image.shape[:2])[..., np.newaxis]
    return (
        np.clip(image, 0, 255).astype(np.uint8),
        np.stack(masks, axis=-1) if masks else np.zeros([size, size, 0], bool),
        np.array(class_ids, np.int32),
    )


# Sizes and places -----------------------------------------------------------------------------


def _sides(rng, size):
    """Longer sides of the scene's objects, pixels, largest first."""
    smallest, largest = SMALLEST, LARGEST * size / 512

    def between(low, high, n):
        return np.exp(rng.uniform(np.log(low), np.log(high), n))

    if rng.random() < 0.35:
        crowd = between(smallest, min(6 * smallest, largest / 3), rng.integers(5, 15))
        sides = [*between(0.55 * largest, largest, 1), *crowd]
    else:
        sides = between(1.5 * smallest, 0.9 * largest, rng.integers(3, 11))
    return np.sort(sides)[::-1]


def _object(rng, shape, side, size):
    """Window, cover (0…1, antialiased) and shadow of one object; None: too near the border."""
    cover_of, stretch, turn = shape
    ratio = rng.uniform(*stretch)
    side = max(side, SMALLEST * min(ratio, 1.6))  # thin ones need length to be told apart
    half = side / 2
    angle = np.deg2rad(rng.uniform(-turn, turn))
    cy, cx = rng.uniform(0.45 * side, size - 0.45 * side, 2) if side < size else (size / 2,) * 2
    reach = 1.25 * half + 6
    y1, x1 = (max(0, int(c - reach)) for c in (cy, cx))
    y2, x2 = (min(size, int(c + reach) + 1) for c in (cy, cx))
    if rng.random() < 0.5 and stretch[0] > 1:
        angle += np.pi / 2  # lying or standing

    def distance(shift):
        y = np.arange(y1, y2, dtype=np.float32)[:, np.newaxis] + np.float32(0.5 - cy - shift)
        x = np.arange(x1, x2, dtype=np.float32)[np.newaxis] + np.float32(0.5 - cx - shift)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return cover_of(c * x + s * y, c * y - s * x, np.float32(half), np.float32(ratio))

    cover = np.clip(0.5 - distance(0), 0, 1)
    inside = cover.sum() > 0 and not (
        (cover[0].any() and y1 > 0)
        or (cover[-1].any() and y2 < size)
        or (cover[:, 0].any() and x1 > 0)
        or (cover[:, -1].any() and x2 < size)
    )
    if not inside:
        return None
    softness = np.float32(2 + 0.06 * side)
    depth = np.float32(rng.uniform(0, 0.45))
    shadow = depth * np.clip(0.5 - distance(softness / 2) / softness, 0, 1)
    return (slice(y1, y2), slice(x1, x2)), cover, shadow


# Shapes: signed distance to the border in pixels, negative inside --------------------------------


def _box(x, y, a, b):
    return np.maximum(np.abs(x) - a, np.abs(y) - b)


def _square(x, y, half, ratio):
    return _box(x, y, half * 0.85, half * 0.85)


def _rectangle(x, y, half, ratio):
    return _box(x, y, half, half / ratio)


def _diamond(x, y, half, ratio):
    width = half / ratio
    return (np.abs(y) / half + np.abs(x) / width - 1) * half * width / np.hypot(half, width)


def _circle(x, y, half, ratio):
    return np.hypot(x, y) - half


def _ellipse(x, y, half, ratio):
    return (np.hypot(x / half, y * ratio / half) - 1) * half / ratio


def _ring(x, y, half, ratio):
    hole = half / ratio
    return np.abs(np.hypot(x, y) - (half + hole) / 2) - (half - hole) / 2


def _triangle(x, y, half, ratio):
    slope = np.float32(np.sqrt(3) / 2)
    return np.maximum(slope * np.abs(x) - y / 2, y) - half / 2


def _star(x, y, half, ratio):
    fifth = np.float32(2 * np.pi / 5)
    angle = np.abs((np.arctan2(y, x) + fifth / 2) % fifth - fifth / 2)
    radius = np.hypot(x, y)
    tip, notch = half, half / ratio
    edge_x, edge_y = notch * np.cos(fifth / 2) - tip, notch * np.sin(fifth / 2)
    px, py = radius * np.cos(angle) - tip, radius * np.sin(angle)
    return (edge_y * px - edge_x * py) / np.hypot(edge_x, edge_y)


def _cross(x, y, half, ratio):
    return np.minimum(_box(x, y, half, half / ratio), _box(x, y, half / ratio, half))


Distance = Callable[
    [Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"], float, float], np.ndarray
]

#: Name: its distance, the range of its proportion, how far it may be turned (degrees).
SHAPES: dict[str, tuple[Distance, tuple[float, float], float]] = {
    "square": (_square, (1, 1), 14),
    "rectangle": (_rectangle, (1.6, 2.4), 14),
    "diamond": (_diamond, (1.0, 1.5), 8),
    "circle": (_circle, (1, 1), 0),
    "ellipse": (_ellipse, (1.6, 2.2), 20),
    "ring": (_ring, (1.5, 2.0), 0),
    "triangle": (_triangle, (1, 1), 180),
    "star": (_star, (2.0, 2.5), 180),
    "cross": (_cross, (2.4, 3.2), 14),
}


# Colours and textures ------------------------------------------------------------------------


def _color(rng):
    """A colour that is neither black nor white."""
    return rng.uniform(20, 235, 3).astype(np.float32)


def _fill(rng, below, mask, side):
    """Colour every pixel of the window: plain, gradient, stripes or checks. None: no contrast."""
    ground = below[mask]
    for _ in range(6):
        color = _color(rng)
        if np.abs(np.linalg.norm(ground.mean(0) - color)) > CONTRAST + ground.std(0).mean():
            break
    else:
        return None
    h, w = mask.shape
    angle = rng.uniform(0, np.pi)
    along = np.arange(h, dtype=np.float32)[:, np.newaxis] * np.float32(np.sin(angle)) + np.arange(
        w, dtype=np.float32
    )[np.newaxis] * np.float32(np.cos(angle))
    kind = rng.choice(["plain", "gradient", "stripes", "checks"], p=[0.4, 0.3, 0.2, 0.1])
    shade = np.float32(rng.uniform(-35, 35))
    if kind == "plain" or (kind in ("stripes", "checks") and side < 24):
        pattern = np.zeros([h, w], np.float32)
    elif kind == "gradient":
        pattern = (along - along.mean()) * (shade / side)
    else:
        period = np.float32(rng.uniform(0.12, 0.3) * side)
        pattern = np.sign(np.sin(along * (2 * np.pi / period)))
        if kind == "checks":
            across = along.T if h == w else np.arange(h, dtype=np.float32)[:, np.newaxis]
            pattern = pattern * np.sign(np.sin(across * (2 * np.pi / period)))
        pattern = pattern * (shade / 2)
    return color + pattern[..., np.newaxis]


def _background(rng, size):
    """A gradient under clouds of several sizes and, often, unlabelled lines of clutter."""
    image = np.zeros([size, size, 3], np.float32)
    corners = np.stack([[_color(rng) for _ in range(2)] for _ in range(2)])
    calm = rng.uniform(0.0, 0.35)
    corners = corners.mean((0, 1)) * (1 - calm) + corners * calm
    image += _grow(corners, size)
    for cells in (4, 16, 64):
        clouds = rng.normal(0, 1, [cells, cells, 3 if cells == 4 else 1]).astype(np.float32)
        image += np.float32(rng.uniform(0, 16)) * _grow(clouds, size)
    if rng.random() < 0.5:
        _clutter(rng, image, size)
    return image


def _grow(small, size):
    """Enlarge [h, w, channels] smoothly to size x size."""
    planes = (Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(small, -1, 0))
    grown = [plane.resize([size, size], Image.Resampling.BICUBIC) for plane in planes]
    return np.stack([np.asarray(plane) for plane in grown], axis=-1)


def _clutter(rng, image, size):
    """Bands of another tone across the image: edges that belong to no object."""
    y = np.arange(size, dtype=np.float32)[:, np.newaxis]
    x = np.arange(size, dtype=np.float32)[np.newaxis]
    for _ in range(rng.integers(1, 5)):
        angle = rng.uniform(0, np.pi)
        offset = rng.uniform(0.1, 0.9) * size
        across = np.abs(
            (y - offset) * np.float32(np.cos(angle)) + (x - offset) * np.float32(np.sin(angle))
        )
        width = np.float32(rng.uniform(1.5, 0.06 * size))
        band = np.clip(width - across, 0, 1) * np.float32(rng.uniform(-28, 28))
        image += band[..., np.newaxis]
