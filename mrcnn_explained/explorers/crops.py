"""Explore crops: one ROI on its level and on the others, sample by sample."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import tensorflow as tf
from traitlets import Bunch

from mrcnn_explained.explorers.crop_panels import (
    Crop,
    bin_steps,
    channel_of,
    crop_panel,
    crop_text,
    difference_panel,
    framed,
    map_panel,
    mixture,
    samples_of_bin,
    weight_labels,
    window_start,
)
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    boxes_shown,
    choice,
    hidden_line,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, WHITE
from mrcnn_explained.plots.style import cells_to_pixels, to_pixels
from mrcnn_explained.scenes.format import ImageLayer, Panel, Scene
from mrcnn_explained.scenes.scene import boxes, image_panel, level_boxes, line, panel, points
from mrcnn_explained.stages.crops import (
    AlignedCrops,
    LevelCrops,
    crop_levels,
    roi_align,
)
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS

WAYS = ("crop_and_resize", "ROIAlign 1 sample", "ROIAlign 2x2 samples")


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


class CropsExplorer(TraceExplorer):
    """One ROI cropped from its own level and from the three others, three ways.

    Click an ROI on the image, or choose its number. Click a bin on the image around the ROI, on a
    map, on a crop or on a difference: it lights up in all of them, with the cells that it mixes
    and their weights.

    `result` is a dict: level → LevelCrops of this one ROI, as `crop_levels` returns it;
    `aligned` holds level → AlignedCrops if the way is ROIAlign.
    """

    selection_control = "roi"
    result: dict[int, LevelCrops]

    def controls(self) -> Controls:
        number = int(np.sum(np.asarray(self.trace.proposals.valid[self.image])))
        channels = int(self.trace.pyramid.roi_maps[0].shape[-1])
        last = self.config.pool_size - 1
        controls = {
            "roi": slider("ROI", 0, 0, max(number - 1, 0), 1),
            "channel": choice(
                "channel", [("mean of all", -1), *((f"{k}", k) for k in range(channels))], -1
            ),
            "way": choice("pooled by", list(WAYS), WAYS[0]),
            "pool_size": slider("side of the crop", self.config.pool_size, 1, 28, 1),
            "row": slider("row of the bin", self.config.pool_size // 2, 0, last, 1),
            "column": slider("column of the bin", self.config.pool_size // 2, 0, last, 1),
        }
        controls["shown"] = boxes_shown(number)
        controls["pool_size"].observe(self._size_changed, "value")
        return controls

    def _size_changed(self, change: Bunch) -> None:
        """Keep the chosen bin where it is in the ROI when the number of bins changes."""
        with self.not_drawn():  # the size itself draws
            for control in (self.settings["row"], self.settings["column"]):
                share = (control.value + 0.5) / change.old
                control.max = change.new - 1
                control.value = int(share * change.new)

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Choose the bin at a place on the image (pixels), a map (cells) or a crop (bins)."""
        size = self.settings["pool_size"].value
        kind, _, level = panel.partition(" ")
        if kind == "bins":
            row, column = int(y), int(x)
        else:
            ys, xs = self._samples(int(level))
            if kind == "image":
                ys, xs = self._in_pixels(int(level), ys, xs)
            row, column = (
                int(np.abs(places - place).argmin()) * size // len(places)
                for places, place in ((ys, y), (xs, x))
            )
        row, column = np.clip([row, column], 0, size - 1).tolist()
        self.set_controls(row=row, column=column)

    @cached_property
    def maps(self) -> list[tf.Tensor]:
        """P2…P5 of this image, read once for all moves of a slider: [1, Hk, Wk, F] each."""
        return [tf.constant(self.of_image(x)) for x in self.trace.pyramid.roi_maps]

    def draw(
        self, roi: int, channel: int, way: str, pool_size: int, row: int, column: int, shown: int
    ) -> Scene:
        if not np.asarray(self.trace.proposals.valid[self.image]).any():
            return {"panels": [], "text": [line("This image has no ROI.")]}
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image], np.float32)
        own = int(self.trace.levels.roi_level[self.image][roi])
        self._crop(tf.constant(rois[[roi]]), way, pool_size)
        # The sliders of the bin change after the size does.
        chosen_bin = (min(row, pool_size - 1), min(column, pool_size - 1))
        crops = [self._crop_of(k, channel, chosen_bin, pool_size) for k in ROI_LEVELS]
        panels = [
            self._on_image(rois, roi, own, shown),
            self._around_roi(rois[roi], crops[own - LOWEST], chosen_bin),
            *(
                map_panel(crop, f"P{crop.level}{', its level' if crop.level == own else ''}")
                for crop in crops
            ),
            *(crop_panel(crop, chosen_bin) for crop in crops),
        ]
        if self.aligned:
            most = max(np.abs(crop.pooled - crop.plain).max() for crop in crops)
            panels += [difference_panel(crop, chosen_bin, float(most)) for crop in crops]
        text = [
            line(crop_text(crop, chosen_bin, aligned=bool(self.aligned)), LEVEL_COLORS[crop.level])
            for crop in crops
        ]
        number = self.settings["shown"].max
        text.append(hidden_line(min(shown, number), number, "ROIs"))
        return {"panels": panels, "text": text, "tips": {}}

    def _samples(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of the samples on one level, in cells of its map."""
        if level in self.aligned:
            found = self.aligned[level]
            return found.sample_y.numpy()[0], found.sample_x.numpy()[0]
        plain = self.result[level]
        return plain.sample_y[0].numpy()[0], plain.sample_x[0].numpy()[0]

    def _in_pixels(
        self, level: int, ys: np.ndarray, xs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns on the map of a level in pixels of the image."""
        cells = self.maps[level - LOWEST].shape[1:3]
        corners = not self.aligned
        in_rows, in_columns = (
            cells_to_pixels(places, int(number), side, aligned_corners=corners)
            for places, number, side in zip((ys, xs), cells, self.pixels.shape[:2], strict=True)
        )
        return in_rows, in_columns

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
    ) -> Crop:
        """Read what was cropped from one level, and of which cells one bin is a mixture."""
        plain = self.result[level]
        plain_pooled = plain.pooled[0].numpy()[0]
        pooled = self.aligned[level].pooled.numpy()[0] if self.aligned else plain_pooled
        ys, xs = self._samples(level)
        per_bin = len(ys) // pool_size
        cells, weights = mixture(ys, xs, chosen_bin, per_bin)
        return Crop(
            level=level,
            map=channel_of(self.maps[level - LOWEST].numpy()[0], channel),
            pooled=channel_of(pooled, channel),
            plain=channel_of(plain_pooled, channel),
            ys=ys,
            xs=xs,
            per_bin=per_bin,
            own_samples=samples_of_bin(ys, xs, chosen_bin, per_bin),
            cells=cells,
            weights=weights,
        )

    def _around_roi(self, roi: np.ndarray, crop: Crop, chosen_bin: tuple[int, int]) -> Panel:
        """Return the image around the ROI, with the samples of its own level in pixels."""
        y1, x1, y2, x2 = to_pixels(roi, self.pixels)[0]
        ys, xs = self._in_pixels(crop.level, crop.ys, crop.xs)
        rows, columns = self._in_pixels(crop.level, crop.cells[:, 0], crop.cells[:, 1])
        own_y, own_x = self._in_pixels(crop.level, *crop.own_samples.T)
        half = [side / n / 2 for side, n in zip(self.pixels.shape[:2], crop.map.shape, strict=True)]
        side = max(y2 - y1, x2 - x1) * 1.2 + 4 * max(half)
        left = window_start((x1 + x2 - side) / 2 - 0.5, side, self.pixels.shape[1]) + 0.5
        top = window_start((y1 + y2 - side) / 2 - 0.5, side, self.pixels.shape[0]) + 0.5
        height, width = self.pixels.shape[:2]
        background: ImageLayer = {
            "name": "image",
            "extent": [0.0, 0.0, float(width), float(height)],
            "alpha": 0.75,
        }
        color = LEVEL_COLORS[crop.level]
        cells = np.stack([rows - half[0], columns - half[1], rows + half[0], columns + half[1]], 1)
        return panel(
            f"Bin {chosen_bin} and the cells of P{crop.level} that it mixes",
            (left, top, left + side, top + side),
            width=280,
            color=color,
            key=f"image {crop.level}",
            clickable=True,
            cursor=[float(own_x.mean()), float(own_y.mean())],
            step=bin_steps(xs, ys, crop.per_bin),
            images=[background],
            boxes=[boxes([[y1, x1, y2, x2]], color, width=2), *framed(cells)],
            points=[
                points(np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2), WHITE, radius=1.5),
                points(np.stack([own_x, own_y], 1), INK, radius=3.5, halo=True),
            ],
            labels=weight_labels(crop, np.stack([rows, columns], 1)),
        )

    def _on_image(self, rois: np.ndarray, roi: int, own: int, shown: int) -> Panel:
        """Return the image with the ROI, thick, and the best others."""
        valid = np.flatnonzero(np.asarray(self.trace.proposals.valid[self.image]))
        rows = list(dict.fromkeys([*valid[:shown].tolist(), roi]))
        level = np.asarray(self.trace.levels.roi_level[self.image])
        place = to_pixels(rois, self.pixels)
        return image_panel(
            f"ROI {roi} reads P{own}",
            self.pixels,
            width=280,
            color=LEVEL_COLORS[own],
            boxes=[
                level_boxes(place[rows], level[rows], rows),
                boxes(place[[roi]], LEVEL_COLORS[own], width=3),
            ],
        )
