"""Summary: shares by level, size and class, how they move, and what follows from them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.stages.levels import HIGHEST, LOWEST, Rounding, level_boundaries

LEVELS = range(LOWEST, HIGHEST + 1)
NEAR = 0.10  # part of a boundary within which a side counts as near it
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)  # image sizes to think of, times the one that ran
KINDS = {"roi": "ROIs", "detection": "detections", "object": "objects"}


class Boxes(NamedTuple):
    """The boxes of one kind in a survey, n of them."""

    side: np.ndarray  # float64 [n], pixels of the molded picture
    level: np.ndarray  # int64 [n], 2…5
    to_boundary: np.ndarray  # float64 [n], pixels
    class_name: np.ndarray  # str [n]
    fate: np.ndarray  # str [n]

    @property
    def near(self) -> float:
        """The share whose side lies within 10 % of a boundary; NaN where there is no box."""
        boundary = self.side - self.to_boundary
        return (
            float(np.mean(abs(self.to_boundary) <= NEAR * boundary)) if self.side.size else np.nan
        )


class Summary(NamedTuple):
    """A survey in numbers."""

    pictures: int
    broken: tuple[tuple[str, str], ...]  # pictures that could not be read, and why
    size: int  # side of the molded picture, pixels
    rounding: Rounding
    boxes: dict[str, Boxes]  # by kind: roi, detection, object

    def shares(self, kind: str) -> dict[int, float]:
        """The share of the boxes of a kind that reads each level."""
        return level_shares(self.boxes[kind].level)

    def moved(self, kind: str, factor: float, rounding: Rounding) -> dict[int, float]:
        """The shares at another image size or rounding: sides grow with the picture."""
        return level_shares(levels_of(self.boxes[kind].side * factor, rounding))


def levels_of(side: Any, rounding: Rounding) -> np.ndarray:
    """The level that boxes of these sides, pixels of the molded picture, read."""
    return LOWEST + np.digitize(side, level_boundaries(rounding=rounding))


def level_shares(level: np.ndarray) -> dict[int, float]:
    """Level → share of the rows; all 0 where there is none."""
    return {k: float(np.sum(level == k) / max(1, len(level))) for k in LEVELS}


def summarise(parts: Iterable[dict[str, Any]], size: int, rounding: Rounding) -> Summary:
    """Count a survey's parts, one a picture: `picture`, `error`, `rows`.

    size    side of the molded picture, pixels
    """
    columns: dict[str, list[tuple]] = {kind: [] for kind in KINDS}
    pictures, broken = 0, []
    for part in parts:
        pictures += 1
        if part["error"]:
            broken.append((part["picture"], part["error"]))
        for row in part["rows"]:
            columns[row["kind"]].append(
                (row["side"], row["level"], row["to_boundary"], row["class"], row["fate"])
            )
    kinds = (np.float64, np.int64, np.float64, str, str)
    boxes = {
        kind: Boxes(*(np.array(list(column), dtype) for column, dtype in zip(
            zip(*rows, strict=True) if rows else ((),) * 5, kinds, strict=True)))
        for kind, rows in columns.items()
    }  # fmt: skip
    return Summary(pictures, tuple(broken), size, rounding, boxes)


def advice(found: Summary) -> list[str]:
    """What the numbers mean for the one who owns the pictures, in plain sentences."""
    kind = next((k for k in ("object", "detection", "roi") if len(found.boxes[k].side)), None)
    if kind is None:
        return ["There is no box in these pictures, so there is nothing to say about levels."]
    name, boxes, shares = KINDS[kind], found.boxes[kind], found.shares(kind)
    yours = f"your {name}" if kind == "object" else f"the {name}"
    return [
        *_one_level(found, kind, yours, shares),
        *_unused(found, yours, shares),
        *_near(found, yours, boxes),
        *_rounding(found, kind, yours, shares),
        *_lost(found),
    ]


def _one_level(found, kind, yours, shares):
    """Most boxes on one level: which image size would spread them?"""
    level, share = max(shares.items(), key=lambda item: item[1])
    if share < 0.6:
        low, high = (sum(shares[k] > 0.05 for k in half) for half in ((2, 3), (4, 5)))
        if low and high:
            spread = ", ".join(f"P{k} {v:.0%}" for k, v in shares.items())
            yield f"At {found.size} px {yours} use the pyramid: {spread}."
        return
    edges = level_boundaries(rounding=found.rounding)
    where = {LOWEST: f"smaller than {edges[0]:.0f} px", HIGHEST: f"{edges[-1]:.0f} px or larger"}
    between = f"between {edges[max(level - 3, 0)]:.0f} and {edges[min(level - 2, 2)]:.0f} px"
    yield (
        f"{share:.0%} of {yours} are {where.get(level, between)} in the molded picture of "
        f"{found.size} px: they all read P{level}."
    )
    other = {f: found.moved(kind, f, found.rounding) for f in FACTORS if f != 1}
    factor, best = min(other.items(), key=lambda item: max(item[1].values()))
    if max(best.values()) < share - 0.05:
        spread = ", ".join(f"P{k} {v:.0%}" for k, v in best.items())
        yield f"At {found.size * factor:.0f} px they would spread: {spread}."


def _unused(found, yours, shares):
    if idle := [f"P{k}" for k, share in shares.items() if share < 0.01]:
        read = "is read" if len(idle) == 1 else "are read"
        yield f"{' and '.join(idle)} {read} by fewer than one in a hundred of {yours}."


def _near(found, yours, boxes):
    if boxes.near >= 0.2:
        yield (
            f"{boxes.near:.0%} of {yours} lie within {NEAR:.0%} of a level boundary: a pixel more "
            "or less changes the map that they are read from. Train with several image sizes."
        )


def _rounding(found, kind, yours, shares):
    other = "floor" if found.rounding == "round" else "round"
    now = levels_of(found.boxes[kind].side, found.rounding)
    then = levels_of(found.boxes[kind].side, other)
    moved = float(np.mean(now != then))
    if moved:
        how = "one level finer" if other == "floor" else "one level coarser"
        yield f"With rounding '{other}' {moved:.0%} of {yours} would read {how}."


def _lost(found):
    """Of the objects of each level: how many are lost, and where most of them."""
    objects = found.boxes["object"]
    if not len(objects.side):
        return
    for level in LEVELS:
        fates = objects.fate[objects.level == level]
        lost = [fate for fate in fates.tolist() if fate != "found"]
        if len(fates) >= 5 and len(lost) / len(fates) >= 0.1:
            (where, number), *_ = Counter(lost).most_common(1)
            yield (
                f"{len(lost) / len(fates):.0%} of the {len(fates)} objects of P{level} are lost, "
                f"most of them ({number}) at {where}."
            )
