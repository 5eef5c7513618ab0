"""Explore the reorder: how each crop moves from the stack of levels back to its ROI."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import LEVEL_COLORS, WRONG
from mrcnn_explained.scenes.format import (
    Label,
    LabelStyle,
    LineLayer,
    Panel,
    PointLayer,
    Scene,
    TextLine,
)
from mrcnn_explained.scenes.scene import label, line, lines, panel, points
from mrcnn_explained.stages.levels import ROI_LEVELS
from mrcnn_explained.stages.reorder import IMAGE_STEP, Reordered, reorder

GAPS = [(f"{n:,}", n) for n in (IMAGE_STEP // 2, IMAGE_STEP)]
#: Abscissas: the ROIs, the rows of the stack, where lines leave it beside the keys, the crops.
ROI, STACK, LEAVE, HOME = 0.0, 1.0, 1.42, 2.3
MOST_NUMBERS = 60  # rows, of which more cannot be read
ROW = 15  # CSS pixels of a row whose number is written

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
    def ways(self) -> tuple[np.ndarray, np.ndarray]:
        """The lines into the stack, by its rows, and out of it, by places: [n, 4] each."""
        place, one = np.arange(len(self.level)), np.ones(len(self.level))
        into = np.stack([ROI * one, self.stacked, STACK * one, place], 1)
        return into, np.stack([LEAVE * one, self.order, HOME * one, place], 1)

    def row_in_stack(self, roi: int) -> int:
        """The row of the stack that holds an ROI's crop."""
        return int(np.flatnonzero(self.stacked == roi)[0])

    def place_of(self, roi: int) -> int:
        """The place at which an ROI's crop arrives."""
        return int(np.flatnonzero(self.arrived == roi)[0])

    def name(self, roi: int) -> str:
        """What an ROI is called in the text."""
        number = f"ROI {roi % self.shown}"
        several = len(self.level) > self.shown
        return f"{number} of image {roi // self.shown}" if several else number

    def short_name(self, roi: int) -> str:
        """What an ROI is called beside its dot: with several images, image and ROI."""
        several = len(self.level) > self.shown
        number = str(roi % self.shown)
        return f"{roi // self.shown}: {number}" if several else number

    @property
    def wrong(self) -> np.ndarray:
        """The places at which another ROI's crop arrives."""
        return np.flatnonzero(self.arrived != np.arange(len(self.arrived)))


class ReorderExplorer(TraceExplorer):
    """ROIs on the left, the stack of all levels in the middle, reordered crops on the right.

    Click a row to follow one crop through all columns. A batch of several images repeats the ROIs
    of this one. A gap numbers the second half of them as if so many others came before; with two
    images and a gap of 100,000, keys of the first image are also keys of the second, and crops
    come to wrong ROIs. Rows are ROIs, counted through all images of the batch. `result` is a
    Reordered.
    """

    result: Reordered

    def row_of(self, roi: int) -> int:
        """Return the ROI's row in the first image of the batch; -1 for one that is not shown."""
        return roi if roi < self.settings["shown"].value else -1

    def roi_of(self, row: int) -> int:
        """Return the ROI of the run; -1 for those of the repeated images."""
        return row if row < self.settings["shown"].value else -1

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
        total = len(paths.level)
        selected = self.view.selected if self.view.selected < total else -1
        tips = {row: f"{paths.name(row)}, P{paths.level[row]}" for row in range(total)}
        text = [*_text(paths), *_of_selected(paths, selected)]
        return {"panels": [_paths_panel(paths, selected)], "text": text, "tips": tips}

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


def _paths_panel(paths: _Paths, selected: int) -> Panel:
    """Return all crops on their way from ROI to stack and from the stack to their places."""
    total = len(paths.level)
    return panel(
        "ROIs in their order, the stack of all levels, crops in the order of the ROIs",
        (ROI - 0.55, -2.6, HOME + 0.55, total),
        width=640,
        height=min(max(220, ROW * (total + 3)), 960),
        lines=[*_dividers(paths), *_path_lines(paths), *_selected_lines(paths, selected)],
        points=_path_dots(paths),
        labels=_path_labels(paths, selected),
    )


def _dividers(paths: _Paths) -> list[LineLayer]:
    """Return a line between the images of the batch, left of the stack and right of it."""
    starts = np.arange(paths.shown, len(paths.level), paths.shown) - 0.5
    ends = [
        [left, y, right, y]
        for y in starts
        for left, right in ((ROI - 0.5, ROI + 0.12), (HOME - 0.12, HOME + 0.5))
    ]
    return [lines(np.reshape(ends, [-1, 4]), "ink", width=2)]


