"""Explore the reorder: how each crop moves from the stack of levels back to its ROI."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.plots.reorder import HOME, LEAVE
from mrcnn_explained.scenes.format import Label, LineLayer, Panel, PointLayer, Scene, TextLine
from mrcnn_explained.scenes.scene import label, line, lines, panel, points
from mrcnn_explained.stages.levels import ROI_LEVELS
from mrcnn_explained.stages.reorder import IMAGE_STEP, Reordered, reorder

GAPS = [(f"{n:,}", n) for n in (IMAGE_STEP // 2, IMAGE_STEP)]
ROI, STACK = 0, 1  # abscissas; LEAVE and HOME are those of the plot
MOST_LABELS = 60  # rows of the stack, of which more cannot be read

#: As a graph, for any number of rows: it is three times faster, and a slider needs that.
reorder_again = tf.function(
    reorder,
    input_signature=(
        (tf.TensorSpec([None, 2], tf.int64),) * 4,
        (tf.TensorSpec([None, None, None, None], tf.float32),) * 4,
        tf.TensorSpec([2], tf.int32),
    ),
)


class _Paths(NamedTuple):
    """How the crops of all images in the batch move; ROIs are counted through all images."""

    shown: int  # ROIs of one image
    level: np.ndarray  # of every ROI
    stacked: np.ndarray  # the ROI of every row of the stack
    order: np.ndarray  # the row of the stack that goes to each place, after sorting
    keys: np.ndarray  # of every row of the stack
    arrived: np.ndarray  # the ROI whose crop arrives at each place

    @property
    def wrong(self) -> np.ndarray:
        """The places at which another ROI's crop arrives."""
        return np.flatnonzero(self.arrived != np.arange(len(self.arrived)))


class ReorderExplorer(TraceExplorer):
    """ROIs on the left, the stack of all levels in the middle, reordered crops on the right.

    Rows are ROIs. Number the second half of the ROIs as if 100,000 others came before them, with
    two images in the batch: keys of the first image then overlap with those of the second.
    `result` is a Reordered.
    """

    result: Reordered

    def controls(self) -> Controls:
        most = len(self.trace.levels.roi_level[self.image])
        return {
            "shown": slider("ROIs", min(24, most), 1, min(most, 60), 1),
            "images": slider("images in the batch", 1, 1, 3, 1),
            "gap": choice("ROIs left out before the second half", [("none", 0), *GAPS], 0),
        }

    def draw(self, shown: int, images: int, gap: int) -> Scene:
        level = np.asarray(self.trace.levels.roi_level[self.image])[:shown]
        paths = self._paths(np.tile(level, [images, 1]), gap)
        tips = {roi: f"ROI {roi}, P{level[roi]}" for roi in range(shown)}
        return {"panels": [_paths_panel(paths)], "text": _text(paths), "tips": tips}

    def _paths(self, level: np.ndarray, gap: int) -> _Paths:
        """Reorder ROIs of these levels [images, ROIs], the second half numbered `gap` higher."""
        images, shown = level.shape
        # (image, ROI) of each level's rows, as crop_levels returns them. A number takes the
        # place of each crop, so that it can be followed.
        ix = [np.argwhere(level == k) for k in ROI_LEVELS]
        numbers = [rows[:, 0] * shown + rows[:, 1] for rows in ix]
        crops = tuple(tf.constant(n[:, None, None, None], tf.float32) for n in numbers)
        moved = tuple(
            tf.constant(rows + np.outer(rows[:, 1] >= shown // 2, [0, gap]), tf.int64)
            for rows in ix
        )
        self.result = reorder_again(moved, crops, tf.constant([images, shown]))
        return _Paths(
            shown=shown,
            level=level.reshape(-1),
            stacked=np.concatenate(numbers),
            order=self.result.final_order.numpy(),
            keys=self.result.sorting_tensor.numpy(),
            arrived=self.result.pooled.numpy().reshape(-1).astype(int),
        )


def _paths_panel(paths: _Paths) -> Panel:
    """Return all crops on their way from ROI to stack and from the stack to their places."""
    total = len(paths.level)
    return panel(
        "ROIs in their order, the stack of all levels, crops in the order of the ROIs",
        (ROI - 0.35, -2.6, HOME + 0.35, total),
        width=640,
        height=min(max(220, 11 * total), 900),
        lines=_path_lines(paths),
        points=_path_dots(paths),
        labels=_path_labels(paths),
    )


def _path_lines(paths: _Paths) -> list[LineLayer]:
    """Return the ways into the stack and out of it, each in the colour of its ROI's level."""
    total = len(paths.level)
    place, one = np.arange(total), np.ones(total)
    into = np.stack([ROI * one, paths.stacked, STACK * one, place], 1)
    out = np.stack([LEAVE * one, paths.order, HOME * one, place], 1)
    layers = []
    for ends, rois in ((into, paths.stacked), (out, paths.arrived)):
        for k, color in LEVEL_COLORS.items():
            layers.append(lines(ends[paths.level[rois] == k], color, width=1.4, alpha=0.7))
    return layers


def _path_dots(paths: _Paths) -> list[PointLayer]:
    """Return a dot for each ROI, row of the stack and place, in the colour of its level."""
    place = np.arange(len(paths.level))
    layers = []
    for x, rois in ((ROI, place), (STACK, paths.stacked), (HOME, paths.arrived)):
        colors = [LEVEL_COLORS[k] for k in paths.level[rois]]
        dots = np.stack([np.full(len(place), x), place], 1)
        layers.append(points(dots, colors, rois % paths.shown, radius=4))
    return layers


def _path_labels(paths: _Paths) -> list[Label]:
    """Return the titles of the columns, and row and key at each row of the stack."""
    columns = {ROI: "ROI", STACK: "stack: row, key", HOME: "crop"}
    titles = [label(text, x, -1.9, align="center", bold=True) for x, text in columns.items()]
    if len(paths.keys) > MOST_LABELS:
        return titles
    keys = enumerate(paths.keys.tolist())
    return titles + [label(f"{row}: {key}", STACK + 0.05, row, size=10) for row, key in keys]


def _text(paths: _Paths) -> list[TextLine]:
    """Return the key, what the reorder prevents, and whether every crop is at its ROI."""
    total = len(paths.level)
    unsorted = int(np.sum(paths.stacked != np.arange(total)))
    if len(paths.wrong):
        outcome = line(
            f"{len(paths.wrong)} crops came to a wrong ROI: from ROI {IMAGE_STEP:,} on, the keys "
            "of one image are those of the next.",
            BAD,
        )
    else:
        outcome = line("Every crop is at its own ROI.")
    return [
        line(f"key = image x {IMAGE_STEP:,} + ROI; the stack is sorted by it"),
        line(f"Without the reorder {unsorted} of {total} ROIs would get another ROI's crop."),
        outcome,
    ]
