"""Explore masks: from 28x28 probabilities to pixels of the image, for any class."""

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import BAD, class_color
from mrcnn_explained.scenes.scene import (
    boxes,
    cut_map,
    heat,
    image_panel,
    line,
    panel,
    values_of,
)
from mrcnn_explained.stages.image import scale_image
from mrcnn_explained.stages.instances import full_mask, original_boxes


class MaskExplorer(TraceExplorer):
    """Choose a detection, a class, a threshold; see the soft mask grow to its box.

    Rows are ROIs: those that became detections. `result` is the full-size mask, bool [h, w] of
    the original image.
    """

    follows, cuts = "detection", "threshold"

    def backdrop(self) -> UInt8[np.ndarray, "h w 3"]:
        """The image as given: masks end there."""
        return np.asarray(self.trace.image.original[self.image])

    def setting_of(self, row: int) -> int:
        """The detection of a ROI; -1: it became none."""
        rows = np.asarray(self.trace.detections.detection_roi[self.image])
        return int(np.argmax(rows == row)) if row >= 0 and (rows == row).any() else -1

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        number = int(np.sum(np.asarray(trace.detections.valid[image])))
        names = [(trace.config.class_name(k), k) for k in range(1, trace.config.num_classes)]
        return {
            "detection": slider("detection", 0, 0, max(number - 1, 0), 1),
            "class_id": choice("mask of", [("its own class", 0), *names], 0),
            "threshold": slider("pixel from", 0.5, 0.01, 0.99),
        }

    @cached_property
    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """`rows` and `mrcnn_mask` of the mask head, read once for all moves of a slider."""
        head = self.trace.mask_head
        return np.asarray(head.rows), np.asarray(head.mrcnn_mask)

    @cached_property
    def found(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every detection: its row of `detections`, its box in the image as given, its ROI."""
        t, one = self.trace, self.image
        valid = np.asarray(t.detections.valid[one])
        rows, rois = (
            np.asarray(x[one])[valid] for x in (t.detections.detections, t.detections.detection_roi)
        )
        return (
            rows,
            original_boxes(
                rows[:, :4],
                t.image.original_shape[one],
                t.image.molded_shape[one],
                t.image.window[one],
            ),
            rois,
        )

    def draw(self, detection: int, class_id: int, threshold: float) -> dict[str, Any]:
        rows, soft = self.masks
        mine = np.flatnonzero((rows == [self.image, detection]).all(axis=1))
        if not len(mine):
            text = "This image has no detection, so no mask was computed."
            return {"panels": [], "text": [line(text, BAD)]}
        every, places, rois = self.found
        found, box = every[detection], places[detection]
        own = int(found[4])
        shown = class_id or own
        soft = soft[mine[0], :, :, shown]
        image = self.backdrop()
        self.result = full_mask(soft, box, image.shape[:2], threshold)
        y1, x1, y2, x2 = (int(v) for v in box)
        grown = scale_image(soft, (y2 - y1, x2 - x1))  # nothing lies outside its box
        self.view.maps = {"soft": values_of(soft), "grown": values_of(grown)}
        over = [cut_map("grown", [x1, y1, x2, y2], tint=class_color(shown), alpha=0.65)]
        on_image = image_panel(
            f"Detection {detection}: {int(self.result.sum()):,} pixels",
            image,
            fade=1.0,
            images=over if grown.size else [],
            boxes=[
                boxes(places, "#ffffff", rois, width=1),
                boxes([box], class_color(shown), width=2),
            ],
        )
        name = self.config.class_name
        masks = [
            panel(
                f"{soft.shape[0]} x {soft.shape[1]}, {name(shown)}",
                (0, 0, 1, 1),
                width=190,
                images=[heat(soft, [0, 0, 1, 1])],
            ),
            panel(
                f"at least {threshold:.2f}",
                (0, 0, 1, 1),
                width=190,
                images=[cut_map("soft", [0, 0, 1, 1])],
            ),
        ]
        text = [
            line(
                f"{name(own)} {found[5]:.3f}; the mask that is shown: {name(shown)}",
                class_color(shown),
            ),
            line(
                f"Its box is {box[2] - box[0]} x {box[3] - box[1]} px: one mask pixel covers "
                "{:.1f} x {:.1f} of them.".format(*(box[2:] - box[:2]) / soft.shape)
            ),
        ]
        return {"panels": [on_image, *masks], "text": text, "tips": {}}
