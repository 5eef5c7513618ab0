"""Explore masks: from 28x28 probabilities to pixels of the image, for any class."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import BAD, INK, class_color
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import (
    boxes,
    heat,
    image_panel,
    line,
    panel,
    thresholded_map,
    values_of,
)
from mrcnn_explained.stages.image import scale_image
from mrcnn_explained.stages.instances import full_mask, original_boxes

UNIT = (0.0, 0.0, 1.0, 1.0)  # extent of a panel that shows a mask
SIDE = 190  # CSS pixels of such a panel


class _Found(NamedTuple):
    """The detections of one image; rows are detections."""

    class_ids: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray  # pixels of the original image
    rois: np.ndarray  # the ROI of each


class MaskExplorer(TraceExplorer):
    """Choose a detection, a class and a threshold; see the soft mask scaled to its box.

    Rows are ROIs: those that became detections. `result` is the full-size mask, bool [h, w] of
    the original image.
    """

    selection_control, threshold_control = "detection", "threshold"
    result: Bool[np.ndarray, "h w"]

    def background(self) -> UInt8[np.ndarray, "h w 3"]:
        """Return the original image, whose size full-size masks have."""
        return np.asarray(self.trace.image.original[self.image])

    def setting_of(self, row: int) -> int:
        """Return the detection of an ROI; -1: none."""
        rows = np.asarray(self.trace.detections.detection_roi[self.image])
        return int(np.argmax(rows == row)) if row >= 0 and (rows == row).any() else -1

    def controls(self) -> Controls:
        number = int(np.sum(np.asarray(self.trace.detections.valid[self.image])))
        config = self.config
        names = [(config.class_name(k), k) for k in range(1, config.num_classes)]
        return {
            "detection": slider("detection", 0, 0, max(number - 1, 0), 1),
            "class_id": choice("mask of", [("its own class", 0), *names], 0),
            "threshold": slider("mask threshold", 0.5, 0.01, 0.99),
        }

    @cached_property
    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """`rows` and `mrcnn_mask` of the mask head, read once for all moves of a slider."""
        head = self.trace.mask_head
        return np.asarray(head.rows), np.asarray(head.mrcnn_mask)

    @cached_property
    def found(self) -> _Found:
        """The detections of this image, read once for all moves of a slider."""
        d, image, one = self.trace.detections, self.trace.image, self.image
        valid = np.asarray(d.valid[one])
        rows = np.asarray(d.detections[one])[valid]
        frames = image.original_shape[one], image.molded_shape[one], image.window[one]
        return _Found(
            class_ids=rows[:, 4].astype(int),
            scores=rows[:, 5],
            boxes=original_boxes(rows[:, :4], *frames),
            rois=np.asarray(d.detection_roi[one])[valid],
        )

    def draw(self, detection: int, class_id: int, threshold: float) -> Scene:
        rows, masks = self.masks
        mask_row = np.flatnonzero((rows == [self.image, detection]).all(axis=1))
        if not len(mask_row):
            words = "This image has no detection, so no mask was computed."
            return {"panels": [], "text": [line(words, BAD)]}
        box = self.found.boxes[detection]
        shown = class_id or int(self.found.class_ids[detection])
        soft = masks[mask_row[0], :, :, shown]
        self.result = full_mask(soft, box, self.background().shape[:2], threshold)
        y1, x1, y2, x2 = (int(v) for v in box)
        scaled = scale_image(soft, (y2 - y1, x2 - x1))  # the mask is empty outside its box
        self.view.maps = {"soft": values_of(soft), "scaled": values_of(scaled)}
        name = self.config.class_name(shown)
        panels = [
            self._on_image(detection, shown, empty=not scaled.size),
            panel(
                f"{soft.shape[0]} x {soft.shape[1]}, {name}",
                UNIT,
                width=SIDE,
                images=[heat(soft, UNIT)],
            ),
            panel(
                f"at least {threshold:.2f}",
                UNIT,
                width=SIDE,
                images=[thresholded_map("soft", UNIT)],
            ),
        ]
        text = self._text(detection, shown, soft)
        roi = self.view.selected
        if roi >= 0 and self.setting_of(roi) < 0:
            words = f"ROI {roi} is selected, but it became no detection, so it has no mask."
            text.append(line(words, BAD))
        tips = {
            int(roi): f"detection {row}: {self.config.class_name(class_id)} {score:.3f}"
            for row, (roi, class_id, score) in enumerate(
                zip(self.found.rois, self.found.class_ids.tolist(), self.found.scores, strict=True)
            )
        }
        return {"panels": panels, "text": text, "tips": tips}

    def _on_image(self, detection: int, shown: int, *, empty: bool) -> Panel:
        """Return the image with all boxes, and the mask of one class over one of them."""
        box, color = self.found.boxes[detection], class_color(shown)
        y1, x1, y2, x2 = (int(v) for v in box)
        over = thresholded_map("scaled", [x1, y1, x2, y2], tint=color, alpha=0.65)
        return image_panel(
            f"Detection {detection}: {int(self.result.sum()):,} pixels",
            self.background(),
            fade=1.0,
            images=[] if empty else [over],
            boxes=[
                boxes(self.found.boxes, INK, self.found.rois),
                boxes([box], color, width=2),
            ],
        )

    def _text(self, detection: int, shown: int, soft: np.ndarray) -> list[TextLine]:
        """Return class and score, and how many image pixels one pixel of the mask covers."""
        found, name = self.found, self.config.class_name
        own = name(int(found.class_ids[detection]))
        y1, x1, y2, x2 = (int(v) for v in found.boxes[detection])
        height, width = (y2 - y1) / soft.shape[0], (x2 - x1) / soft.shape[1]
        detected = f"{own} {found.scores[detection]:.3f}"
        scale = (
            f"The box is {y2 - y1} x {x2 - x1} px: one pixel of the mask covers "
            f"{height:.1f} x {width:.1f} px of the image."
        )
        return [
            line(f"{detected}; the mask shown is that of {name(shown)}", class_color(shown)),
            line(scale),
        ]
