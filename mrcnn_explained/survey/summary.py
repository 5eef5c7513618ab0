"""Summary: shares by level, size and class, how they move, and what follows from them.

What is kept of a box are 13 bytes: a survey may have millions.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.stages.image import mold_scale
from mrcnn_explained.stages.levels import HIGHEST, LOWEST, ROI_LEVELS, Rounding, level_boundaries

NEAR = 0.10  # part of a boundary within which a side counts as near it
# Boundaries lie an octave apart: log2(1.1 / 0.9), 29 %, of evenly spread sides are near one.
MANY_NEAR = 0.4
FEW = 30  # boxes below which shares say little
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)  # image sizes to think of, times the one that ran
KINDS = {"roi": "ROIs", "detection": "detections", "object": "objects"}
EXTRAPOLATED = "Extrapolated: at another size the detector would propose other boxes."

#: Another side of the molded image, pixels → fields of the config, as `--size` sets them.
AtSize = Callable[[int], dict[str, Any]]


class Boxes(NamedTuple):
    """The boxes of one kind in a survey, n of them."""

    side: np.ndarray  # float64 [n], pixels of the molded image
    level: np.ndarray  # int8 [n], 2…5
    shape: np.ndarray  # int32 [n], row of Summary.shapes: the image's
    near: float  # share whose side lies within 10 % of a boundary; NaN where there is no box
    classes: dict[str, dict[int, int]]  # class → level → how many


class Summary(NamedTuple):
    """A survey in numbers."""

    images: int
    broken: tuple[tuple[str, str], ...]  # images that could not be surveyed, and why
    config: Config
    at_size: AtSize
    shapes: tuple[tuple[int, int], ...]  # heights and widths of images as given, each once
    boxes: dict[str, Boxes]  # by kind: roi, detection, object
    fates: dict[int, dict[str, int]]  # of objects: level → found, or what lost them → how many

    @property
    def size(self) -> int:
        """Side of the molded image, pixels."""
        return self.config.image_max_dim

    @property
    def rounding(self) -> Rounding:
        """Of the level equation."""
        return self.config.level_rounding

    @property
    def main(self) -> str | None:
        """The kind that advice is about: objects before detections before ROIs; None: no box."""
        return next((k for k in reversed(KINDS) if len(self.boxes[k].side)), None)

    @property
    def sizes(self) -> list[int]:
        """Sides of the molded image to think of, pixels, the one that ran among them."""
        near = {max(64, round(self.size * factor / 64) * 64) for factor in FACTORS}
        return sorted(near | {self.size})

    def shares(self, kind: str) -> dict[int, float]:
        """The share of the boxes of a kind that reads each level."""
        return level_shares(self.boxes[kind].level)

    def moved(self, kind: str, size: int, rounding: Rounding) -> dict[int, float]:
        """The shares at another size of the molded image, pixels, or another rounding.

        Sides grow as the image does that they lie on: its own height and width decide, see
        stages/image.py. For ROIs and detections this is extrapolated.
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
    """Molded pixels per pixel of an image of this height and width."""
    return mold_scale(
        *shape,
        min_dim=config.image_min_dim,
        max_dim=config.image_max_dim,
        min_scale=config.image_min_scale,
        mode=config.image_resize_mode,
    )


def levels_of(side: Any, rounding: Rounding) -> np.ndarray:
    """The level that boxes of these sides, pixels of the molded image, read."""
    return LOWEST + np.digitize(side, level_boundaries(rounding=rounding))


def level_shares(level: np.ndarray) -> dict[int, float]:
    """Level → share of the rows; all 0 where there is none."""
    return {k: float(np.sum(level == k) / max(1, len(level))) for k in ROI_LEVELS}


def summarise(parts: Iterable[dict[str, Any]], config: Config, at_size: AtSize) -> Summary:
    """Count a survey's parts, one an image: `image`, `error`, `shape`, `rows`.

    config     that the survey ran with
    at_size    what another image size sets in it
    """
    kept = {kind: _Kept() for kind in KINDS}
    fates: dict[int, Counter[str]] = {level: Counter() for level in ROI_LEVELS}
    shapes: dict[tuple[int, int], int] = {}
    images, broken = 0, []
    for part in parts:
        images += 1
        if part["error"]:
            broken.append((part["image"], part["error"]))
            continue
        shape = shapes.setdefault(tuple(part["shape"]), len(shapes))
        for row in part["rows"]:
            kept[row["kind"]].add(row, shape)
            if row["kind"] == "object":
                fates[row["level"]][row["fate"]] += 1
    boxes = {kind: of_kind.boxes() for kind, of_kind in kept.items()}
    return Summary(images, tuple(broken), config, at_size, tuple(shapes), boxes, fates)


