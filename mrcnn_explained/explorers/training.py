"""Explore a training step: anchors and ROIs with their targets, and what each of them cost."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.detector.training_step import TrainingTrace
from mrcnn_explained.explorers.explorer import Explorer, choice, level_choice, slider
from mrcnn_explained.plots.palette import BAD, GOOD, INK, LEVEL_COLORS, QUIET, TRUTH_DASH
from mrcnn_explained.scenes.format import BoxLayer, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, line, panel
from mrcnn_explained.stages.image import unmold_image

ROIS_PER_LINE = 20
#: Widths of frames in CSS pixels, by the lowest share of the largest term drawn with each.
WIDTHS = {0.0: 0.6, 0.1: 1.6, 0.5: 3.2}


class _Samples(NamedTuple):
    """Anchors or ROIs of one image with their part in a loss; rows are anchors or ROIs."""

    boxes: np.ndarray  # [n, 4], pixels of the molded image
    level: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    terms: np.ndarray  # of the loss that is shown
    counted: np.ndarray  # whether the row enters the loss
    padded: int  # number of zero-padded rows

    def share(self, rows: np.ndarray) -> float:
        """Return the share that some rows have of this image's loss; `rows` is a mask."""
        total = self.terms[self.counted].sum()
        return float(self.terms[self.counted & rows].sum() / max(total, 1e-9))

    def color(self, row: int) -> str:
        return GOOD if self.positive[row] else BAD


