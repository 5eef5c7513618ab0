"""Explore a training step: anchors and ROIs with their targets, and what each of them cost."""

from typing import Any

import numpy as np

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.detector.training_step import TrainingTrace
from mrcnn_explained.explorers.explorer import Explorer, choice, slider
from mrcnn_explained.plots.palette import BAD, GOOD, INK, LEVEL_COLORS, QUIET
from mrcnn_explained.scenes.scene import boxes, heat, image_panel, line, panel
from mrcnn_explained.stages.image import unmold_image

ROIS_A_LINE = 20
ROLES = {"positive": GOOD, "negative": BAD}


class TrainingExplorer(Explorer):
    """What one step asked of anchors or ROIs, and the term of each in its loss.

    trace     of `model.training_trace`
    config    the model's

    Rows are anchors, or rows of detection_targets. The thicker a frame, the larger its share
    of the loss; the maps show the terms in the order of the rows, brightest the largest: of
    anchors cell by cell of one level, of ROIs twenty a line. `result` maps each row that takes
    part to its term of the loss that is shown.
    """

    def __init__(self, trace: TrainingTrace, config: Config, *, image: int = 0):
        self.trace, self.config, self.image = trace, config, image
        controls = {
            "what": choice("show", ["anchors", "ROIs"], "anchors"),
            "loss": choice("loss", ["class", "box"], "class"),
            "level": choice("map of the anchors on", [(f"P{k}", k) for k in LEVEL_COLORS], 3),
            "most": slider("boxes at most, hardest first", 60, 1, 300, 1),
        }
        super().__init__(unmold_image(trace.batch.molded[image], config.mean_pixel), controls)

    def draw(self, what: str, loss: str, level: int, most: int) -> dict[str, Any]:
        t, one = self.trace, self.image
        shown_level = level
        place, positive, negative, level, padded = (
            self._anchors() if what == "anchors" else self._rois()
        )
        prefix = "rpn" if what == "anchors" else "mrcnn"
        name = f"{prefix}_{'class' if loss == 'class' else 'bbox'}_loss"
        found = getattr(t.losses, name)
        terms = found.terms[one].numpy()
        terms = terms if terms.ndim == 1 else terms.sum(axis=1)
        counted = found.counted[one].numpy()
        rows = np.flatnonzero(counted & (positive | negative))
        rows = rows[np.argsort(-terms[rows], kind="stable")]
        self.result = {int(i): float(terms[i]) for i in rows}
        shown = rows[:most]
        share = terms[shown] / max(terms[shown].max(initial=0), 1e-9)
        colors = [GOOD if positive[i] else BAD for i in shown]
        thick = [  # a few widths, hardest last and so on top
            boxes(
                place[shown[here]],
                [colors[i] for i in np.flatnonzero(here)],
                shown[here],
                width=width,
            )
            for low, high, width in ((-1, 0.1, 0.6), (0.1, 0.5, 1.6), (0.5, 2, 3.2))
            for here in [(share > low) & (share <= high)]
        ]
        truth = boxes(t.batch.gt_boxes[one].numpy(), INK, dash=[6, 3], width=1.5)
        title = f"The {len(shown)} hardest {what}; objects dashed"
        text = [
            line(f"{name}: {float(found.loss):.4f}", INK),
            line(f"{positive.sum()} positive {what}", GOOD),
            line(f"{negative.sum()} negative", BAD),
            line(
                f"{padded} padded rows, {int((counted & ~positive & ~negative).sum())} of which "
                "count in this loss with "
                f"{_share(terms, counted & ~positive & ~negative, counted):.0%} of it",
                QUIET,
            ),
            *(
                line(
                    f"P{k}: {_share(terms, counted & (level == k), counted):.0%} of this image's "
                    f"loss, {int((positive & (level == k)).sum())} positive",
                    color,
                )
                for k, color in LEVEL_COLORS.items()
                if (level == k).any()
            ),
        ]
        chosen = self.view.selected
        if chosen in self.result:
            role = "positive" if positive[chosen] else "negative"
            text.append(
                line(
                    f"Row {chosen}: {role}, P{level[chosen]}, term {terms[chosen]:.4f}", ROLES[role]
                )
            )
        tips = {int(i): f"row {i}, P{level[i]}, term {terms[i]:.4f}" for i in shown}
        on_image = image_panel(title, self.pixels, width=520, boxes=[truth, *thick])
        return {
            "panels": [on_image, self._map(what, shown_level, terms)],
            "text": text,
            "tips": tips,
        }

    def _map(self, what, level, terms):
        """The term of every row: anchors where they stand on their level, ROIs row by row."""
        top = max(float(terms.max(initial=0)), 1e-9)
        if what == "ROIs":
            grid = np.pad(terms, [0, -len(terms) % ROIS_A_LINE]).reshape(-1, ROIS_A_LINE)
            extent = (0, 0, grid.shape[1], grid.shape[0])
            title = f"Terms of all {len(terms)} rows, {ROIS_A_LINE} a line; brightest {top:.3f}"
            return panel(title, extent, width=360, images=[heat(grid / top, extent)])
        a = self.trace.anchors
        here = a.level.numpy() == level
        rows, columns = a.row.numpy()[here], a.column.numpy()[here]
        cells = np.zeros([rows.max() + 1, columns.max() + 1])
        np.maximum.at(cells, (rows, columns), terms[here])
        height, width = self.pixels.shape[:2]
        over = heat(cells / top, [0, 0, width, height], alpha=0.7)
        return image_panel(
            f"P{level}: the hardest anchor of each cell; brightest {top:.3f}",
            self.pixels,
            width=360,
            images=[over],
        )

    def _anchors(self):
        match, a = self.trace.rpn_targets.rpn_match[self.image].numpy(), self.trace.anchors
        return a.boxes_px.numpy(), match == 1, match == -1, a.level.numpy(), 0

    def _rois(self):
        d, one = self.trace.detection_targets, self.image
        place = denorm_boxes(d.rois[one], self.pixels.shape[:2]).numpy()
        positive, negative = d.positive[one].numpy(), d.negative[one].numpy()
        level = self.trace.levels.roi_level[one].numpy()
        return place, positive, negative, level, int((~positive & ~negative).sum())


def _share(terms, here, counted):
    return terms[here].sum() / max(terms[counted].sum(), 1e-9)
