"""Fates: what became of each ROI, as a value. Only `str(fate)` turns it into words."""

import math
from enum import Enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mrcnn_explained.detector.ranges import check_rows
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.stages.detections import Detections


class FateKind(Enum):
    """What can become of an ROI. The values are the words that tables and files use."""

    DETECTION = "detection"
    BACKGROUND = "background"
    BELOW_CONFIDENCE = "below_confidence"
    SUPPRESSED = "suppressed"
    CLASS_FULL = "class_full"
    BEYOND_TOP = "beyond_top"
    PADDING = "padding"

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    FateKind.DETECTION: "detection",
    FateKind.BACKGROUND: "background",
    FateKind.BELOW_CONFIDENCE: "below the confidence threshold",
    FateKind.SUPPRESSED: "suppressed",
    FateKind.CLASS_FULL: "class already full",
    FateKind.BEYOND_TOP: "beyond the best detections",
    FateKind.PADDING: "padding",
}


class Fate(NamedTuple):
    """What became of one ROI. `str(fate)` is its text."""

    kind: FateKind
    row: int = -1  # DETECTION: row of detections; SUPPRESSED: the ROI that suppressed it; else -1
    iou: float = math.nan  # SUPPRESSED: IoU with that ROI; else NaN
    padding: bool = False  # the ROI is a zero-padded row; such a row can still become a detection

    def __str__(self) -> str:
        match self.kind:
            case FateKind.DETECTION:
                text = f"{self.kind} {self.row}"
                return f"padding, and yet {text}" if self.padding else text
            case FateKind.SUPPRESSED:
                return f"{self.kind} by ROI {self.row} (IoU {self.iou:.2f})"
        return str(self.kind)


def fates(trace: Trace, image: int = 0) -> list[Fate]:
    """Return what became of every ROI of one image, padded rows included, in their order.

    Raises TraceFileError for a trace with an index that names no row.
    """
    check_rows(trace)
    return fates_of(trace.detections, trace.proposals.valid, image)


def fates_of(detections: Detections, valid: Bool[np.ndarray, "B N"], image: int = 0) -> list[Fate]:
    """Return what became of every ROI of one image, read from the answers of the filters.

    detections    result of `select_detections`, for example one with other thresholds
    valid         `valid` of the proposals: which ROIs are more than padding
    """
    real = np.asarray(valid[image])
    foreground = np.asarray(detections.is_foreground[image])
    confident = np.asarray(detections.is_confident[image])
    suppressed_by = np.asarray(detections.nms.suppressed_by[image])
    suppressed_iou = np.asarray(detections.nms.suppressed_iou[image])
    survives = np.asarray(detections.survives_nms[image])
    detection_roi = np.asarray(detections.detection_roi[image]).tolist()
    detection_of = {roi: row for row, roi in enumerate(detection_roi) if roi >= 0}

    def fate(roi: int) -> Fate:
        if not real[roi]:
            row = detection_of.get(roi, -1)
            kind = FateKind.DETECTION if row >= 0 else FateKind.PADDING
            return Fate(kind, row, padding=True)
        if not foreground[roi]:
            return Fate(FateKind.BACKGROUND)
        if not confident[roi]:
            return Fate(FateKind.BELOW_CONFIDENCE)
        if suppressed_by[roi] >= 0:
            row, iou = int(suppressed_by[roi]), float(suppressed_iou[roi])
            return Fate(FateKind.SUPPRESSED, row, iou)
        if not survives[roi]:
            return Fate(FateKind.CLASS_FULL)
        if roi in detection_of:
            return Fate(FateKind.DETECTION, detection_of[roi])
        return Fate(FateKind.BEYOND_TOP)

    return [fate(roi) for roi in range(len(real))]