class TrainingExplorer(Explorer):
    """The targets of one step for anchors or ROIs, and the term of each in its loss.

    trace     of `model.training_trace`
    config    the model's

    Rows are anchors, or rows of detection_targets. The larger the term of a box, the thicker
    its frame. The maps show the terms in the order of the rows, brightest the largest: anchors
    cell by cell of one level, ROIs twenty per line. `result` maps each row that takes part to
    its term of the loss that is shown.
    """

    result: dict[int, float]

    def __init__(self, trace: TrainingTrace, config: Config, *, image: int = 0):
        self.trace, self.config, self.image = trace, config, image
        controls = {
            "what": choice("show", ["anchors", "ROIs"], "anchors"),
            "loss": choice("loss", ["class", "box"], "class"),
            "level": level_choice("map of the anchors on", 3),
            "most": slider("boxes at most, hardest first", 60, 1, 300, 1),
        }
        super().__init__(unmold_image(trace.batch.molded[image], config.mean_pixel), controls)

    def draw(self, what: str, loss: str, level: int, most: int) -> Scene:
        prefix = "rpn" if what == "anchors" else "mrcnn"
        loss_name = f"{prefix}_{'class' if loss == 'class' else 'bbox'}_loss"
        samples = self._samples(what, loss_name)
        terms = samples.terms
        rows = np.flatnonzero(samples.counted & (samples.positive | samples.negative))
        rows = rows[np.argsort(-terms[rows], kind="stable")]
        self.result = {int(row): float(terms[row]) for row in rows}
        shown = rows[:most]
        truth = self.trace.batch.gt_boxes[self.image].numpy()
        on_image = image_panel(
            f"The {len(shown)} hardest {what}; objects dashed",
            self.pixels,
            width=520,
            boxes=[boxes(truth, INK, dash=TRUTH_DASH, width=1.5), *_framed(samples, shown)],
        )
        tips = {
            int(row): f"row {row}, P{samples.level[row]}, term {terms[row]:.4f}" for row in shown
        }
        term_map = self._anchor_map(level, terms) if what == "anchors" else _roi_map(terms)
        text = list(self._text(what, loss_name, samples))
        return {"panels": [on_image, term_map], "text": text, "tips": tips}

    def _samples(self, what: str, loss_name: str) -> _Samples:
        """Read the anchors or ROIs of this image and their terms of a loss."""
        found = getattr(self.trace.losses, loss_name)
        terms = found.terms[self.image].numpy()
        terms = terms if terms.ndim == 1 else terms.sum(axis=1)
        counted = found.counted[self.image].numpy()
        if what == "anchors":
            anchors = self.trace.anchors
            match = self.trace.rpn_targets.rpn_match[self.image].numpy()
            return _Samples(
                boxes=anchors.boxes_px.numpy(),
                level=anchors.level.numpy(),
                positive=match == 1,
                negative=match == -1,
                terms=terms,
                counted=counted,
                padded=0,
            )
        targets = self.trace.detection_targets
        positive = targets.positive[self.image].numpy()
        negative = targets.negative[self.image].numpy()
        return _Samples(
            boxes=denorm_boxes(targets.rois[self.image], self.pixels.shape[:2]).numpy(),
            level=self.trace.levels.roi_level[self.image].numpy(),
            positive=positive,
            negative=negative,
            terms=terms,
            counted=counted,
            padded=int((~positive & ~negative).sum()),
        )

    def _text(self, what: str, loss_name: str, samples: _Samples) -> Iterator[TextLine]:
        """Yield the loss, who takes part, the levels' shares, and the selected row."""
        s, loss = samples, float(getattr(self.trace.losses, loss_name).loss)
        padding = ~s.positive & ~s.negative
        yield line(f"{loss_name}: {loss:.4f}", INK)
        yield line(f"{s.positive.sum()} positive {what}", GOOD)
        yield line(f"{s.negative.sum()} negative {what}", BAD)
        yield line(
            f"{s.padded} padded rows; {int((s.counted & padding).sum())} of them enter this loss, "
            f"with {s.share(padding):.0%} of it",
            QUIET,
        )
        for k, color in LEVEL_COLORS.items():
            of_level = s.level == k
            if of_level.any():
                positive = int((s.positive & of_level).sum())
                share = f"P{k}: {s.share(of_level):.0%} of this image's loss"
                yield line(f"{share}, {positive} positive", color)
        row = self.view.selected
        if row in self.result:
            role = "positive" if s.positive[row] else "negative"
            words = f"Row {row}: {role}, P{s.level[row]}, term {s.terms[row]:.4f}"
            yield line(words, s.color(row))

    def _anchor_map(self, level: int, terms: np.ndarray) -> Panel:
        """Return the image under a map of the largest term among each cell's anchors."""
        anchors, largest = self.trace.anchors, _largest(terms)
        here = anchors.level.numpy() == level
        rows, columns = anchors.row.numpy()[here], anchors.column.numpy()[here]
        cells = np.zeros([rows.max() + 1, columns.max() + 1])
        np.maximum.at(cells, (rows, columns), terms[here])
        height, width = self.pixels.shape[:2]
        over = heat(cells / largest, [0, 0, width, height], alpha=0.7)
        title = f"P{level}: the hardest anchor of each cell; brightest {largest:.3f}"
        return image_panel(title, self.pixels, width=360, images=[over])


def _framed(samples: _Samples, shown: np.ndarray) -> list[BoxLayer]:
    """Return some rows as boxes of a few widths, the hardest last and so on top."""
    terms = samples.terms[shown]
    share = terms / max(terms.max(initial=0), 1e-9)
    limits = [*WIDTHS, np.inf]
    layers = []
    for (low, width), high in zip(WIDTHS.items(), limits[1:], strict=True):
        rows = shown[((share > low) | (low == 0)) & (share <= high)]
        colors = [samples.color(row) for row in rows]
        layers.append(boxes(samples.boxes[rows], colors, rows, width=width))
    return layers


def _roi_map(terms: np.ndarray) -> Panel:
    """Return the terms of all ROIs, row by row."""
    grid = np.pad(terms, [0, -len(terms) % ROIS_PER_LINE]).reshape(-1, ROIS_PER_LINE)
    extent, largest = (0, 0, grid.shape[1], grid.shape[0]), _largest(terms)
    title = f"Terms of all {len(terms)} rows, {ROIS_PER_LINE} per line; brightest {largest:.3f}"
    return panel(title, extent, width=360, images=[heat(grid / largest, extent)])


def _largest(terms: np.ndarray) -> float:
    return max(float(terms.max(initial=0)), 1e-9)
