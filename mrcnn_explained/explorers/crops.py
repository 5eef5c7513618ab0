"""Explore crops: one ROI on its level and on the others, sample by sample."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.explorers.scene import boxes, heat, line, panel, picture_panel, points
from mrcnn_explained.plots.style import INK, LEVEL_COLORS, pixels
from mrcnn_explained.stages.crops import crop_levels, roi_align
from mrcnn_explained.stages.levels import HIGHEST, LOWEST

LEVELS = range(LOWEST, HIGHEST + 1)
WAYS = ("crop_and_resize", "ROIAlign 1 sample", "ROIAlign 2x2 samples")


class CropsExplorer(TraceExplorer):
    """One ROI cropped from its own level and from the three others, three ways.

    Click a ROI on the picture, or choose its number. `result` is a dict: level → LevelCrops of
    this one ROI, as `crop_levels` returns it; `other` holds the crops of the other ways.
    """

    follows = "roi"

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        number = int(np.sum(np.asarray(trace.proposals.valid[image])))
        return {
            "roi": slider("ROI", 0, 0, max(number - 1, 0), 1),
            "channel": choice("channel", [("mean of all", -1), *((f"{k}", k) for k in range(
                int(trace.pyramid.roi_maps[0].shape[-1])))], -1),
            "way": choice("pooled by", list(WAYS), WAYS[0]),
            "pool_size": slider("side of the crop", trace.config.pool_size, 1, 28, 1),
        }  # fmt: skip

    def draw(self, roi: int, channel: int, way: str, pool_size: int) -> dict[str, Any]:
        t, one = self.trace, self.image
        if not np.asarray(t.proposals.valid[one]).any():
            return {"panels": [], "text": [line("There is no ROI in this picture.")]}
        rois = np.asarray(t.proposals.rpn_rois[one], np.float32)
        box, own = rois[roi], int(t.levels.roi_level[one][roi])
        maps = [np.asarray(m)[one : one + 1] for m in t.pyramid.roi_maps]
        self.result = {
            k: crop_levels(
                tf.constant(box[None, None]), tf.fill([1, 1], k), maps, pool_size=pool_size
            )
            for k in LEVELS
        }
        chosen = lambda x: x.mean(-1) if channel < 0 else x[..., channel]  # noqa: E731
        self.other, panels, told = {}, [], []
        for k, features in zip(LEVELS, maps, strict=True):
            crops, shown = self.result[k], chosen(features[0])
            low, high = float(shown.min()), float(shown.max())
            scale = lambda x, low=low, high=high: (x - low) / max(high - low, 1e-9)  # noqa: E731
            plain = chosen(crops.pooled[k - LOWEST][0].numpy())
            pooled = plain
            if way != WAYS[0]:
                self.other[k] = roi_align(
                    tf.constant(features), tf.constant(box[None]), tf.constant([0]),
                    self.picture.shape[:2], pool_size=pool_size, samples=WAYS.index(way),
                )  # fmt: skip
                pooled = chosen(self.other[k][0].numpy())
                apart = np.abs(pooled - plain).max()
                told.append(line(
                    f"P{k}: differs from crop_and_resize by up to {apart:.3f} "
                    f"(the map reaches from {low:.3f} to {high:.3f})", LEVEL_COLORS[k],
                ))  # fmt: skip
            panels += self._level(k, own, shown, scale, crops, pooled, pool_size)
        near = np.flatnonzero(np.asarray(t.proposals.valid[one]))[:60]
        rows = list(dict.fromkeys([*near.tolist(), roi]))
        level = np.asarray(t.levels.roi_level[one])
        on_picture = picture_panel(
            f"ROI {roi} reads P{own}", self.picture, width=280, color=LEVEL_COLORS[own],
            boxes=[boxes(pixels(rois[rows], self.picture), [LEVEL_COLORS[k] for k in level[rows]],
                         rows, width=0.6),
                   boxes(pixels(rois[[roi]], self.picture), LEVEL_COLORS[own], width=3)],
        )  # fmt: skip
        last = [
            f"P{k}: {s[0]:.2f} cells between samples" for k in LEVELS
            for s in [np.abs(np.diff(self.result[k].sample_y[k - LOWEST][0])) if pool_size > 1
                      else [0.0]]
        ]  # fmt: skip
        steps = [line(text, LEVEL_COLORS[k]) for k, text in zip(LEVELS, last, strict=True)]
        return {"panels": [on_picture, *panels], "text": [*steps, *told], "tips": {}}

    def _level(self, k, own, shown, scale, crops, pooled, pool_size):
        """The map around the ROI with its samples, and the crop."""
        ys, xs = (s[k - LOWEST][0].numpy() for s in (crops.sample_y, crops.sample_x))
        rim = 1.5 + 0.15 * max(np.ptp(ys), np.ptp(xs))
        window = (xs.min() - rim, ys.min() - rim, xs.max() + rim, ys.max() + rim)
        side = max(window[2] - window[0], window[3] - window[1])
        window = (window[0], window[1], window[0] + side, window[1] + side)
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        cells = [-0.5, -0.5, shown.shape[1] - 0.5, shown.shape[0] - 0.5]
        name = "its level" if k == own else "not read"
        return [
            panel(f"P{k}, {name}", window, width=150, color=LEVEL_COLORS[k],
                  pictures=[heat(scale(shown), cells)],
                  boxes=[boxes([[ys.min(), xs.min(), ys.max(), xs.max()]], INK)],
                  points=[points(grid, "#ffffff", radius=1.8, halo=True)]),
            panel(f"{pool_size} x {pool_size}", (0, 0, 1, 1), width=150, color=LEVEL_COLORS[k],
                  pictures=[heat(scale(pooled), [0, 0, 1, 1])]),
        ]  # fmt: skip
