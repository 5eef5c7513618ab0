"""Explore the box head: one ROI, its probabilities, and its box as each class would have it."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explorers.class_bars import best_classes, class_bars
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    boxes_shown,
    hidden_line,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import BEFORE_DASH, INK, class_color
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, lines
from mrcnn_explained.stages.detections import Detections, select_detections

select_again = in_graph_mode(select_detections)


class BoxHeadExplorer(TraceExplorer):
    """Choose an ROI and move the slider of classes: each class has deltas of its own for its box.

    Click an ROI on the image to choose it, and a bar to choose its class. Rows are ROIs. `result`
    is the Detections of as many copies of the ROI as there are classes, each copy taken for
    another class.
    """

    selection_control = "roi"
    result: Detections

    def controls(self) -> Controls:
        number = int(np.sum(np.asarray(self.trace.proposals.valid[self.image])))
        classes = self.config.num_classes
        best = int(np.asarray(self.trace.box_head.mrcnn_class[self.image])[0].argmax())
        return {
            "roi": slider("ROI", 0, 0, max(number - 1, 0), 1),
            "class_id": slider("class", best, 0, classes - 1, 1),
            "number": boxes_shown(number),
        }

    @cached_property
    def names(self) -> list[str]:
        """The names of all classes."""
        return [self.config.class_name(k) for k in range(self.config.num_classes)]

    @cached_property
    def window(self) -> tf.Tensor:
        """The part of the molded image that holds the original, normalised: [1, 4]."""
        window = self.of_image(self.trace.image.window)
        return norm_boxes(tf.constant(window, tf.float32), self.pixels.shape[:2])

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Choose the class of a bar."""
        shown = self._shown(self.settings["roi"].value, self.settings["class_id"].value)
        self.settings["class_id"].value = shown[min(max(round(y), 0), len(shown) - 1)]

    def _shown(self, roi: int, class_id: int) -> list[int]:
        """Return the classes whose bars are shown, from the top."""
        return best_classes(np.asarray(self.trace.box_head.mrcnn_class[self.image])[roi], class_id)

    def draw(self, roi: int, class_id: int, number: int) -> Scene:
        valid = np.flatnonzero(np.asarray(self.trace.proposals.valid[self.image]))
        if not len(valid):
            return {"panels": [], "text": [line("This image has no ROI.")]}
        head, classes = self.trace.box_head, self.config.num_classes
        rois = np.asarray(self.trace.proposals.rpn_rois[self.image])
        probabilities = np.asarray(head.mrcnn_class[self.image])[roi]
        deltas = np.asarray(head.mrcnn_bbox[self.image])[None, [roi]]
        self.result = select_again(
            tf.constant(np.repeat(rois[None, [roi]], classes, axis=1)),
            tf.eye(classes)[None],  # each copy is sure of another class
            tf.constant(np.repeat(deltas, classes, axis=1)),
            self.window,
            min_confidence=0.0,
            max_instances=classes,
            std_dev=self.config.bbox_std_dev,
        )
        shown = self._shown(roi, class_id)
        bars = class_bars(
            f"ROI {roi}: click a class",
            probabilities,
            shown,
            class_id,
            self.names,
            key="classes",
            clickable=True,
            cursor=[0.5, float(shown.index(class_id))],
        )
        rows = list(dict.fromkeys([*valid[:number].tolist(), roi]))
        panels = [self._on_image(rois, rows, roi, class_id), bars]
        tips = {row: f"ROI {row}" for row in rows}
        *numbers, verdict = self._text(probabilities, class_id)
        hidden = hidden_line(min(number, len(valid)), len(valid), "ROIs")
        return {"panels": panels, "text": [*numbers, hidden, verdict], "tips": tips}

    def _on_image(self, rois: np.ndarray, rows: list[int], roi: int, class_id: int) -> Panel:
        """Return the ROI, dotted, and its box as the chosen class would have it."""
        place = to_pixels(rois, self.pixels)
        before = place[roi]
        after = to_pixels(self.result.refined_rois_clipped[0, class_id], self.pixels)[0]
        color = class_color(class_id) if class_id else INK
        centres = [(box[:2] + box[2:]) / 2 for box in (before, after)]
        way = [[centres[0][1], centres[0][0], centres[1][1], centres[1][0]]]
        name = label(
            self.names[class_id],
            after[1],
            after[0],
            box_bottom=float(after[2]),
            background=color,
            size=12,
            avoids_labels=True,
        )
        return image_panel(
            f"ROI {roi} (dotted), and its box if it were {self.names[class_id]}",
            self.pixels,
            width=480,
            boxes=[
                boxes(place[rows], INK, rows, width=0.8),
                boxes([before], INK, dash=BEFORE_DASH, width=2.5),
                boxes([after], color, width=3),
            ],
            lines=[lines(way, color, width=2, arrow=True)],
            labels=[name],
        )

    def _text(self, probabilities: np.ndarray, class_id: int) -> list[TextLine]:
        """Return the deltas of the chosen class, what they do, and which class is used."""
        deltas = self.result.deltas_specific[0, class_id].numpy() * self.config.bbox_std_dev
        dy, dx, dh, dw = (float(value) for value in deltas)
        best = int(probabilities.argmax())
        color = class_color(class_id) if class_id else INK
        text = [
            line(f"{self.names[class_id]}: probability {probabilities[class_id]:.4f}", color),
            line(
                f"Its deltas, times their standard deviations: dy {dy:+.3f}, dx {dx:+.3f}, "
                f"dh {dh:+.3f}, dw {dw:+.3f}",
                color,
            ),
            line(
                f"The centre moves by dy of the height and dx of the width; height x exp(dh) is "
                f"x {np.exp(dh):.2f}, width x exp(dw) is x {np.exp(dw):.2f}.",
                color,
            ),
        ]
        if class_id == 0:
            text.append(line("The deltas of the background are in no loss and in no detection."))
        words = (
            "It is the most probable class, so the detector uses these deltas."
            if class_id == best
            else f"The detector uses those of the most probable class, {self.names[best]}."
        )
        text.append(line(words))
        return text
