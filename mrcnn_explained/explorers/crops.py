"""Explore crops: one ROI on its level and on the others, sample by sample."""

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    choice,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import BAD, INK, LEVEL_COLORS
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.scene import (
    boxes,
    heat,
    image_panel,
    label,
    line,
    panel,
    points,
)
from mrcnn_explained.stages.crops import bilinear_weights, crop_levels, roi_align
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS

WAYS = ("crop_and_resize", "ROIAlign 1 sample", "ROIAlign 2x2 samples")
SIDE = 145  # CSS pixels of a panel


@in_graph_mode
def crop_every_level(box, maps, *, pool_size):
    """One ROI [1, 4] from each of the maps, as if it were its level's."""
    lowest = tf.fill([1, 1], LOWEST)
    return [crop_levels(box[None], lowest, [m], pool_size=pool_size) for m in maps]


@in_graph_mode
def align_every_level(box, maps, *, image_shape, pool_size, samples):
    """The same in the paper's way."""
    setting = {"pool_size": pool_size, "samples": samples}
    return [roi_align(m, box, [0], image_shape, **setting) for m in maps]


weights_again = in_graph_mode(bilinear_weights)


class CropsExplorer(TraceExplorer):
    """One ROI cropped from its own level and from the three others, three ways.

    Click a ROI on the image, or choose its number; choose a bin to see of which cells it is
    mixed. `result` is a dict: level → LevelCrops of this one ROI, as `crop_levels` returns it;
    `aligned` holds level → AlignedCrops where the way is the paper's.
    """

    follows = "roi"

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        number = int(np.sum(np.asarray(trace.proposals.valid[image])))
        return {
            "roi": slider("ROI", 0, 0, max(number - 1, 0), 1),
            "channel": choice(
                "channel",
                [
                    ("mean of all", -1),
                    *((f"{k}", k) for k in range(int(trace.pyramid.roi_maps[0].shape[-1]))),
                ],
                -1,
            ),
            "way": choice("pooled by", list(WAYS), WAYS[0]),
            "pool_size": slider("side of the crop", trace.config.pool_size, 1, 28, 1),
            "row": slider("row of the bin", 0.5, 0.0, 1.0),
            "column": slider("column of the bin", 0.5, 0.0, 1.0),
        }

    @cached_property
    def maps(self) -> list[tf.Tensor]:
        """P2…P5 of this image, read once for all moves of a slider: [1, Hk, Wk, F] each."""
        one = slice(self.image, self.image + 1)
        return [tf.constant(np.asarray(x[one])) for x in self.trace.pyramid.roi_maps]

    def draw(
        self, roi: int, channel: int, way: str, pool_size: int, row: float, column: float
    ) -> dict[str, Any]:
        t, one = self.trace, self.image
        if not np.asarray(t.proposals.valid[one]).any():
            return {"panels": [], "text": [line("There is no ROI in this image.")]}
        rois = np.asarray(t.proposals.rpn_rois[one], np.float32)
        box, own = tf.constant(rois[[roi]]), int(t.levels.roi_level[one][roi])
        here = tuple(round(share * (pool_size - 1)) for share in (row, column))
        self.aligned, panels, text = {}, [], []
        crops = crop_every_level(box, self.maps, pool_size=pool_size)
        self.result = dict(zip(ROI_LEVELS, crops, strict=True))
        if way != WAYS[0]:
            aligned = align_every_level(
                box,
                self.maps,
                image_shape=self.pixels.shape[:2],
                pool_size=pool_size,
                samples=WAYS.index(way),
            )
            self.aligned = dict(zip(ROI_LEVELS, aligned, strict=True))
        for k in ROI_LEVELS:
            plain = pooled = self.result[k].pooled[0].numpy()[0]
            ys, xs = (x[0].numpy()[0] for x in (self.result[k].sample_y, self.result[k].sample_x))
            if found := self.aligned.get(k):
                pooled, ys, xs = (
                    x.numpy()[0] for x in (found.pooled, found.sample_y, found.sample_x)
                )
            other, shown = pooled is not plain, self.maps[k - LOWEST].numpy()[0]
            shown, plain, pooled = (_channel(x, channel) for x in (shown, plain, pooled))
            cells, weights = _mixture(ys, xs, here, pool_size)
            crops = (pooled, np.abs(pooled - plain) if other else None)
            drawn, end = self._level(k, own, shown, crops, (ys, xs), (cells, weights))
            panels += drawn
            text.append(
                line(
                    f"P{k}: {np.diff(ys)[0] if len(ys) > 1 else 0:.2f} cells between samples; bin "
                    f"{here} is {_sum(cells, weights)} = {pooled[here]:.3f}{end}",
                    LEVEL_COLORS[k],
                )
            )
        near = np.flatnonzero(np.asarray(t.proposals.valid[one]))[:60]
        rows = list(dict.fromkeys([*near.tolist(), roi]))
        level = np.asarray(t.levels.roi_level[one])
        on_image = image_panel(
            f"ROI {roi} reads P{own}",
            self.pixels,
            width=280,
            color=LEVEL_COLORS[own],
            boxes=[
                boxes(
                    to_pixels(rois[rows], self.pixels),
                    [LEVEL_COLORS[k] for k in level[rows]],
                    rows,
                    width=0.6,
                ),
                boxes(to_pixels(rois[[roi]], self.pixels), LEVEL_COLORS[own], width=3),
            ],
        )
        return {"panels": [on_image, *panels], "text": text, "tips": {}}

    def _level(self, k, own, shown, crops, samples, mixture):
        """The map around the ROI with its samples, the crop, and what the two ways disagree on."""
        (pooled, apart), (ys, xs), (cells, weights) = crops, samples, mixture
        low, high = float(shown.min()), float(shown.max())
        span = max(high - low, 1e-9)
        rim = 1.5 + 0.15 * max(np.ptp(ys), np.ptp(xs))
        left, top = xs.min() - rim, ys.min() - rim
        side = max(xs.max() + rim - left, ys.max() + rim - top)
        whole = [-0.5, -0.5, shown.shape[1] - 0.5, shown.shape[0] - 0.5]
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        look = {"width": SIDE, "color": LEVEL_COLORS[k]}
        roomy = SIDE / side > 28  # a cell is wide enough for a number, CSS pixels
        dot = min(1.8, max(0.6, 0.3 * SIDE * np.ptp(xs) / side / max(len(xs) - 1, 1)))
        drawn = [
            panel(
                f"P{k}, {'its level' if k == own else 'not read'}",
                (left, top, left + side, top + side),
                **look,
                starts_row=k in (LOWEST, LOWEST + 2),
                images=[heat((shown - low) / span, whole)],
                boxes=[
                    boxes([[ys.min(), xs.min(), ys.max(), xs.max()]], INK),
                    boxes(np.concatenate([cells - 0.5, cells + 0.5], 1), BAD, width=2),
                ],
                points=[points(grid, "#ffffff", radius=dot)],
                labels=[
                    label(
                        f"{w:.2f}", x, y, size=10, align="center", background="#ffffff", color=INK
                    )
                    for (y, x), w in zip(cells, weights, strict=True)
                    if roomy and w > 0.02
                ],
            ),
            panel(
                f"{len(pooled)} x {len(pooled)}",
                (0, 0, 1, 1),
                **look,
                images=[heat((pooled - low) / span, [0, 0, 1, 1])],
            ),
        ]
        if apart is None:
            return drawn, ""
        shares = heat(apart / max(apart.max(), 1e-9), [0, 0, 1, 1])
        drawn.append(panel("difference", (0, 0, 1, 1), **look, images=[shares]))
        return drawn, (
            f"; differs from crop_and_resize by up to {apart.max():.3f} "
            f"(the map reaches from {low:.3f} to {high:.3f})"
        )


def _channel(values, channel):
    return values.mean(-1) if channel < 0 else values[..., channel]


def _mixture(ys, xs, here, pool_size):
    """The cells that one bin is mixed of, and their weights, over all samples of the bin."""
    each = len(ys) // pool_size  # samples of a bin, each way
    rows, columns = (np.arange(i * each, (i + 1) * each) for i in here)
    y, x = (v.ravel() for v in np.meshgrid(np.take(ys, rows), np.take(xs, columns), indexing="ij"))
    cells, weights = weights_again(tf.constant(y), tf.constant(x))
    cells, place = np.unique(cells.numpy().reshape(-1, 2), axis=0, return_inverse=True)
    total = np.bincount(place.ravel(), weights.numpy().ravel() / len(y))
    return cells.astype(np.float64), total


def _sum(cells, weights):
    most = np.argsort(-weights)[:4]
    terms = [
        f"{weights[i]:.2f} x cell ({cells[i][0]:.0f}, {cells[i][1]:.0f})"
        for i in most
        if weights[i] > 0.005
    ]
    return " + ".join(terms) + (" + …" if np.sum(weights > 0.005) > len(terms) else "")
