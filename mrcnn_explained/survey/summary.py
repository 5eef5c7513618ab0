"""Summary of a survey: shares by level, size and class, and how they would change.

Only 13 bytes of each box are kept: a survey may have millions.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, Int32

from mrcnn_explained.config import Config
from mrcnn_explained.stages.image import mold_scale
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS, Rounding, level_boundaries

NEAR = 0.10  # part of a boundary within which a side counts as near it
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)  # other image sizes, times the one that ran
KINDS = {"roi": "ROIs", "detection": "detections", "object": "objects"}

#: Side of the molded image in pixels → fields of the config, as `--size` sets them.
AtSize = Callable[[int], dict[str, Any]]


class Boxes(NamedTuple):
    """The boxes of one kind in a survey, n of them."""

    side: Float64[np.ndarray, "n"]  # pixels of the molded image
    level: Int8[np.ndarray, "n"]  # 2…5
    shape: Int32[np.ndarray, "n"]  # row of Summary.shapes that holds the image's shape
    near: float  # share whose side lies within 10 % of a boundary; NaN if there is no box
    classes: dict[str, dict[int, int]]  # class → level → number of boxes


class Summary(NamedTuple):
    """A survey in numbers."""

    images: int
    broken: tuple[tuple[str, str], ...]  # name and error of images that could not be surveyed
    left_out: tuple[str, ...]  # objects that could not be used: image, annotation and reason
    config: Config
    at_size: AtSize
    shapes: tuple[tuple[int, int], ...]  # (height, width) of original images, each once
    boxes: dict[str, Boxes]  # by kind: roi, detection, object
    fates: dict[int, dict[str, int]]  # level → fate → number of objects

    @property
    def size(self) -> int:
        """Side of the molded image, pixels."""
        return self.config.image_max_dim

    @property
    def rounding(self) -> Rounding:
        """Rounding of the level equation."""
        return self.config.level_rounding

    @property
    def main(self) -> str | None:
        """The kind that advice is about: objects, else detections, else ROIs; None: no box."""
        return next((kind for kind in reversed(KINDS) if len(self.boxes[kind].side)), None)

    @property
    def sizes(self) -> list[int]:
        """Sides of the molded image to compare, pixels; the one that ran is one of them."""
        near = {max(64, round(self.size * factor / 64) * 64) for factor in FACTORS}
        return sorted(near | {self.size})

    def shares(self, kind: str) -> dict[int, float]:
        """Return the share of the boxes of a kind that reads each level."""
        return level_shares(self.boxes[kind].level)

    def moved(self, kind: str, size: int, rounding: Rounding) -> dict[int, float]:
        """Return the shares at another size of the molded image, in pixels, or another rounding.

        A box grows as its image does, which depends on the image's height and width (see
        stages/image.py). For ROIs and detections the result is extrapolated.
        """
        boxes, side = self.boxes[kind], self.boxes[kind].side
        if size != self.size:
            other = self.config.replace(**self.at_size(size))
            growth = np.ones(len(self.shapes))
            for row in np.unique(boxes.shape):
                shape = self.shapes[row]
                growth[row] = scale_of(shape, other) / scale_of(shape, self.config)
            side = side * growth[boxes.shape]
        return level_shares(levels_of(side, rounding))


def scale_of(shape: tuple[int, int], config: Config) -> float:
    """Return the molded pixels per original pixel of an image of this (height, width)."""
    return mold_scale(
        *shape,
        min_dim=config.image_min_dim,
        max_dim=config.image_max_dim,
        min_scale=config.image_min_scale,
        mode=config.image_resize_mode,
    )


def levels_of(side: Any, rounding: Rounding) -> np.ndarray:
    """Return the levels that boxes of these sides, in pixels of the molded image, read."""
    return LOWEST + np.digitize(side, level_boundaries(rounding=rounding))


def level_shares(level: np.ndarray) -> dict[int, float]:
    """Return level → share of the boxes; all 0 if there is no box."""
    return {k: float(np.sum(level == k) / max(1, len(level))) for k in ROI_LEVELS}


def summarise(parts: Iterable[dict[str, Any]], config: Config, at_size: AtSize) -> Summary:
    """Summarise the parts of a survey.

    parts      one per image: `image`, `error`, `shape`, `left_out`, `rows`; see job.read_parts
    config     the survey ran with it
    at_size    what another image size changes in the config
    """
    kept = {kind: _Kept() for kind in KINDS}
    fates: dict[int, Counter[str]] = {level: Counter() for level in ROI_LEVELS}
    shapes: dict[tuple[int, int], int] = {}
    images = 0
    broken: list[tuple[str, str]] = []
    left_out: list[str] = []
    for part in parts:
        images += 1
        if part["error"]:
            broken.append((part["image"], part["error"]))
            continue
        left_out += part.get("left_out", [])
        height, width = part["shape"]
        shape = shapes.setdefault((height, width), len(shapes))
        for row in part["rows"]:
            kept[row["kind"]].add(row, shape)
            if row["kind"] == "object":
                fates[row["level"]][row["fate"]] += 1
    return Summary(
        images=images,
        broken=tuple(broken),
        left_out=tuple(left_out),
        config=config,
        at_size=at_size,
        shapes=tuple(shapes),
        boxes={kind: of_kind.boxes() for kind, of_kind in kept.items()},
        fates={level: dict(counts) for level, counts in fates.items()},
    )


class _Kept:
    """Collects the boxes of one kind."""

    def __init__(self) -> None:
        self.side, self.level, self.shape = array("d"), array("b"), array("i")
        self.near = 0
        self.classes: dict[str, Counter[int]] = defaultdict(Counter)

    def add(self, row: dict[str, Any], shape: int) -> None:
        """Add a box.

        row      with `side`, `level`, `to_boundary` and `class`
        shape    row of Summary.shapes
        """
        self.side.append(row["side"])
        self.level.append(row["level"])
        self.shape.append(shape)
        boundary = row["side"] - row["to_boundary"]
        self.near += abs(row["to_boundary"]) <= NEAR * boundary
        self.classes[row["class"]][row["level"]] += 1

    def boxes(self) -> Boxes:
        """Return the boxes as arrays."""
        return Boxes(
            side=np.asarray(self.side),
            level=np.asarray(self.level),
            shape=np.asarray(self.shape),
            near=self.near / len(self.side) if self.side else np.nan,
            classes={name: dict(counts) for name, counts in self.classes.items()},
        )