class _Kept:
    """Boxes of one kind while they come in."""

    def __init__(self):
        self.side, self.level, self.shape = array("d"), array("b"), array("i")
        self.near, self.classes = 0, defaultdict(Counter)

    def add(self, row: dict[str, Any], shape: int) -> None:
        self.side.append(row["side"])
        self.level.append(row["level"])
        self.shape.append(shape)
        boundary = row["side"] - row["to_boundary"]
        self.near += abs(row["to_boundary"]) <= NEAR * boundary
        self.classes[row["class"]][row["level"]] += 1

    def boxes(self) -> Boxes:
        columns = (np.asarray(column) for column in (self.side, self.level, self.shape))
        share = self.near / len(self.side) if self.side else np.nan
        return Boxes(*columns, share, self.classes)


def advice(found: Summary) -> list[str]:
    """What the numbers mean for the one who owns the images, in plain sentences."""
    kind = found.main
    if kind is None:
        return ["There is no box in these images, so there is nothing to say about levels."]
    boxes, shares = found.boxes[kind], found.shares(kind)
    yours = f"your {KINDS[kind]}" if kind == "object" else f"the {KINDS[kind]}"
    return [
        *_few(kind, boxes),
        *_spread(found, kind, yours, shares),
        *_unused(yours, shares),
        *_near(yours, boxes),
        *_rounding(found, kind, yours),
        *_lost(found),
    ]


def _few(kind, boxes):
    if (n := len(boxes.side)) < FEW:
        name = KINDS[kind] if n > 1 else KINDS[kind].removesuffix("s")
        yield f"These are few boxes, {n} {name}: take what follows as a hint."


def _spread(found, kind, yours, shares):
    """Most boxes on one level, or on two: which image size would spread them?"""
    (level, share), (second, more), *_ = sorted(shares.items(), key=lambda item: -item[1])
    if share >= 0.6:
        yield (
            f"{share:.0%} of {yours} are {_between(level, found.rounding)} in the molded image "
            f"of {found.size} px: they all read P{level}."
        )
    elif share + more >= 0.9:
        yield (
            f"At {found.size} px {share:.0%} of {yours} read P{level} and {more:.0%} P{second}: "
            "two of the four levels do nearly all of the work."
        )
    else:
        yield f"At {found.size} px {yours} use the pyramid: {_told(shares)}."
        return
    other = {
        size: found.moved(kind, size, found.rounding) for size in found.sizes if size != found.size
    }
    size, best = min(other.items(), key=lambda item: max(item[1].values()))
    if max(best.values()) < share - 0.05:
        yield f"At {size} px they would spread: {_told(best)}." + (
            f" {EXTRAPOLATED}" if kind != "object" else ""
        )


def _between(level, rounding):
    """The sides of a level in words."""
    edges = [f"{edge:.0f}" for edge in level_boundaries(rounding=rounding)]
    if level == LOWEST:
        return f"smaller than {edges[0]} px"
    if level == HIGHEST:
        return f"{edges[-1]} px or larger"
    return f"between {edges[level - LOWEST - 1]} and {edges[level - LOWEST]} px"


def _told(shares):
    return ", ".join(f"P{k} {v:.0%}" for k, v in shares.items())


def _unused(yours, shares):
    if idle := [f"P{k}" for k, share in shares.items() if share < 0.01]:
        names = " and ".join([", ".join(idle[:-1]), idle[-1]] if idle[1:] else idle)
        read = "are read" if idle[1:] else "is read"
        yield f"{names} {read} by fewer than one in a hundred of {yours}."


def _near(yours, boxes):
    if boxes.near >= MANY_NEAR:
        yield (
            f"{boxes.near:.0%} of {yours} lie within {NEAR:.0%} of a level boundary, where evenly "
            "spread sizes would have 29%: a little more or less changes the map that they are "
            "read from. Train with several image sizes."
        )


def _rounding(found, kind, yours):
    other = "floor" if found.rounding == "round" else "round"
    side = found.boxes[kind].side
    moved = float(np.mean(levels_of(side, found.rounding) != levels_of(side, other)))
    if moved >= 0.01:
        how = "one level finer" if other == "floor" else "one level coarser"
        yield f"With rounding '{other}' {moved:.0%} of {yours} would read {how}."


def _lost(found):
    """Of the objects of each level: how many are lost, and where most of them."""
    for level, fates in found.fates.items():
        every = sum(fates.values())
        lost = Counter({fate: number for fate, number in fates.items() if fate != "found"})
        if every < 5 or lost.total() < 0.1 * every:
            continue
        (where, number), *_ = lost.most_common(1)
        most = (
            f"most of them ({number}) at {where}"
            if number > lost.total() / 2
            else f"the commonest cause, {number} of {lost.total()}, is {where}"
        )
        yield f"{lost.total() / every:.0%} of the {every} objects of P{level} are lost, {most}."
