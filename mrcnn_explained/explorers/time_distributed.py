"""Explore TimeDistributed: fold, apply once, unfold; compared with a loop and Keras' wrapper."""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, slider
from mrcnn_explained.plots.palette import INK, QUIET, WHITE, WRONG
from mrcnn_explained.scenes.format import LineLayer, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, label, line, lines, panel
from mrcnn_explained.stages.layers import dense

FOLD = "fold, call once, unfold"
LOOP = "a loop over ROIs"
KERAS = "keras.layers.TimeDistributed"
MOST = 100  # ROIs
NUMBERED = 48  # tiles, of which more have no room for a number
GAP = 2.2  # height of a grid of tiles in the drawing; that of a row of tiles is 0.7


class Way(NamedTuple):
    """One way to apply a layer to every ROI, as it was run."""

    output: tf.Tensor  # [B, N, units]
    milliseconds: float  # median of three runs
    calls: int  # of the layer in one run


class TimeDistributedExplorer(TraceExplorer):
    """One fully connected layer on N ROIs, three ways: the same numbers in different times.

    Tiles [B, N] become one row of B x N tiles, go through one call and become [B, N] again. Click
    a tile to find it at every step. The bars show how often each way calls the layer, counted,
    and how long it takes, measured on this machine.

    The layer is a new one; its weights are drawn at random, seeded by its name. Its input are
    the `shared` features of the trace's ROIs; a batch of several images repeats them. Rows are
    tiles. `result` is a dict: way → Way.
    """

    result: dict[str, Way]

    def row_of(self, roi: int) -> int:
        """Return the ROI's tile in the first image; -1 for one that is not shown."""
        return roi if roi < self.settings["count"].value else -1

    def roi_of(self, row: int) -> int:
        """Return the ROI of the run; -1 for those of the repeated images."""
        return row if row < self.settings["count"].value else -1

    def controls(self) -> Controls:
        most = min(len(self.trace.box_head.shared[self.image]), MOST)
        return {
            "count": slider("ROIs", min(8, most), 1, most, 1),
            "images": slider("images in the batch", 2, 1, 3, 1),
        }

    @cached_property
    def measured(self) -> dict[tuple[int, int], dict[str, Way]]:
        """The results by number of ROIs and images, each measured once."""
        return {}

    @cached_property
    def longest(self) -> float:
        """The milliseconds of one loop over the most ROIs, measured once: a full bar."""
        x = tf.constant(self.of_image(self.trace.box_head.shared)[:, : self.settings["count"].max])
        layer = dense("time_distributed", x.shape[-1], self.config.num_classes)
        return milliseconds(lambda: [layer(x[:, i]) for i in range(x.shape[1])], times=1)

    def draw(self, count: int, images: int) -> Scene:
        features = self.of_image(self.trace.box_head.shared)[:, :count]
        channels, units = features.shape[-1], self.config.num_classes
        if (count, images) not in self.measured:  # a click on a tile measures nothing again
            x = tf.constant(np.repeat(features, images, axis=0))
            self.measured[count, images] = apply_three_ways(x, units)
        self.result = self.measured[count, images]
        tips = {row: f"image {row // count}, ROI {row % count}" for row in range(images * count)}
        panels = [
            _tiles_panel(images, count, channels, units),
            _bars(
                "calls of the layer, counted",
                {way: run.calls for way, run in self.result.items()},
                self.settings["count"].max,
            ),
            _bars(
                "milliseconds, median of three runs",
                {way: run.milliseconds for way, run in self.result.items()},
                self.longest,
            ),
        ]
        return {"panels": panels, "text": self._text(count), "tips": tips}

    def _text(self, count: int) -> list[TextLine]:
        """Return for each way its calls, its time, and how far its output is from the first."""
        first, selected = self.result[FOLD], self.view.selected
        images = len(first.output)
        text = []
        for name, run in self.result.items():
            difference = float(np.abs(run.output.numpy() - first.output.numpy()).max())
            calls = "1 call" if run.calls == 1 else f"{run.calls} calls"
            words = (
                f"{name}: {calls}, {run.milliseconds:.2f} ms, {list(run.output.shape)}, differs "
                f"from the first by {difference:.1e}"
            )
            text.append(line(words, WRONG if difference > 1e-4 else INK))
        if 0 <= selected < images * count:
            image, roi = divmod(selected, count)
            text.append(
                line(
                    f"Tile ({image}, {roi}) is row {image} x {count} + {roi} = {selected} while "
                    "folded, and goes back to its place."
                )
            )
        else:
            text.append(line("Click a tile to find it at every step."))
        return text


