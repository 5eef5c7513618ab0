"""What eyes make of a colour: its luminance, contrasts, and how different two colours look.

Colours are hexadecimal strings, `#RRGGBB`. The distance of two colours is that in OKLab, where
equal distances look equally large; black and white are 1 apart. Colour vision deficiencies are
simulated with the matrices of Machado, Oliveira and Fernandes (2009).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64

Linear = Float64[np.ndarray, "n 3"]  # red, green, blue as linear light, 0…1

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # weights of red, green and blue (WCAG 2)
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
#: Linear light as it looks to people without one kind of cones.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}


def to_linear(rgb: np.ndarray) -> np.ndarray:
    """Return sRGB values, 0…1, as linear light, 0…1 (WCAG 2)."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def to_rgb(linear: np.ndarray) -> np.ndarray:
    """Return linear light, 0…1, as sRGB values, 0…1; the inverse of `to_linear`."""
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def rgb_of(colors: Iterable[str]) -> Float64[np.ndarray, "n 3"]:
    """Read colours `#RRGGBB` as red, green and blue, 0…1 each."""
    rows = [[int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)] for color in colors]
    return np.array(rows, float).reshape(-1, 3)


def hex_of(rgb: Sequence[float] | np.ndarray) -> str:
    """Write red, green and blue, 0…1 each, as `#RRGGBB`."""
    return "#" + "".join(f"{round(float(value) * 255):02X}" for value in rgb)


def luminance(color: str) -> float:
    """Return how bright a colour is to the eye, 0…1: the relative luminance of WCAG 2."""
    return float(to_linear(rgb_of([color]))[0] @ LUMINANCE)


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1…21 (WCAG 2)."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def oklab(linear: Linear, vision: str = "normal") -> Float64[np.ndarray, "n 3"]:
    """Return linear light as OKLab coordinates, as one of VISION sees it."""
    seen = np.clip(linear @ VISION[vision].T, 0, 1)
    return np.cbrt(seen @ TO_CONES.T) @ TO_OKLAB.T


def from_oklab(lab: Float64[np.ndarray, "n 3"]) -> Linear:
    """Return the linear light of OKLab coordinates; outside 0…1 where no screen shows it."""
    return (lab @ np.linalg.inv(TO_OKLAB).T) ** 3 @ np.linalg.inv(TO_CONES).T


def distances(first: Linear, second: Linear, vision: str) -> Float64[np.ndarray, "n m"]:
    """Return how different two sets of colours look to one of VISION, pair by pair."""
    return np.linalg.norm(oklab(first, vision)[:, None] - oklab(second, vision)[None], axis=-1)


def nearest_pair(colors: Iterable[str], vision: str = "normal") -> float:
    """Return the distance of the two colours that look most alike to one of VISION."""
    linear = to_linear(rgb_of(colors))
    apart = distances(linear, linear, vision)
    return float(apart[np.triu_indices(len(linear), 1)].min())
