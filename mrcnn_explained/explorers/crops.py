"""Explore crops: one ROI on its level and on the others, sample by sample."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    choice,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, WHITE
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Label, Panel, Scene
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, label, line, panel, points
from mrcnn_explained.stages.crops import (
    AlignedCrops,
    LevelCrops,
    bilinear_weights,
    crop_levels,
    roi_align,
)
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS

WAYS = ("crop_and_resize", "ROIAlign 1 sample", "ROIAlign 2x2 samples")
SIDE = 145  # CSS pixels of a panel
UNIT = (0.0, 0.0, 1.0, 1.0)  # extent of a panel that shows a crop
DRAWN = 60  # ROIs drawn on the image besides the selected one


@in_graph_mode
def crop_every_level(
    box: tf.Tensor, maps: Sequence[tf.Tensor], *, pool_size: int
) -> list[LevelCrops]:
    """Crop one ROI [1, 4] from each of the maps, as if it read that level."""
    lowest = tf.fill([1, 1], LOWEST)
    return [crop_levels(box[None], lowest, [m], pool_size=pool_size) for m in maps]


@in_graph_mode
def align_every_level(
    box: tf.Tensor,
    maps: Sequence[tf.Tensor],
    *,
    image_shape: tuple[int, int],
    pool_size: int,
    samples: int,
) -> list[AlignedCrops]:
    """Crop one ROI [1, 4] from each of the maps by ROIAlign."""
    setting = {"pool_size": pool_size, "samples": samples}
    return [roi_align(m, box, [0], image_shape, **setting) for m in maps]


weights_again = in_graph_mode(bilinear_weights)


class _Crop(NamedTuple):
    """The crop of one ROI from one level."""

    level: int
    map: np.ndarray  # [Hk, Wk], one channel or the mean of all
    pooled: np.ndarray  # [P, P], of the way that is chosen
    plain: np.ndarray  # [P, P], of crop_and_resize
    ys: np.ndarray  # rows of the samples, in cells of the map
    xs: np.ndarray  # columns of the samples
    cells: np.ndarray  # [n, 2], the cells (row, column) of which the chosen bin is a mixture
    weights: np.ndarray  # [n], their weights


class CropsExplorer(TraceExplorer):
    """One ROI cropped from its own level and from the three others, three ways.

    Click an ROI on the image, or choose its number; choose a bin to see which cells it mixes.
    `result` is a dict: level → LevelCrops of this one ROI, as `crop_levels` returns it;
    `aligned` holds level → AlignedCrops if the way is ROIAlign.
    """

    selection_control = "roi"
    result: dict[int, LevelCrops]

    def controls(self) -> Controls:
        number = int(np.sum(np.asarray(self.trace.proposals.valid[self.image])))
        channels = int(self.trace.pyramid.roi_maps[0].shape[-1])
        return {
            "roi": slider("ROI", 0, 0, max(number - 1, 0), 1),
            "channel": choice(
                "channel", [("mean of all", -1), *((f"{k}", k) for k in range(channels))], -1
            ),
            "way": choice("pooled by", list(WAYS), WAYS[0]),
            "pool_size": slider("side of the crop", self.config.pool_size, 1, 28, 1),
            "row": slider("row of the bin", 0.5, 0.0, 1.0),
            "column": slider("column of the bin", 0.5, 0.0, 1.0),
        }

    @cached_property
    def maps(self) -> list[tf.Tensor]:
        """P2…P5 of this image, read once for all moves of a slider: [1, Hk, Wk, F] each."""
        return [tf.constant(self.of_image(x)) for x in self.trace.pyramid.roi_maps]

    def draw(
        self, roi: int, channel: int, way: str, pool_size: int, row: float, column: float
    ) -> Scene:
        if not np.asarray(self.trace.proposals.valid[self.image]).any():
            return {"panels": [], "text": [line("This image has no ROI.")]}
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image], np.float32)
        own = int(self.trace.levels.roi_level[self.image][roi])
        self._crop(tf.constant(rois[[roi]]), way, pool_size)
        chosen_bin = (round(row * (pool_size - 1)), round(column * (pool_size - 1)))
        panels, text = [self._on_image(rois, roi, own)], []
        for k in ROI_LEVELS:
            crop = self._crop_of(k, channel, chosen_bin, pool_size)
            panels += _level_panels(crop, own, aligned=k in self.aligned)
            words = _crop_text(crop, chosen_bin, aligned=k in self.aligned)
            text.append(line(words, LEVEL_COLORS[k]))
        return {"panels": panels, "text": text, "tips": {}}

    def _crop(self, box: tf.Tensor, way: str, pool_size: int) -> None:
        """Crop a box [1, 4] from every level, by crop_and_resize and by the way chosen."""
        crops = crop_every_level(box, self.maps, pool_size=pool_size)
        self.result = dict(zip(ROI_LEVELS, crops, strict=True))
        self.aligned: dict[int, AlignedCrops] = {}
        if way != WAYS[0]:
            aligned = align_every_level(
                box,
                self.maps,
                image_shape=self.pixels.shape[:2],
                pool_size=pool_size,
                samples=WAYS.index(way),
            )
            self.aligned = dict(zip(ROI_LEVELS, aligned, strict=True))

    def _crop_of(
        self, level: int, channel: int, chosen_bin: tuple[int, int], pool_size: int
    ) -> _Crop:
        """Read what was cropped from one level, and of which cells one bin is a mixture."""
        plain = self.result[level]
        plain_pooled = plain.pooled[0].numpy()[0]
        if level in self.aligned:
            aligned = self.aligned[level]
            pooled = aligned.pooled.numpy()[0]
            ys, xs = aligned.sample_y.numpy()[0], aligned.sample_x.numpy()[0]
        else:
            pooled = plain_pooled
            ys, xs = plain.sample_y[0].numpy()[0], plain.sample_x[0].numpy()[0]
        cells, weights = _mixture(ys, xs, chosen_bin, pool_size)
        return _Crop(
            level=level,
            map=_channel(self.maps[level - LOWEST].numpy()[0], channel),
            pooled=_channel(pooled, channel),
            plain=_channel(plain_pooled, channel),
            ys=ys,
            xs=xs,
            cells=cells,
            weights=weights,
        )

    def _on_image(self, rois: np.ndarray, roi: int, own: int) -> Panel:
        """Return the image with the ROI, thick, and the best others, thin."""
        valid = np.flatnonzero(np.asarray(self.trace.proposals.valid[self.image]))
        rows = list(dict.fromkeys([*valid[:DRAWN].tolist(), roi]))
        level = np.asarray(self.trace.levels.roi_level[self.image])
        colors = [LEVEL_COLORS[k] for k in level[rows]]
        place = to_pixels(rois, self.pixels)
        return image_panel(
            f"ROI {roi} reads P{own}",
            self.pixels,
            width=280,
            color=LEVEL_COLORS[own],
            boxes=[
                boxes(place[rows], colors, rows, width=0.6),
                boxes(place[[roi]], LEVEL_COLORS[own], width=3),
            ],
        )


def _level_panels(crop: _Crop, own: int, *, aligned: bool) -> list[Panel]:
    """Return the map around the ROI with its samples, the crop, and how far two ways differ."""
    k, low, span = crop.level, float(crop.map.min()), _span(crop.map)
    color = LEVEL_COLORS[k]
    panels = [
        _map_panel(crop, f"P{k}, {'its level' if k == own else 'not read'}"),
        panel(
            f"{len(crop.pooled)} x {len(crop.pooled)}",
            UNIT,
            width=SIDE,
            color=color,
            images=[heat((crop.pooled - low) / span, UNIT)],
        ),
    ]
    if aligned:
        difference = np.abs(crop.pooled - crop.plain)
        share = heat(difference / max(difference.max(), 1e-9), UNIT)
        panels.append(panel("difference", UNIT, width=SIDE, color=color, images=[share]))
    return panels


def _map_panel(crop: _Crop, title: str) -> Panel:
    """Return the map around the ROI, with the samples and the cells of the chosen bin."""
    ys, xs, cells = crop.ys, crop.xs, crop.cells
    rim = 1.5 + 0.15 * max(np.ptp(ys), np.ptp(xs))  # cells around the ROI
    left, top = xs.min() - rim, ys.min() - rim
    side = max(xs.max() + rim - left, ys.max() + rim - top)
    height, width = crop.map.shape
    whole = [-0.5, -0.5, width - 0.5, height - 0.5]
    samples = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    distance = SIDE * np.ptp(xs) / side / max(len(xs) - 1, 1)  # of two samples, CSS pixels
    return panel(
        title,
        (left, top, left + side, top + side),
        width=SIDE,
        color=LEVEL_COLORS[crop.level],
        starts_row=crop.level in (LOWEST, LOWEST + 2),
        images=[heat((crop.map - crop.map.min()) / _span(crop.map), whole)],
        boxes=[
            boxes([[ys.min(), xs.min(), ys.max(), xs.max()]], INK),
            boxes(np.concatenate([cells - 0.5, cells + 0.5], 1), INK, width=2),
        ],
        points=[points(samples, WHITE, radius=min(1.8, max(0.6, 0.3 * distance)))],
        labels=_weight_labels(crop) if SIDE / side > 28 else [],
    )


def _weight_labels(crop: _Crop) -> list[Label]:
    """Return the weights of the cells, where a cell is wide enough for a number."""
    return [
        label(f"{weight:.2f}", x, y, size=10, align="center", background=WHITE, color=INK)
        for (y, x), weight in zip(crop.cells, crop.weights, strict=True)
        if weight > 0.02
    ]


def _crop_text(crop: _Crop, chosen_bin: tuple[int, int], *, aligned: bool) -> str:
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


def _channel(values: np.ndarray, channel: int) -> np.ndarray:
    return values.mean(-1) if channel < 0 else values[..., channel]


def _mixture(
    ys: np.ndarray, xs: np.ndarray, chosen_bin: tuple[int, int], pool_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells [n, 2] that one bin mixes and their weights, over all its samples."""
    per_bin = len(ys) // pool_size  # samples of a bin, each way
    rows, columns = (np.arange(i * per_bin, (i + 1) * per_bin) for i in chosen_bin)
    y, x = np.meshgrid(ys[rows], xs[columns], indexing="ij")
    cells, weights = weights_again(tf.constant(y.ravel()), tf.constant(x.ravel()))
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