class _Counted(keras.layers.Layer):
    """A layer that counts its calls."""

    def __init__(self, layer: keras.layers.Layer):
        super().__init__()
        self.layer, self.calls = layer, 0
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Apply the layer, and count."""
        self.calls += 1
        return self.layer(x)


def apply_three_ways(x: tf.Tensor, units: int) -> dict[str, Way]:
    """Apply a fully connected layer to every ROI of x, [B, N, channels], in three ways."""
    images, count, channels = x.shape
    layer = dense("time_distributed", channels, units)
    counted = _Counted(layer)

    def ways(layer: keras.layers.Layer) -> dict[str, Callable[[], tf.Tensor]]:
        """The three ways to apply a layer, ready to run."""
        wrapper = keras.layers.TimeDistributed(layer)
        return {
            FOLD: lambda: tf.reshape(layer(tf.reshape(x, [-1, channels])), [images, count, units]),
            LOOP: lambda: tf.stack([layer(x[:, i]) for i in range(count)], axis=1),
            KERAS: lambda: wrapper(x),
        }

    found = {}
    timed = ways(layer)  # counting takes time, so it is not done while the time is measured
    for name, run in ways(counted).items():
        before = counted.calls
        output = run()
        found[name] = Way(output, milliseconds(timed[name]), calls=counted.calls - before)
    return found


def _tiles_panel(images: int, count: int, channels: int, units: int) -> Panel:
    """Return the tiles of all ROIs: as input, folded, after the call, unfolded."""
    total = images * count
    width = max(float(total), 8.0)  # of the row of folded tiles, in tiles
    image, roi = np.divmod(np.arange(total), count)
    tall = GAP / 3  # height of a tile of the grids
    grid_x, row_x = roi * (width / count), np.arange(total) * (width / total)
    grid_side, row_side = width / count, width / total
    top, rows = image * tall, np.arange(total)
    places = {  # upper edge, height, left edge, width of every tile
        "input": (top, tall, grid_x, grid_side),
        "folded": (rows * 0 + GAP + 1.0, 0.7, row_x, row_side),
        "after one call": (rows * 0 + GAP + 3.0, 0.7, row_x, row_side),
        "unfolded": (top + GAP + 5.0, tall, grid_x, grid_side),
    }
    shapes = {
        "input": [images, count, channels],
        "folded": [total, channels],
        "after one call": [total, units],
        "unfolded": [images, count, units],
    }
    tiles, middles, labels = [], [], []
    for step, (y, height, x, side) in places.items():
        inset = 0.06 * side
        tiles.append(np.stack([y + 0.05, x + inset, y + height - 0.05, x + side - inset], 1))
        # Lines begin and end at the edge of a grid, side by side for the tiles of one column.
        in_column = (image + 1) / (images + 1) if height == tall else 0.5
        ends = [x + side * in_column, y * 0 + y.min(), y * 0 + y.max() + height]
        middles.append(np.stack(ends, 1))
        name = f"{step}: {shapes[step]}"
        labels.append(label(name, 0, float(y.min()) - 0.25, size=12, bold=True, background=WHITE))
        if total <= NUMBERED:
            numbers = [f"{i}, {r}" for i, r in zip(image, roi, strict=True)]
            if height == 0.7:
                numbers = [str(row) for row in rows]
            labels += [
                label(number, left + side / 2, upper + height / 2, size=11, align="center")
                for number, left, upper in zip(numbers, x, y, strict=True)
            ]
    labels.append(
        label(
            "one call of the layer", width / 2, GAP + 2.2, align="center", size=12, background=WHITE
        )
    )
    return panel(
        f"Fold [{images}, {count}] to [{total}], call once, unfold",
        (-0.02 * width, -0.6, 1.02 * width, 2 * GAP + 5.1),
        width=640,
        height=380,
        lines=_ways_of(middles),
        boxes=[boxes(np.concatenate(tiles), INK, np.tile(rows, len(places)), width=1.2)],
        labels=labels,
    )


def _ways_of(middles: list[np.ndarray]) -> list[LineLayer]:
    """Return a line from each tile to the same tile at the next step."""
    ends = [
        np.stack([before[:, 0], before[:, 2], after[:, 0], after[:, 1]], 1)
        for before, after in pairwise(middles)
    ]
    return [lines(np.concatenate(ends), QUIET, alpha=0.6)]


def _bars(title: str, values: Mapping[str, float], full: float) -> Panel:
    """Return one bar for each way, as long as its value; `full` is that of a bar of full length."""
    most = max(full, *values.values())
    bars, labels = [], []
    for row, (name, value) in enumerate(values.items()):
        bars.append(lines([[0, row, 1, row]], QUIET, width=12, alpha=0.25))
        bars.append(lines([[0, row, max(value / most, 0.003), row]], INK, width=12))
        number = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
        labels.append(label(f"{name}: {number}", 0, row - 0.42, size=12))
    return panel(
        f"{title}; full length {most:,.0f}",
        (-0.02, -0.8, 1.02, len(values) - 0.6),
        width=320,
        height=170,
        lines=bars,
        labels=labels,
    )


def milliseconds(run: Callable[[], Any], times: int = 3) -> float:
    """Return the median time of some calls."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - start))
    return float(np.median(spent))
