"""Explore a training step: anchors and ROIs with their targets, and what each of them cost."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.detector.training_step import TrainingTrace
from mrcnn_explained.explorers.explorer import BEST, Explorer, choice, level_choice, slider
from mrcnn_explained.plots.palette import (
    GOOD,
    INK,
    LEVEL_COLORS,
    LOST,
    LOST_DASH,
    QUIET,
    TRUTH_DASH,
    WHITE,
)
from mrcnn_explained.scenes.format import BoxLayer, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, label, line, panel
from mrcnn_explained.stages.image import unmold_image

ROIS_PER_LINE = 20
DECADES = 4  # powers of ten from the largest term of a map down to its darkest cells
#: Widths of frames in CSS pixels, by the lowest share of the largest term drawn with each.
WIDTHS = {0.0: 0.6, 0.1: 1.6, 0.5: 3.2}


class _Samples(NamedTuple):
    """Anchors or ROIs of one image with their part in a loss; rows are anchors or ROIs."""

    boxes: np.ndarray  # [n, 4], pixels of the molded image
    level: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    target: np.ndarray  # the object of each positive row; -1 for the others
    terms: np.ndarray  # of the loss that is shown
    counted: np.ndarray  # whether the row enters the loss
    padded: int  # number of zero-padded rows

    def share(self, rows: np.ndarray) -> float:
        """Return the share that some rows have of this image's loss; `rows` is a mask."""
        total = self.terms[self.counted].sum()
        return float(self.terms[self.counted & rows].sum() / max(total, 1e-9))


