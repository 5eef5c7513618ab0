"""What the what-if explorer shows: an image with a divider, and the chart of changed levels."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.compare import RoiState
from mrcnn_explained.explain.objects import ObjectPair
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.plots.palette import BEFORE_DASH, LOST_DASH, class_color
from mrcnn_explained.scenes import format as scene_format
from mrcnn_explained.scenes.format import BoxLayer, ImageLayer, Label, Panel
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import boxes, image_panel, label, lines, mask_layer
from mrcnn_explained.stages.instances import full_mask
from mrcnn_explained.stages.levels import level_boundaries

Key = tuple[str, int]  # of an ROI, the same in both runs

WORDS = ["before", "after"]  # at the divider
MASK_OPACITY = 0.4


class Side(NamedTuple):
    """The detections of one of the two runs; boxes in pixels of the molded image."""

    boxes: Float32[np.ndarray, "d 4"]
    class_ids: Int32[np.ndarray, "d"]
    scores: Float32[np.ndarray, "d"]
    rois: Int32[np.ndarray, "d"]  # ROI of each detection, in its own run
    keys: list[Key]  # of these ROIs
    masks: list[np.ndarray]  # mask [M, M] of each detection
    threshold: float  # from which a pixel belongs to a mask


def image_of_change(
    pixels: np.ndarray,
    before: Side,
    after: Side,
    pairs: list[ObjectPair],
    rows: Mapping[Key, int],
    names: list[str],
) -> Panel:
    """Return the image with the first run left of the divider, the second right of it.

    rows     row of each ROI in the view
    names    of all classes

    An object of one run only is an empty frame in the other one; its label says lost or gained.
    """
    images: list[ImageLayer] = []
    frames: list[BoxLayer] = []
    labels: list[Label] = []
    for pair in _large_first(pairs, before, after):
        old = _Drawn(before, pair.before, names) if pair.before >= 0 else None
        new = _Drawn(after, pair.after, names) if pair.after >= 0 else None
        if old and new and old.is_like(new):
            images.append(old.mask(pixels))
            frames.append(old.frame(rows, 2))
            labels.append(old.label())
            continue
        if old:
            images.append(old.mask(pixels, "left"))
            frames.append(old.frame(rows, 2, side="left"))
            labels.append(old.label(side="left") if new else old.label("lost"))
        if new:
            images.append(new.mask(pixels, "right"))
            frames.append(new.frame(rows, 2 if old else 4, side="right"))
            labels.append(new.label(side="right") if old else new.label("gained"))
        if old and not new:
            frames.append(old.frame(rows, 2, dash=LOST_DASH, side="right"))
        if new and not old:
            frames.append(new.frame(rows, 2, dash=BEFORE_DASH, side="left"))
    return image_panel(
        "Drag the divider. Dashed: lost. Dotted: gained",
        pixels,
        fade=0.8,
        divider=WORDS,
        images=images,
        boxes=frames,
        labels=labels,
    )


def _large_first(pairs: list[ObjectPair], before: Side, after: Side) -> list[ObjectPair]:
    """Return the objects so that a small one is drawn on top of a large one."""

    def area(pair: ObjectPair) -> float:
        """The area of the object's box in one of the runs."""
        side, row = (before, pair.before) if pair.before >= 0 else (after, pair.after)
        y1, x1, y2, x2 = side.boxes[row]
        return float((y2 - y1) * (x2 - x1))

    return sorted(pairs, key=area, reverse=True)


