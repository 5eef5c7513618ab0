"""Explore pooling: one ROI read by ROI Pooling, by ROIAlign and by `crop_and_resize`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    choice,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import BEFORE_DASH, INK, WHITE
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import LineLayer, Panel, PointLayer, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, heat, line, lines, movable, panel, points
from mrcnn_explained.stages.crops import (
    PooledRegions,
    roi_align,
    roi_pool,
    sample_points,
)
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS

WIDTH = 300  # CSS pixels of each panel
ROOM = 3.0  # cells of the map to show around the ROI
MAP = "map"  # key of the panel whose box is dragged
WAYS = ("ROI Pooling", "ROIAlign", "crop_and_resize")

pool_again, align_again = in_graph_mode(roi_pool), in_graph_mode(roi_align)


class Pooled(NamedTuple):
    """One ROI, read three ways: the mean absolute activation over the channels."""

    roi_pool: Float32[np.ndarray, "P P"]
    roi_align: Float32[np.ndarray, "P P"]
    crop_and_resize: Float32[np.ndarray, "P P"]


class PoolingExplorer(TraceExplorer):
    """Drag an ROI over a feature map: ROI Pooling's crop jumps, the other two glide.

    ROI Pooling rounds the corners to whole cells and the edges of its bins again. ROIAlign
    averages 2x2 samples in each bin; `crop_and_resize`, which the detector uses, takes one sample
    per cell of the crop. `result` holds the three crops.
    """

    selection_control = "roi"
    result: Pooled

    def controls(self) -> Controls:
        self.box: list[float] = []  # in cells of the map; empty: where the ROI is
        number = int(np.sum(np.asarray(self.trace.proposals.valid[self.image])))
        found = np.asarray(self.trace.detections.detection_roi[self.image])
        start = max(int(found[0]), 0) if len(found) else 0
        level = int(np.asarray(self.trace.levels.roi_level[self.image])[start])
        controls = {
            "roi": slider("ROI", start, 0, max(number - 1, 0), 1),
            "level": choice("map", [(f"P{k}", k) for k in ROI_LEVELS], level),
            "pool_size": slider("side of the crop", self.config.pool_size, 2, 14, 1),
        }
        controls["roi"].observe(lambda change: self._take_roi(change.new), "value")
        controls["level"].observe(lambda _: self._forget_box(), "value")
        controls["pool_size"].observe(lambda _: self._forget_last(), "value")
        self.last: tuple[np.ndarray, Pooled] | None = None
        return controls

    def _take_roi(self, roi: int) -> None:
        """Begin at another ROI, on the map that it reads."""
        level = int(np.asarray(self.trace.levels.roi_level[self.image])[roi])
        self.held = True
        self.settings["level"].value = level
        self.held = False
        self._forget_box()

    def _forget_box(self) -> None:
        """Put the box back to the ROI."""
        self.box = []
        self._forget_last()

    def _forget_last(self) -> None:
        """Compare the next crops with none."""
        self.last = None

    def box_moved(self, name: str, box: list[float]) -> None:
        """Take the box where the reader has moved it."""
        self.box = box
        self.refresh()

    def draw(self, roi: int, level: int, pool_size: int) -> Scene:
        features = tf.constant(self.of_image(self.trace.pyramid.roi_maps[level - LOWEST]))
        height, width = self.pixels.shape[:2]
        stride = np.tile([height, width], 2) / np.tile(features.shape[1:3], 2)
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image])
        own = to_pixels(rois[roi], self.pixels)[0] / stride - 0.5
        box = np.array(self.box or own, np.float64)
        pixels = tf.constant([(box + 0.5) * stride], tf.float32)
        normalised = norm_boxes(pixels, tf.constant([height, width], tf.float32))
        image, shape = tf.constant([0]), tf.constant([height, width])
        pooled = pool_again(features, normalised, image, shape, pool_size=pool_size)
        aligned = align_again(features, normalised, image, shape, pool_size=pool_size)
        sampled = tf.image.crop_and_resize(features, normalised, image, [pool_size, pool_size])
        samples = sample_points(normalised, tf.shape(features)[1:3], pool_size)
        crops = (pooled.pooled, aligned.pooled, sampled)
        self.result = Pooled(*(np.abs(crop.numpy()[0]).mean(axis=-1) for crop in crops))
        activation = np.abs(features.numpy()[0]).mean(axis=-1)
        region = _region(own, activation.shape)
        scale = _Scale.of(activation, region, self.result)
        panels = [
            _map(
                f"{WAYS[0]}: whole cells (drag)",
                activation,
                region,
                scale,
                box,
                drag=True,
                lines=_bins(pooled),
            ),
            _map(
                f"{WAYS[1]}: bins with 2x2 samples",
                activation,
                region,
                scale,
                box,
                lines=_edges(box, pool_size),
                samples=_dots(aligned.sample_y, aligned.sample_x),
            ),
            _map(
                f"{WAYS[2]}: edge to edge",
                activation,
                region,
                scale,
                box,
                samples=_dots(*samples),
            ),
            *(
                _crop(way, crop, scale, first=not i)
                for i, (way, crop) in enumerate(zip(WAYS, self.result, strict=True))
            ),
        ]
        text = self._text(box, pooled, float(stride[0]), level)
        self.last = (box, self.result)
        return {"panels": panels, "text": text}

    def _text(
        self,
        box: np.ndarray,
        pooled: PooledRegions,
        stride: float,
        level: int,
    ) -> list[TextLine]:
        """Return how far ROI Pooling is off, and how much the last move changed each crop."""
        rows, columns = pooled.row_bins.numpy()[0], pooled.column_bins.numpy()[0]
        read = np.array([rows.min(), columns.min(), rows.max(), columns.max()]) - 0.5
        off = np.abs(read - box).max()
        height, width = box[2:] - box[:2]
        text = [
            line(
                f"The ROI is {height:.2f} x {width:.2f} cells of P{level}. ROI Pooling reads "
                f"{rows.max() - rows.min()} x {columns.max() - columns.min()} whole cells: an edge "
                f"is up to {off:.2f} cells, {off * stride:.1f} px, off."
            )
        ]
        if self.last is None or np.array_equal(self.last[0], box):
            return [*text, line("Drag the box a little, and see which crops change.")]
        changes = [
            f"{way} {np.abs(now - before).mean():.4f}"
            for way, now, before in zip(WAYS, self.result, self.last[1], strict=True)
        ]
        moved = np.abs(box - self.last[0]).max()
        return [
            *text,
            line(
                f"The last move, of {moved:.2f} cells, changed the crops by: {', '.join(changes)}.",
                live=True,
            ),
        ]


class _Scale(NamedTuple):
    """The colour scale that the map and all crops share."""

    low: float
    high: float

    @classmethod
    def of(cls, activation: np.ndarray, region: Sequence[int], crops: Pooled) -> "_Scale":
        """Return the scale of everything that is shown."""
        y1, x1, y2, x2 = region
        values = [activation[y1:y2, x1:x2], *crops]
        return cls(min(float(v.min()) for v in values), max(float(v.max()) for v in values))

    def share(self, values: np.ndarray) -> np.ndarray:
        """Return values as shares of the scale, 0…1."""
        return (values - self.low) / max(self.high - self.low, 1e-9)


def _region(box: np.ndarray, shape: Sequence[int]) -> list[int]:
    """Return the cells around a box: first row and column, and those after the last."""
    first = np.maximum(np.floor(box[:2] - ROOM), 0).astype(int)
    last = np.minimum(np.ceil(box[2:] + ROOM).astype(int) + 1, shape)
    return [*first.tolist(), *last.tolist()]


def _map(
    title: str,
    activation: np.ndarray,
    region: Sequence[int],
    scale: _Scale,
    box: np.ndarray,
    *,
    drag: bool = False,
    lines: Sequence[LineLayer] = (),
    samples: Sequence[PointLayer] = (),
) -> Panel:
    """Return the map around the ROI, in cells; 0 is the centre of the first cell."""
    y1, x1, y2, x2 = region
    extent = [x1 - 0.5, y1 - 0.5, x2 - 0.5, y2 - 0.5]
    found = panel(
        title,
        extent,
        width=WIDTH,
        images=[heat(scale.share(activation[y1:y2, x1:x2]), extent)],
        lines=list(lines),
        points=list(samples),
    )
    if drag:
        held = movable("ROI", box, INK, dash=BEFORE_DASH)
        return {**found, "key": MAP, "movable": [held], "step": [0.1, 0.1]}
    return {**found, "boxes": [boxes([box], INK, dash=BEFORE_DASH, width=2)]}


def _bins(pooled: PooledRegions) -> list[LineLayer]:
    """Return the bins of ROI Pooling: the edges of whole cells."""
    rows, columns = pooled.row_bins.numpy()[0] - 0.5, pooled.column_bins.numpy()[0] - 0.5
    return [_grid(np.unique(rows), np.unique(columns))]


def _edges(box: np.ndarray, pool_size: int) -> list[LineLayer]:
    """Return the bins of ROIAlign: equal parts of the ROI."""
    y1, x1, y2, x2 = box
    parts = np.linspace(0, 1, pool_size + 1)
    return [_grid(y1 + parts * (y2 - y1), x1 + parts * (x2 - x1))]


def _grid(rows: np.ndarray, columns: np.ndarray) -> LineLayer:
    """Return lines at rows and columns."""
    level = [[columns[0], y, columns[-1], y] for y in rows]
    upright = [[x, rows[0], x, rows[-1]] for x in columns]
    return lines([*level, *upright], INK, width=0.8)


def _dots(sample_y: tf.Tensor, sample_x: tf.Tensor) -> list[PointLayer]:
    """Return a dot for each sample."""
    y, x = np.meshgrid(sample_y.numpy()[0], sample_x.numpy()[0], indexing="ij")
    return [points(np.stack([x.ravel(), y.ravel()], 1), WHITE, radius=2)]


def _crop(way: str, crop: np.ndarray, scale: _Scale, *, first: bool) -> Panel:
    """Return one crop."""
    side = len(crop)
    extent = [0.0, 0.0, float(side), float(side)]
    return panel(
        f"Crop by {way}",
        extent,
        width=WIDTH,
        height=WIDTH * 0.6,
        starts_row=first,
        images=[heat(scale.share(crop), extent)],
    )
