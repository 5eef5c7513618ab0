"""The chart of the level equation as a panel: the explorer and the page of a report share it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Int32

from mrcnn_explained.plots.palette import LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.scene import label, lines, panel, points
from mrcnn_explained.stages.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIDE,
    HIGHEST,
    LOWEST,
    ROI_LEVELS,
)

LOW = -1.0  # the lowest exact level that the chart shows
FOOT = 0.8 - LOW  # below level 0, for the numbers of the axis
LEFT, RIGHT = 3.0, 11.0  # log2 of the sides that the chart shows: 8 to 2048 pixels


def level_chart(
    side: Float32[np.ndarray, "N"],
    exact: Float32[np.ndarray, "N"],
    level: Int32[np.ndarray, "N"],
    rows: Int[np.ndarray, "R"],
    edges: Sequence[float],
    *,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    canonical_side: float = CANONICAL_SIDE,
    canonical_level: int = CANONICAL_LEVEL,
) -> dict[str, Any]:
    """Every ROI as a dot at its exact level, with its fall to the level that it reads.

    side, exact, level    of all ROIs of one image, as LevelAssignment has them; sides in
                          pixels of the molded image
    rows                  ROIs that are shown
    edges                 sides in pixels at which the level changes, as level_boundaries
    lowest, highest       levels between which the run kept its ROIs

    The panel's units are log2 of pixels to the right and minus the level downwards. Dots and
    falls know their rows.
    """
    # Beyond the chart's ends a dot stays at its edge; a ROI without area is at minus infinity.
    x = np.clip(np.log2(np.maximum(side, 1)), LEFT, RIGHT)
    up = np.maximum(exact, LOW)
    steps = np.clip([LEFT, *np.log2(edges), RIGHT], LEFT, RIGHT)
    levels = range(lowest, highest + 1)
    boundaries = zip(levels, edges, strict=False)  # the highest level has none above it
    shown = [(k, edge) for k, edge in boundaries if LEFT < np.log2(edge) < RIGHT]
    origin = canonical_level - np.log2(canonical_side)  # exact level of a side of one pixel
    first = max(LEFT, LOW - origin)
    of_level = {k: rows[level[rows] == k] for k in ROI_LEVELS}
    return panel(
        f"k = {canonical_level} + log2(side / {canonical_side:g} px), and its fall to a step",
        (LEFT - 0.6, -6.2, RIGHT + 0.2, FOOT),
        width=520,
        height=400,
        lines=[
            *(
                lines([[a, -k, b, -k]], LEVEL_COLORS[k], width=7, alpha=0.35)
                for k, a, b in zip(levels, steps[:-1], steps[1:], strict=True)
            ),
            lines([[first, -origin - first, RIGHT, -origin - RIGHT]], QUIET),
            lines(
                [[np.log2(edge), -k, np.log2(edge), FOOT - 0.4] for k, edge in shown],
                QUIET,
                alpha=0.4,
                dash=[2, 3],
            ),
            *(
                lines(
                    np.stack([x[here], -up[here], x[here], -level[here]], 1),
                    LEVEL_COLORS[k],
                    rows=here.tolist(),
                    alpha=0.5,
                )
                for k, here in of_level.items()
            ),
        ],
        points=[
            points(
                np.stack([x[rows], -up[rows]], 1),
                [LEVEL_COLORS[k] for k in level[rows]],
                rows,
                radius=3,
                halo=True,
            )
        ],
        labels=[
            *(
                label(f"P{k}", LEFT - 0.5, -k, background=LEVEL_COLORS[k], bold=True)
                for k in ROI_LEVELS
            ),
            *(label(f"{e:.0f}", np.log2(e), FOOT - 0.2, align="center") for _, e in shown),
            label("side of the ROI, px", LEFT - 0.5, FOOT - 0.2, size=11),
        ],
    )
