"""Advice: what the numbers of a survey mean for the owner of the images, in plain sentences."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from mrcnn_explained.stages.levels import HIGHEST, LOWEST, Rounding, level_boundaries
from mrcnn_explained.survey.summary import KINDS, NEAR, Boxes, Summary, levels_of

# Boundaries lie an octave apart: log2(1.1 / 0.9), 29 %, of evenly spread sides are near one.
MANY_NEAR = 0.4  # share of boxes near a boundary from which it is worth a sentence
FEW = 30  # number of boxes below which shares mean little
EXTRAPOLATED = "Extrapolated: at another size the detector would propose other boxes."


def advice(found: Summary) -> list[str]:
    """Return what follows from a survey, one sentence or two each."""
    kind = found.main
    if kind is None:
        return ["There is no box in these images, so there is nothing to say about levels."]
    boxes, shares = found.boxes[kind], found.shares(kind)
    yours = f"your {KINDS[kind]}" if kind == "object" else f"the {KINDS[kind]}"
    return [
        *_few_boxes(kind, boxes),
        *_spread(found, kind, yours, shares),
        *_unused_levels(yours, shares),
        *_near_boundaries(yours, boxes),
        *_other_rounding(found, kind, yours),
        *_lost_objects(found),
    ]


def _few_boxes(kind: str, boxes: Boxes) -> Iterator[str]:
    """Warn if there are too few boxes."""
    number = len(boxes.side)
    if number < FEW:
        name = KINDS[kind] if number > 1 else KINDS[kind].removesuffix("s")
        yield f"These are few boxes, {number} {name}: take what follows as a hint."


def _spread(found: Summary, kind: str, yours: str, shares: Mapping[int, float]) -> Iterator[str]:
    """Report how the boxes spread over the levels, and which image size would spread them more."""
    (level, share), (second, second_share), *_ = sorted(shares.items(), key=lambda item: -item[1])
    if share < 0.6 and share + second_share < 0.9:
        yield f"At {found.size} px {yours} use the pyramid: {_list_shares(shares)}."
        return
    if share >= 0.6:
        yield (
            f"{share:.0%} of {yours} are {_sides_of(level, found.rounding)} in the molded image "
            f"of {found.size} px: they all read P{level}."
        )
    else:
        yield (
            f"At {found.size} px {share:.0%} of {yours} read P{level} and {second_share:.0%} "
            f"P{second}: two of the four levels do nearly all of the work."
        )
    others = [size for size in found.sizes if size != found.size]
    shares_at = {size: found.moved(kind, size, found.rounding) for size in others}
    best = min(others, key=lambda size: max(shares_at[size].values()))
    if max(shares_at[best].values()) < share - 0.05:
        caveat = f" {EXTRAPOLATED}" if kind != "object" else ""
        yield f"At {best} px they would spread: {_list_shares(shares_at[best])}.{caveat}"


def _unused_levels(yours: str, shares: Mapping[int, float]) -> Iterator[str]:
    """Name the levels that hardly any box reads."""
    unused = [f"P{k}" for k, share in shares.items() if share < 0.01]
    if len(unused) > 1:
        names, are_read = f"{', '.join(unused[:-1])} and {unused[-1]}", "are read"
    else:
        names, are_read = "".join(unused), "is read"
    if unused:
        yield f"{names} {are_read} by fewer than one in a hundred of {yours}."


def _near_boundaries(yours: str, boxes: Boxes) -> Iterator[str]:
    """Report that many boxes lie near a boundary."""
    if boxes.near >= MANY_NEAR:
        yield (
            f"{boxes.near:.0%} of {yours} lie within {NEAR:.0%} of a level boundary; of evenly "
            "spread sizes 29% would. A slightly different size changes the map that they are "
            "read from: train with several image sizes."
        )


def _other_rounding(found: Summary, kind: str, yours: str) -> Iterator[str]:
    """Report how many boxes would read another level with the other rounding."""
    other: Rounding = "floor" if found.rounding == "round" else "round"
    side = found.boxes[kind].side
    moved = float(np.mean(levels_of(side, found.rounding) != levels_of(side, other)))
    if moved >= 0.01:
        how = "one level finer" if other == "floor" else "one level coarser"
        yield f"With rounding '{other}' {moved:.0%} of {yours} would read {how}."


def _lost_objects(found: Summary) -> Iterator[str]:
    """Report for each level how many objects are lost, and the commonest cause."""
    for level, fates in found.fates.items():
        objects = sum(fates.values())
        lost = Counter({fate: number for fate, number in fates.items() if fate != "found"})
        if objects < 5 or lost.total() < 0.1 * objects:
            continue
        cause, number = lost.most_common(1)[0]
        if number == lost.total():
            most = f"all of them at {cause}"
        elif number > lost.total() / 2:
            most = f"most of them ({number}) at {cause}"
        else:
            most = f"the commonest cause, {number} of {lost.total()}, is {cause}"
        share = f"{lost.total() / objects:.0%}"
        yield f"{lost.total()} of the {objects} objects of P{level} ({share}) are lost, {most}."


def _sides_of(level: int, rounding: Rounding) -> str:
    """Return the sides of a level as text."""
    edges = [f"{edge:.0f}" for edge in level_boundaries(rounding=rounding)]
    if level == LOWEST:
        return f"smaller than {edges[0]} px"
    if level == HIGHEST:
        return f"{edges[-1]} px or larger"
    lower, upper = edges[level - LOWEST - 1], edges[level - LOWEST]
    return f"between {lower} and {upper} px"


def _list_shares(shares: Mapping[int, float]) -> str:
    """Return shares as text: `P2 40%, P3 30%, …`."""
    return ", ".join(f"P{k} {share:.0%}" for k, share in shares.items())