class _Drawn:
    """One detection of one run, as layers."""

    def __init__(self, side: Side, row: int, names: list[str]):
        self.side, self.row = side, row
        self.box = side.boxes[row]
        self.color = class_color(int(side.class_ids[row]))
        self.text = f"{names[side.class_ids[row]]} {side.scores[row]:.2f}"

    def is_like(self, other: "_Drawn") -> bool:
        """Whether two runs found this object alike, so that it can be drawn once."""
        mask, others = self.side.masks[self.row], other.side.masks[other.row]
        return (
            self.text == other.text
            and np.allclose(self.box, other.box, atol=0.5)
            and bool(np.array_equal(mask, others))
        )

    def mask(self, pixels: np.ndarray, side: scene_format.Side | None = None) -> ImageLayer:
        """Return the mask in the colour of its class."""
        box = np.around(self.box).astype(np.int32)
        mask = self.side.masks[self.row]
        whole = full_mask(mask, box, pixels.shape[:2], self.side.threshold)
        layer = mask_layer(whole, self.color, alpha=MASK_OPACITY)
        return {**layer, "side": side} if side else layer

    def frame(
        self,
        rows: Mapping[Key, int],
        width: float,
        dash: list[int] | None = None,
        side: scene_format.Side | None = None,
    ) -> BoxLayer:
        """Return the box."""
        row = rows.get(self.side.keys[self.row], -1)
        layer = boxes(
            self.box[np.newaxis],
            self.color,
            [row] if row >= 0 else (),
            width=width,
            dash=dash or [],
        )
        return {**layer, "side": side} if side else layer

    def label(self, word: str = "", side: scene_format.Side | None = None) -> Label:
        """Return class and score, with what became of the object, at a corner of that side."""
        y1, x1, y2, x2 = self.box
        text = f"{word}: {self.text}" if word else self.text
        found = label(
            text,
            x2 if side == "right" else x1,
            y1,
            align="right" if side == "right" else "left",
            box_bottom=float(y2),
            background=self.color,
            size=11,
            avoids_labels=True,
            bold=bool(word),
        )
        return {**found, "side": side} if side else found


def chart_of_change(
    trace: Trace,
    image: int,
    before: Mapping[Key, RoiState],
    after: Mapping[Key, RoiState],
    rows: Mapping[Key, int],
) -> Panel:
    """Return the level chart of the changed run, with an arrow for each ROI that moved.

    trace            the changed run
    before, after    the ROIs of both runs
    """
    sides, exact_levels = (
        np.asarray(getattr(trace.levels, name)[image]) for name in ("side", "exact_level")
    )
    settings = level_settings(trace)
    # The chart's rows are those of the view; the stage's, those of the changed run.
    number = max(rows.values(), default=-1) + 1
    side, exact = np.zeros(number, np.float32), np.full(number, -np.inf, np.float32)
    level = np.full(number, settings["lowest"], np.int32)
    shown = np.array(sorted(rows[key] for key in after), np.int64)
    for key, state in after.items():
        row = rows[key]
        side[row], exact[row] = sides[state.row], exact_levels[state.row]
        level[row] = state.level
    chart = level_chart(
        side,
        exact,
        level,
        shown,
        level_boundaries(**settings),
        lowest=settings["lowest"],
        highest=settings["highest"],
        canonical_side=settings["canonical_side"],
        canonical_level=settings["canonical_level"],
    )
    moved = [key for key in after if key in before and before[key].level != after[key].level]
    chart["lines"] = [*chart["lines"], *_arrows(chart, moved, before, after, rows, side)]
    number_moved = f"{len(moved)} ROIs changed level: arrows" if moved else "No ROI changed level"
    chart["title"] = f"{number_moved}. {chart['title']}"
    return chart


def _arrows(
    chart: Panel,
    moved: list[Key],
    before: Mapping[Key, RoiState],
    after: Mapping[Key, RoiState],
    rows: Mapping[Key, int],
    side: np.ndarray,
) -> list[scene_format.LineLayer]:
    """Return an arrow from the level before to the level after, at the side of each ROI."""
    if not moved:
        return []
    left, _, right, _ = chart["extent"]
    x = [np.clip(np.log2(max(side[rows[key]], 1)), left, right) for key in moved]
    ends = [
        [place, -before[key].level, place, -after[key].level]
        for key, place in zip(moved, x, strict=True)
    ]
    return [lines(ends, "ink", [rows[key] for key in moved], width=1.5, arrow=True)]