class TrainingExplorer(Explorer):
    """The targets of one step for anchors or ROIs, and the term of each in its loss.

    trace     of `model.training_trace`
    config    the model's

    Click a box, a cell of the map or an ROI of the map to read its target and its term. Rows are
    anchors, or rows of detection_targets; positive ones are solid, negative ones dashed. The
    larger the term of a box, the thicker its frame. The maps show the terms on a logarithmic
    scale: anchors cell by cell of one level, ROIs twenty per line. `result` maps each row that
    takes part to its term of the loss that is shown, hardest first.
    """

    result: dict[int, float]

    def __init__(self, trace: TrainingTrace, config: Config, *, image: int = 0):
        self.trace, self.config, self.image = trace, config, image
        controls = {
            "what": choice("show", ["anchors", "ROIs"], "anchors"),
            "loss": choice("loss", ["class", "box"], "class"),
            "level": level_choice("map of the anchors on", 3),
            "most": slider("boxes shown, hardest first", BEST, 1, BEST, 1),
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
        self._fit_controls(what, len(rows))
        selected = self.view.selected if self.view.selected in self.result else -1
        shown = rows[:most]
        on_image = self._on_image(what, samples, shown, selected)
        tips = {int(row): self._name(what, samples, int(row)) for row in rows}
        text = list(self._text(what, loss_name, samples, selected))
        words = f"The hardest {len(shown)} of the {len(rows)} {what} in this loss are drawn."
        text.append(line(words))
        if what == "anchors":
            term_map = self._anchor_map(level, terms, selected)
            a = self.trace.anchors
            here = rows[a.level.numpy()[rows] == level]
            cells = set(zip(a.row.numpy()[here], a.column.numpy()[here], strict=True))
            number = int(np.prod(self._map_shape(level)))
            text.append(
                line(
                    f"Map: {len(cells)} of the {number:,} cells of P{level} have an anchor in this "
                    "loss; the others are dark."
                )
            )
        else:
            term_map = _roi_map(terms, selected)
        return {"panels": [on_image, term_map], "text": text, "tips": tips}

    def _fit_controls(self, what: str, number: int) -> None:
        """Offer as many boxes as take part, and a level only where it has an effect."""
        with self.not_drawn():
            self.settings["most"].max = max(number, 1)
            self.settings["level"].disabled = what != "anchors"

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Select the hardest anchor of a cell of the map, or the ROI of a cell."""
        what, level = self.settings["what"].value, self.settings["level"].value
        if what == "ROIs":
            self.view.selected = int(y) * ROIS_PER_LINE + min(int(x), ROIS_PER_LINE - 1)
            return
        a = self.trace.anchors
        rows, columns = self._map_shape(level)
        height, width = self.pixels.shape[:2]
        row = min(int(y / height * rows), rows - 1)
        column = min(int(x / width * columns), columns - 1)
        here = (a.level.numpy() == level) & (a.row.numpy() == row) & (a.column.numpy() == column)
        terms = {int(anchor): self.result.get(int(anchor), -1) for anchor in np.flatnonzero(here)}
        found = max(terms, key=lambda anchor: terms[anchor], default=-1)
        if found == self.view.selected:
            self.refresh()
        self.view.selected = found

    def _map_shape(self, level: int) -> np.ndarray:
        """Return the number of rows and columns of cells on a level."""
        a = self.trace.anchors
        here = a.level.numpy() == level
        return np.array([a.row.numpy()[here].max() + 1, a.column.numpy()[here].max() + 1])

    def _class_of(self, gt: int) -> str:
        """Return the name of an object's class; crowds have negative ids."""
        return self.config.class_name(abs(int(self.trace.batch.gt_class_ids[self.image][gt])))

    def _name(self, what: str, samples: _Samples, row: int) -> str:
        """Return what hovering over a row shows."""
        kind = "anchor" if what == "anchors" else "ROI"
        gt = int(samples.target[row])
        target = self._class_of(gt) if gt >= 0 else "background"
        words = f"{kind} {row}, P{samples.level[row]}, target: {target}"
        return f"{words}, term {samples.terms[row]:.4f}"

    def _on_image(self, what: str, samples: _Samples, shown: np.ndarray, selected: int) -> Panel:
        """Return the hardest rows and the objects, with the selected row and its object on top."""
        truth = self.trace.batch.gt_boxes[self.image].numpy()
        real = truth.any(axis=1)
        layers = [boxes(truth[real], INK, dash=TRUTH_DASH, width=1.5), *_framed(samples, shown)]
        labels = []
        if selected >= 0:
            dash = [] if samples.positive[selected] else LOST_DASH
            layers.append(boxes(samples.boxes[[selected]], INK, [selected], width=3, dash=dash))
            gt = int(samples.target[selected])
            if gt >= 0:
                y1, x1, y2, _ = truth[gt]
                layers.append(boxes(truth[[gt]], INK, width=3, dash=TRUTH_DASH))
                words = f"its object: {self._class_of(gt)}"
                name = label(words, x1, y1, box_bottom=float(y2), background=WHITE)
                labels.append(name)
        return image_panel(
            f"The {len(shown)} hardest {what}; objects dashed",
            self.pixels,
            width=520,
            boxes=layers,
            labels=labels,
        )

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
                target=self.trace.rpn_targets.matched_gt[self.image].numpy(),
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
            target=targets.roi_gt_box_assignment[self.image].numpy(),
            terms=terms,
            counted=counted,
            padded=int((~positive & ~negative).sum()),
        )

    def _text(
        self, what: str, loss_name: str, samples: _Samples, selected: int
    ) -> Iterator[TextLine]:
        """Yield the selected row, the loss, who takes part, and the levels' shares."""
        s, loss = samples, float(getattr(self.trace.losses, loss_name).loss)
        yield line(f"{loss_name}: {loss:.4f}", INK)
        yield from self._of_selected(what, loss_name, samples, selected)
        yield line(f"{s.positive.sum()} positive {what}", GOOD)
        yield line(f"{s.negative.sum()} negative {what}", LOST)
        if s.padded:
            padding = ~s.positive & ~s.negative
            entered = int((s.counted & padding).sum())
            share = f", with {s.share(padding):.0%} of it" if entered else ""
            yield line(f"{s.padded} padded rows; {entered} of them enter this loss{share}", QUIET)
        for k, color in LEVEL_COLORS.items():
            of_level = s.level == k
            if of_level.any():
                positive = int((s.positive & of_level).sum())
                share = f"P{k}: {s.share(of_level):.0%} of this image's loss"
                yield line(f"{share}, {positive} positive", color)

    def _of_selected(
        self, what: str, loss_name: str, samples: _Samples, selected: int
    ) -> Iterator[TextLine]:
        """Yield the target and the term of the selected row."""
        if self.view.selected < 0:
            yield line("Click a box, or a cell of the map, to read its target and its term.")
            return
        if selected < 0:
            kind = "anchor" if what == "anchors" else "row"
            yield line(f"This {kind}, {self.view.selected}, takes no part in {loss_name}.", QUIET)
            return
        term, gt = float(samples.terms[selected]), int(samples.target[selected])
        words = self._name(what, samples, selected).rsplit(", term", 1)[0]
        role = "positive" if samples.positive[selected] else "negative"
        color = LEVEL_COLORS[int(samples.level[selected])]
        yield line(f"{words} ({role})", color)
        if loss_name.endswith("class_loss"):
            yield line(
                f"Its term is {term:.4f}: minus the logarithm of {np.exp(-term):.4f}, the "
                "probability that the network gives to the target",
                color,
            )
        elif gt >= 0:
            four = getattr(self.trace.losses, loss_name).terms[self.image].numpy()[selected]
            parts = ", ".join(
                f"{name} {value:.4f}"
                for name, value in zip(("dy", "dx", "dh", "dw"), four, strict=True)
            )
            yield line(f"Its term is {term:.4f}, the sum of smooth L1 of {parts}", color)

    def _anchor_map(self, level: int, terms: np.ndarray, selected: int) -> Panel:
        """Return the image under a map of the largest term among each cell's anchors."""
        anchors, largest = self.trace.anchors, _largest(terms)
        here = anchors.level.numpy() == level
        cells = np.zeros(self._map_shape(level))
        np.maximum.at(cells, (anchors.row.numpy()[here], anchors.column.numpy()[here]), terms[here])
        height, width = self.pixels.shape[:2]
        size = np.divide([height, width], cells.shape)
        frames, cursor = [], [width / 2, height / 2]
        if selected >= 0 and here[selected]:
            cell = np.array([int(anchors.row[selected]), int(anchors.column[selected])])
            frames = _framed_cell(np.concatenate([cell * size, (cell + 1) * size]))
            cursor = ((cell + 0.5) * size)[::-1].tolist()
        return image_panel(
            f"P{level}: hardest anchor of each cell; {_scale(largest)}",
            self.pixels,
            width=360,
            key="map",
            clickable=True,
            cursor=cursor,
            step=size[::-1].tolist(),
            images=[heat(_logarithmic(cells, largest), [0, 0, width, height], alpha=0.85)],
            boxes=frames,
        )