def _path_lines(paths: _Paths) -> list[LineLayer]:
    """Return the ways into the stack and out of it in the colours of levels, wrong ways in red."""
    into, out = paths.ways
    wrong = np.isin(np.arange(len(paths.level)), paths.wrong)
    layers = []
    for k, color in LEVEL_COLORS.items():
        layers.append(lines(into[paths.level[paths.stacked] == k], color, width=1.4, alpha=0.7))
        right = (paths.level[paths.arrived] == k) & ~wrong
        layers.append(lines(out[right], color, width=1.4, alpha=0.7))
    return [*layers, lines(out[wrong], WRONG, width=1.6)]


def _selected_lines(paths: _Paths, selected: int) -> list[LineLayer]:
    """Return the way of the selected ROI's crop through all columns, thick."""
    if selected < 0:
        return []
    row, place = paths.row_in_stack(selected), paths.place_of(selected)
    into, out = paths.ways
    return [
        lines([into[row], out[place]], "ink", width=4),
        lines([into[row], out[place]], LEVEL_COLORS[int(paths.level[selected])], width=2),
    ]


def _path_dots(paths: _Paths) -> list[PointLayer]:
    """Return a dot for each ROI, row of the stack and place; wrong places are red."""
    place = np.arange(len(paths.level))
    layers = []
    for x, rois in ((ROI, place), (STACK, paths.stacked), (HOME, paths.arrived)):
        colors = np.array([LEVEL_COLORS[k] for k in paths.level[rois]])
        if x == HOME:
            colors[paths.wrong] = WRONG
        dots = np.stack([np.full(len(place), x), place], 1)
        layers.append(points(dots, colors.tolist(), rois, radius=4))
    return layers


def _path_labels(paths: _Paths, selected: int) -> list[Label]:
    """Return the titles of the columns, the numbers of ROIs, and row and key in the stack."""
    name = "image: ROI" if len(paths.level) > paths.shown else "ROI"
    columns = {ROI: name, STACK: "stack, row: key", HOME: f"crop of {name}"}
    titles = [label(text, x, -1.9, align="center", bold=True) for x, text in columns.items()]
    total = len(paths.level)
    if total > MOST_NUMBERS:
        return titles
    keys = []
    for row, key in enumerate(paths.keys.tolist()):
        here = int(paths.stacked[row]) == selected
        style: LabelStyle = {"size": 11}
        if here:
            style["background"] = LEVEL_COLORS[int(paths.level[selected])]
        keys.append(label(f"{row}: {key:,}", STACK + 0.04, row, **style))
    numbers = [
        label(paths.short_name(row), ROI - 0.05, row, size=11, align="right")
        for row in range(total)
    ]
    wrong = set(paths.wrong.tolist())
    crops = [
        label(
            paths.short_name(int(roi)),
            HOME + 0.05,
            place,
            size=11,
            color=WRONG if place in wrong else "ink",
        )
        for place, roi in enumerate(paths.arrived)
    ]
    return [*titles, *keys, *numbers, *crops]


def _text(paths: _Paths) -> list[TextLine]:
    """Return the key, what the reorder prevents, and whether every crop is at its ROI."""
    total = len(paths.level)
    unsorted = int(np.sum(paths.stacked != np.arange(total)))
    if len(paths.wrong):
        outcome = line(
            f"{len(paths.wrong)} of {total} crops came to a wrong ROI (red): from ROI "
            f"{IMAGE_STEP:,} on, the keys of one image are those of the next.",
            WRONG,
        )
    else:
        outcome = line("Every crop is at its own ROI.")
    text = [
        line(f"key = image x {IMAGE_STEP:,} + ROI; the stack is sorted by it"),
        line(f"Without the reorder {unsorted} of {total} ROIs would get another ROI's crop."),
        outcome,
    ]
    if total > MOST_NUMBERS:
        text.append(line(f"Numbers are written for up to {MOST_NUMBERS} rows; hover to read them."))
    return text


def _of_selected(paths: _Paths, selected: int) -> list[TextLine]:
    """Return sentences about the path of the selected ROI's crop."""
    if selected < 0:
        return [line("Click a dot to follow one crop through all columns.")]
    row, place = paths.row_in_stack(selected), paths.place_of(selected)
    words = (
        f"{paths.name(selected)}: its crop is row {row} of the stack, with key "
        f"{paths.keys[row]:,}, and arrives at {paths.name(place)}"
    )
    if place == selected:
        return [line(f"{words}, its own place.", LEVEL_COLORS[int(paths.level[selected])])]
    other = paths.name(int(paths.arrived[selected]))
    return [line(f"{words}: a wrong place. It gets the crop of {other} instead.", WRONG)]
