"""What the explorer of crops shows of one level: the map, the crop, the mixture of one bin."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import in_graph_mode
from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, WHITE
from mrcnn_explained.scenes.format import BoxLayer, Label, Panel
from mrcnn_explained.scenes.scene import boxes, heat, label, panel, points
from mrcnn_explained.stages.crops import bilinear_weights
from mrcnn_explained.stages.levels import LOWEST

SIDE = 200  # CSS pixels of a panel

weights_again = in_graph_mode(bilinear_weights)


class Crop(NamedTuple):
    """The crop of one ROI from one level."""

    level: int
    map: np.ndarray  # [Hk, Wk], one channel or the mean of all
    pooled: np.ndarray  # [P, P], of the way that is chosen
    plain: np.ndarray  # [P, P], of crop_and_resize
    ys: np.ndarray  # rows of the samples, in cells of the map
    xs: np.ndarray  # columns of the samples
    per_bin: int  # samples of a bin, each way
    own_samples: np.ndarray  # [n, 2], (row, column) of the samples of the chosen bin
    cells: np.ndarray  # [n, 2], the cells (row, column) of which the chosen bin is a mixture
    weights: np.ndarray  # [n], their weights

    @property
    def sample(self) -> list[float]:
        """The middle (row, column) of the samples of the chosen bin."""
        return self.own_samples.mean(axis=0).tolist()


def framed(places: np.ndarray) -> list[BoxLayer]:
    """Return frames [n, 4] of chosen bins or cells: the viewer draws ink on white."""
    return [boxes(places, INK, width=2)]


def map_panel(crop: Crop, title: str) -> Panel:
    """Return the map around the ROI, with the samples and the cells of the chosen bin."""
    ys, xs, cells = crop.ys, crop.xs, crop.cells
    rim = 1.5 + 0.15 * max(np.ptp(ys), np.ptp(xs))  # cells around the ROI
    side = max(np.ptp(xs), np.ptp(ys)) + 2 * rim
    height, width = crop.map.shape
    left = window_start((xs.min() + xs.max() - side) / 2, side, width)
    top = window_start((ys.min() + ys.max() - side) / 2, side, height)
    whole = [-0.5, -0.5, width - 0.5, height - 0.5]
    samples = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    distance = SIDE * np.ptp(xs) / side / max(len(xs) - 1, 1)  # of two samples, CSS pixels
    return panel(
        title,
        (left, top, left + side, top + side),
        width=SIDE,
        color=LEVEL_COLORS[crop.level],
        starts_row=crop.level == LOWEST,
        key=f"map {crop.level}",
        clickable=True,
        cursor=[crop.sample[1], crop.sample[0]],
        step=bin_steps(xs, ys, crop.per_bin),
        images=[heat((crop.map - crop.map.min()) / _span(crop.map), whole)],
        boxes=[
            boxes([[ys.min(), xs.min(), ys.max(), xs.max()]], LEVEL_COLORS[crop.level], width=2),
            *framed(np.concatenate([cells - 0.5, cells + 0.5], 1)),
        ],
        points=[
            points(samples, WHITE, radius=min(1.8, max(0.6, 0.3 * distance))),
            points(crop.own_samples[:, ::-1], INK, radius=3.5, halo=True),
        ],
        labels=weight_labels(crop, crop.cells) if SIDE / side > 28 else [],
    )


def window_start(start: float, side: float, cells: int) -> float:
    """Return where a window begins that shows as much of a map as it can."""
    return max(min(start, cells - 0.5 - side), -0.5) if side <= cells else (cells - 1 - side) / 2


def bin_steps(xs: np.ndarray, ys: np.ndarray, per_bin: int) -> list[float]:
    """Return the distance of two bins along x and y, for the arrow keys."""
    return [float(s[per_bin] - s[0]) if len(s) > per_bin else 1.0 for s in (xs, ys)]


def crop_panel(crop: Crop, chosen_bin: tuple[int, int]) -> Panel:
    """Return the crop, on the scale of its map, the chosen bin framed."""
    shown = (crop.pooled - float(crop.map.min())) / _span(crop.map)
    size = len(shown)
    return _bins_panel(f"P{crop.level}, {size} x {size} bins", crop, shown, chosen_bin)


def difference_panel(crop: Crop, chosen_bin: tuple[int, int], most: float) -> Panel:
    """Return how far a crop differs from that of crop_and_resize, on one scale for all levels."""
    share = np.abs(crop.pooled - crop.plain) / max(most, 1e-9)
    return _bins_panel(f"difference, bright {most:.3f}", crop, share, chosen_bin)


def _bins_panel(title: str, crop: Crop, shown: np.ndarray, chosen_bin: tuple[int, int]) -> Panel:
    """Return a value 0…1 for each bin, in bins."""
    row, column = chosen_bin
    extent = (0.0, 0.0, float(len(shown)), float(len(shown)))
    return panel(
        title,
        extent,
        width=SIDE,
        color=LEVEL_COLORS[crop.level],
        starts_row=crop.level == LOWEST,
        key=f"bins {crop.level}",
        clickable=True,
        cursor=[column + 0.5, row + 0.5],
        images=[heat(shown, extent)],
        boxes=framed(np.array([[row, column, row + 1, column + 1]])),
    )


def weight_labels(crop: Crop, places: np.ndarray) -> list[Label]:
    """Return the weights of the cells as labels at places (y, x) [n, 2]."""
    return [
        label(f"{weight:.2f}", x, y, size=10, align="center", background=WHITE, color=INK)
        for (y, x), weight in zip(places, crop.weights, strict=True)
        if weight > 0.02
    ]


def crop_text(crop: Crop, chosen_bin: tuple[int, int], *, aligned: bool) -> str:
    """Return the mixture of the chosen bin, and how far the two ways differ."""
    distance = crop.ys[1] - crop.ys[0] if len(crop.ys) > 1 else 0
    text = (
        f"P{crop.level}: {distance:.2f} cells between samples; bin {chosen_bin} is "
        f"{_sum(crop.cells, crop.weights)} = {crop.pooled[chosen_bin]:.3f}"
    )
    if not aligned:
        return text
    most = np.abs(crop.pooled - crop.plain).max()
    return (
        f"{text}; differs from crop_and_resize by up to {most:.3f} "
        f"(values of the map: {crop.map.min():.3f} to {crop.map.max():.3f})"
    )


def _span(values: np.ndarray) -> float:
    return max(float(values.max()) - float(values.min()), 1e-9)


def channel_of(values: np.ndarray, channel: int) -> np.ndarray:
    return values.mean(-1) if channel < 0 else values[..., channel]


def samples_of_bin(
    ys: np.ndarray, xs: np.ndarray, chosen_bin: tuple[int, int], per_bin: int
) -> np.ndarray:
    """Return the (row, column) of the samples of one bin: [n, 2]."""
    rows, columns = (slice(i * per_bin, (i + 1) * per_bin) for i in chosen_bin)
    return np.stack(np.meshgrid(ys[rows], xs[columns], indexing="ij"), -1).reshape(-1, 2)


def mixture(
    ys: np.ndarray, xs: np.ndarray, chosen_bin: tuple[int, int], per_bin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells [n, 2] that one bin mixes and their weights, over all its samples."""
    y, x = samples_of_bin(ys, xs, chosen_bin, per_bin).T
    cells, weights = weights_again(tf.constant(y), tf.constant(x))
    unique, index = np.unique(cells.numpy().reshape(-1, 2), axis=0, return_inverse=True)
    total = np.bincount(index.ravel(), weights.numpy().ravel() / y.size)
    return unique.astype(np.float64), total


def _sum(cells: np.ndarray, weights: np.ndarray) -> str:
    """Return the mixture as a sum, its four largest terms."""
    terms = [
        f"{weights[i]:.2f} x cell ({cells[i][0]:.0f}, {cells[i][1]:.0f})"
        for i in np.argsort(-weights)[:4]
        if weights[i] > 0.005
    ]
    more = np.sum(weights > 0.005) > len(terms)
    return " + ".join(terms) + (" + …" if more else "")