def _framed(samples: _Samples, shown: np.ndarray) -> list[BoxLayer]:
    """Return some rows as boxes of a few widths, the hardest last and so on top."""
    terms = samples.terms[shown]
    share = terms / max(terms.max(initial=0), 1e-9)
    limits = [*WIDTHS, np.inf]
    layers = []
    for (low, width), high in zip(WIDTHS.items(), limits[1:], strict=True):
        of_width = ((share > low) | (low == 0)) & (share <= high)
        for is_positive, color, dash in ((False, LOST, LOST_DASH), (True, GOOD, [])):
            rows = shown[of_width & (samples.positive[shown] == is_positive)]
            layers.append(boxes(samples.boxes[rows], color, rows, width=width, dash=dash))
    return layers


def _framed_cell(box: np.ndarray) -> list[BoxLayer]:
    """Return the frame of a chosen cell: the viewer draws ink on white."""
    return [boxes([box], INK, width=2)]


def _roi_map(terms: np.ndarray, selected: int) -> Panel:
    """Return the terms of all ROIs, row by row."""
    largest = _largest(terms)
    grid = np.pad(terms, [0, -len(terms) % ROIS_PER_LINE]).reshape(-1, ROIS_PER_LINE)
    extent = (0.0, 0.0, float(grid.shape[1]), float(grid.shape[0]))
    y, x = divmod(max(selected, 0), ROIS_PER_LINE)
    return panel(
        f"All {len(terms)} ROIs, {ROIS_PER_LINE} per line; {_scale(largest)}",
        extent,
        width=360,
        key="map",
        clickable=True,
        cursor=[x + 0.5, y + 0.5],
        images=[heat(_logarithmic(grid, largest), extent)],
        boxes=_framed_cell(np.array([y, x, y + 1, x + 1])) if selected >= 0 else [],
    )


def _largest(terms: np.ndarray) -> float:
    return max(float(terms.max(initial=0)), 1e-9)


def _logarithmic(terms: np.ndarray, largest: float) -> np.ndarray:
    """Return terms as brightness 0…1: half of it is a hundredth of the largest term."""
    with np.errstate(divide="ignore"):  # the logarithm of 0 is drawn dark
        return np.clip(1 + np.log10(terms / largest) / DECADES, 0, 1)


def _scale(largest: float) -> str:
    """Return what the brightness of a map means."""
    return f"logarithmic, dark {largest / 10**DECADES:.1g} or less, bright {largest:.3f}"
