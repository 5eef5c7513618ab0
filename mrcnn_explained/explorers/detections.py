"""Explore detections: the filters of the last stage, again with other thresholds."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explain.fates import fates_of
from mrcnn_explained.explorers.class_bars import best_classes, class_bars
from mrcnn_explained.explorers.explorer import (
    Controls,
    TraceExplorer,
    boxes_shown,
    hidden_line,
    in_graph_mode,
    slider,
)
from mrcnn_explained.plots.palette import GOOD, LOST, LOST_DASH, QUIET, class_color
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line
from mrcnn_explained.stages.detections import Detections, select_detections

select_again = in_graph_mode(select_detections)


class DetectionsExplorer(TraceExplorer):
    """Move confidence and NMS; click an ROI to see its fate and its classes.

    Rows are ROIs. `result` is a Detections of this image alone.
    """

    result: Detections

    def controls(self) -> Controls:
        c = self.config
        return {
            "min_confidence": slider("confidence at least", c.detection_min_confidence, 0.0, 1.0),
            "nms_threshold": slider("NMS: IoU at most", c.detection_nms_threshold, 0.01, 0.99),
            "max_instances": slider("detections at most", c.detection_max_instances, 1, 200, 1),
            "shown": boxes_shown(len(self.trace.proposals.rpn_rois[self.image])),
        }

    @cached_property
    def names(self) -> list[str]:
        """The names of all classes."""
        return [self.config.class_name(k) for k in range(self.config.num_classes)]

    @cached_property
    def valid(self) -> np.ndarray:
        """Which ROIs are more than padding: [1, N]."""
        return self.of_image(self.trace.proposals.valid)

    @cached_property
    def inputs(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """The inputs of the stage for this image, read once for all moves of a slider."""
        head, window = self.trace.box_head, self.of_image(self.trace.image.window)
        return (
            tf.constant(self.of_image(self.trace.proposals.rpn_rois)),
            tf.constant(self.of_image(head.mrcnn_class)),
            tf.constant(self.of_image(head.mrcnn_bbox)),
            norm_boxes(tf.constant(window, tf.float32), self.pixels.shape[:2]),
        )

    def draw(
        self, min_confidence: float, nms_threshold: float, max_instances: int, shown: int
    ) -> Scene:
        d = self.result = select_again(
            *self.inputs,
            min_confidence=tf.constant(min_confidence, tf.float32),
            nms_threshold=tf.constant(nms_threshold, tf.float32),
            max_instances=max_instances,
            std_dev=self.config.bbox_std_dev,
        )
        valid = self.valid[0]
        passed = (d.is_foreground & d.is_confident)[0].numpy() & valid
        kept = np.flatnonzero(d.kept[0].numpy() & valid)
        lost = np.flatnonzero(passed & ~d.kept[0].numpy())
        fates = fates_of(d, self.valid)
        class_ids, scores = d.class_ids[0].numpy(), d.class_scores[0].numpy()
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        lost = lost[np.argsort(-scores[lost], kind="stable")]
        panels = [self._on_image(kept[:shown], lost[: max(shown - len(kept), 0)])]
        text = self._counts(min_confidence, int(passed.sum()), len(kept))
        number = len(kept) + len(lost)
        text.append(hidden_line(min(shown, number), number, "boxes, detections first,"))
        roi = self.view.selected
        if 0 <= roi < len(fates):
            text.append(line(f"ROI {roi}: {fates[roi]}"))
            panels.append(self._class_panel(roi, f"ROI {roi}"))
        else:
            text.append(line("Click a box to see the fate of its ROI and its classes."))
            if len(kept):  # so that the image keeps its size when a box is clicked
                panels.append(self._class_panel(int(kept[0]), f"The best detection, ROI {kept[0]}"))
        tips = {
            int(i): f"ROI {i}: {self.names[class_ids[i]]} {scores[i]:.3f}, {fates[i]}"
            for i in (*kept, *lost)
        }
        return {"panels": panels, "text": text, "tips": tips}

    def _on_image(self, kept: np.ndarray, lost: np.ndarray) -> Panel:
        """Return the image with detections, and with the ROIs that the last filters dropped."""
        d = self.result
        class_ids, scores = d.class_ids[0].numpy(), d.class_scores[0].numpy()
        place = to_pixels(d.refined_rois_clipped[0], self.pixels)
        colors = [class_color(k) for k in class_ids[kept]]
        labels = []
        for row, color in zip(kept, colors, strict=True):
            y1, x1, y2, _ = place[row]
            text = f"{self.names[class_ids[row]]} {scores[row]:.2f}"
            # The label of the selected row finds its place first.
            name = label(
                text,
                x1,
                y1,
                box_bottom=float(y2),
                background=color,
                size=11,
                avoids_labels=True,
                row=int(row),
            )
            labels.append(name)
        return image_panel(
            "Detections, and (dashed) the ROIs that NMS and the limit dropped",
            self.pixels,
            fade=0.75,
            boxes=[
                boxes(place[lost], LOST, lost, dash=LOST_DASH),
                boxes(place[kept], colors, kept, width=2),
            ],
            labels=labels,
        )

    def _counts(self, min_confidence: float, passed: int, kept: int) -> list[TextLine]:
        """Return how many ROIs pass each filter."""
        d, valid = self.result, self.valid
        foreground = int((d.is_foreground.numpy() & valid).sum())
        survivors = int((d.survives_nms.numpy() & valid).sum())
        return [
            line(f"{valid.sum()} ROIs", QUIET),
            line(f"{foreground} of them are not background", QUIET),
            line(f"{passed} score {min_confidence:.2f} or more", QUIET),
            line(f"{survivors} survive NMS within their class", GOOD),
            line(f"{kept} are detections", GOOD),
        ]

    def _class_panel(self, roi: int, name: str) -> Panel:
        """Return the probabilities of the best classes of one ROI, as bars."""
        probabilities = np.asarray(self.trace.box_head.mrcnn_class[self.image])[roi]
        chosen = int(self.result.class_ids[0][roi])
        title = f"{name}: probability of its classes"
        return class_bars(title, probabilities, best_classes(probabilities), chosen, self.names)
