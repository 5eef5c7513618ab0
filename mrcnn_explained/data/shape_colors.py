"""Colours and textures of ShapesDataset: what fills an object, and what is behind all of them.

The order of the random draws is part of every scene: a change here changes all scenes.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image

CONTRAST = 45  # least distance in RGB, 0…255, of an object from what it covers
TRIES = 6  # colours to try before an object is given up
TEXTURES = {"plain": 0.4, "gradient": 0.3, "stripes": 0.2, "checks": 0.1}  # probabilities
SMALLEST_PATTERN = 24  # pixels of the longer side, below which stripes and checks are left out


def fill(
    rng: np.random.Generator,
    below: Float32[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "h w"],
    side: float,
) -> Float32[np.ndarray, "h w 3"] | None:
    """Return the colour of every pixel of an object's window; None: no colour with contrast.

    below    the window before the object is drawn, RGB 0…255
    mask     the object's pixels
    side     the object's longer side, pixels: the texture grows with it
    """
    covered = below[mask]
    for _ in range(TRIES):
        color = _color(rng)
        distance = np.abs(np.linalg.norm(covered.mean(0) - color))
        if distance > CONTRAST + covered.std(0).mean():
            break
    else:
        return None
    return color + _texture(rng, mask.shape, side)[..., np.newaxis]


def background(rng: np.random.Generator, size: int) -> Float32[np.ndarray, "s s 3"]:
    """Return a gradient under clouds of several sizes and, in half of the scenes, clutter."""
    image = np.zeros([size, size, 3], np.float32)
    corners = np.stack([[_color(rng) for _ in range(2)] for _ in range(2)])
    calm = rng.uniform(0.0, 0.35)
    corners = corners.mean((0, 1)) * (1 - calm) + corners * calm
    image += _enlarge(corners, size)
    for cells in (4, 16, 64):
        clouds = rng.normal(0, 1, [cells, cells, 3 if cells == 4 else 1]).astype(np.float32)
        image += np.float32(rng.uniform(0, 16)) * _enlarge(clouds, size)
    if rng.random() < 0.5:
        _add_clutter(rng, image)
    return image


def _color(rng: np.random.Generator) -> Float32[np.ndarray, "3"]:
    """Return a random colour that is neither black nor white."""
    return rng.uniform(20, 235, 3).astype(np.float32)


def _texture(
    rng: np.random.Generator, shape: tuple[int, ...], side: float
) -> Float32[np.ndarray, "h w"]:
    """Return what a random texture adds to the colour of each pixel."""
    h, w = shape
    angle = rng.uniform(0, np.pi)
    y = np.arange(h, dtype=np.float32)[:, np.newaxis]
    x = np.arange(w, dtype=np.float32)[np.newaxis]
    along = y * np.float32(np.sin(angle)) + x * np.float32(np.cos(angle))
    kind = rng.choice(list(TEXTURES), p=list(TEXTURES.values()))
    shade = np.float32(rng.uniform(-35, 35))
    too_small = kind in ("stripes", "checks") and side < SMALLEST_PATTERN
    if kind == "plain" or too_small:
        return np.zeros([h, w], np.float32)
    if kind == "gradient":
        return (along - along.mean()) * (shade / side)
    period = np.float32(rng.uniform(0.12, 0.3) * side)
    pattern = np.sign(np.sin(along * (2 * np.pi / period)))
    if kind == "checks":
        across = along.T if h == w else y
        pattern = pattern * np.sign(np.sin(across * (2 * np.pi / period)))
    return pattern * (shade / 2)


def _enlarge(small: Float[np.ndarray, "h w ch"], size: int) -> Float32[np.ndarray, "s s ch"]:
    """Enlarge an image smoothly to `size` x `size` pixels."""
    planes = [Image.fromarray(np.ascontiguousarray(p)) for p in np.moveaxis(small, -1, 0)]
    enlarged = [plane.resize((size, size), Image.Resampling.BICUBIC) for plane in planes]
    return np.stack([np.asarray(plane) for plane in enlarged], axis=-1)


def _add_clutter(rng: np.random.Generator, image: Float32[np.ndarray, "s s 3"]) -> None:
    """Draw bands of another brightness across the image: edges that belong to no object."""
    size = len(image)
    y = np.arange(size, dtype=np.float32)[:, np.newaxis]
    x = np.arange(size, dtype=np.float32)[np.newaxis]
    for _ in range(rng.integers(1, 5)):
        angle = rng.uniform(0, np.pi)
        offset = rng.uniform(0.1, 0.9) * size
        sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        across = np.abs((y - offset) * cosine + (x - offset) * sine)
        width = np.float32(rng.uniform(1.5, 0.06 * size))
        band = np.clip(width - across, 0, 1) * np.float32(rng.uniform(-28, 28))
        image += band[..., np.newaxis]
