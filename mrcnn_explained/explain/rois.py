"""The table of ROIs: the box, score, level, class and fate of each one, read from a trace."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.fates import Fate, FateKind, fates
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.stages.levels import ROI_LEVELS

COLUMNS = {
    "roi": "row of rpn_rois, best score first",
    "y1": "top edge, pixels of the original image",
    "x1": "left edge",
    "y2": "bottom edge, outside the box",
    "x2": "right edge, outside the box",
    "score": "RPN: probability of an object; empty if the caller gave the box",
    "side": "sqrt(height x width), pixels of the molded image",
    "exact_level": "result of the level equation, before rounding",
    "level": "pyramid level that the ROI reads",
    "to_boundary": "pixels that the side lies above (+) or below (-) the nearest level boundary",
    "class_id": "most probable class; 0 is background",
    "class": "its name",
    "probability": "its probability",
    "fate": "what became of it: " + ", ".join(kind.value for kind in FateKind),
    "fate_row": "row of the detection, or the ROI that suppressed it; else empty",
    "fate_iou": "IoU with the ROI that suppressed it; else empty",
}


def fate_columns(fate: Fate) -> dict[str, Any]:
    """Return a fate as values of the columns `fate`, `fate_row` and `fate_iou`; None is empty."""
    suppressed = fate.kind is FateKind.SUPPRESSED
    return {
        "fate": fate.kind.value,
        "fate_row": fate.row if fate.row >= 0 else None,
        "fate_iou": fate.iou if suppressed else None,
    }


def row_fate(row: Mapping[str, Any]) -> Fate:
    """Return the fate in a row of `roi_rows`; the inverse of `fate_columns`."""
    kind = FateKind(row["fate"])
    number, iou = row["fate_row"], row["fate_iou"]
    return Fate(kind, -1 if number is None else number, math.nan if iou is None else iou)


def roi_rows(trace: Trace, image: int = 0) -> list[dict[str, Any]]:
    """Return one dict per ROI of one image, with the keys of COLUMNS. Padded rows are left out.

    Raises TraceFileError for a trace with an index that names no row.
    """
    fate_of = fates(trace, image)  # checks the rows
    proposals, levels, detections = trace.proposals, trace.levels, trace.detections
    boxes = original_boxes(
        np.asarray(proposals.rpn_rois[image]),
        trace.image.original_shape[image],
        trace.image.molded_shape[image],
        trace.image.window[image],
    )
    candidates = np.asarray(proposals.post_nms_ix[image]).tolist()
    scores = np.asarray(proposals.scores[image]).tolist()
    sides = np.asarray(levels.side[image]).tolist()
    exact_levels = np.asarray(levels.exact_level[image]).tolist()
    roi_levels = np.asarray(levels.roi_level[image]).tolist()
    margins = np.asarray(levels.margin[image]).tolist()
    class_ids = np.asarray(detections.class_ids[image]).tolist()
    probabilities = np.asarray(detections.class_scores[image]).tolist()
    rows = []
    for roi in np.flatnonzero(np.asarray(proposals.valid[image])).tolist():
        y1, x1, y2, x2 = boxes[roi].tolist()
        candidate = candidates[roi]
        rows.append(
            {
                "roi": roi,
                "y1": y1,
                "x1": x1,
                "y2": y2,
                "x2": x2,
                "score": scores[candidate] if candidate >= 0 else None,
                "side": sides[roi],
                "exact_level": exact_levels[roi],
                "level": roi_levels[roi],
                "to_boundary": margins[roi],
                "class_id": class_ids[roi],
                "class": trace.config.class_name(class_ids[roi]),
                "probability": probabilities[roi],
                **fate_columns(fate_of[roi]),
            }
        )
    return rows


def counts_by_level(
    rows: list[dict[str, Any]], levels: Iterable[int] = ROI_LEVELS
) -> dict[int, dict[str, Any]]:
    """Return for each level: the number of ROIs, their share, and how many became detections."""
    counts = Counter(row["level"] for row in rows)
    detected = [row["level"] for row in rows if row["fate"] == FateKind.DETECTION.value]
    found = Counter(detected)
    total = max(1, len(rows))
    return {
        level: {"rois": counts[level], "share": counts[level] / total, "found": found[level]}
        for level in levels
    }


def count_all(trace: Trace, image: int = 0) -> dict[str, Any]:
    """Return the numbers that a summary of one image shows, from anchors to detections."""
    proposals, detections = trace.proposals, trace.detections
    valid = np.asarray(proposals.valid[image])
    suppressed_by = np.asarray(proposals.nms.suppressed_by[image])
    reached = np.asarray(proposals.nms.reached[image])
    foreground = np.asarray(detections.is_foreground[image]) & valid
    confident = foreground & np.asarray(detections.is_confident[image])
    return {
        "original": _size(trace.image.original_shape[image]),
        "molded": _size(trace.image.molded_shape[image]),
        "scale": float(trace.image.scale[image]),
        "anchors": len(trace.anchors.level),
        "candidates": len(suppressed_by),
        "suppressed": int((suppressed_by >= 0).sum()),
        "unreached": int((~reached).sum()),
        "rois": int(valid.sum()),
        "padded": int((~valid).sum()),
        "levels": counts_by_level(roi_rows(trace, image)),
        "foreground": int(foreground.sum()),
        "confident": int(confident.sum()),
        "after_nms": int(np.asarray(detections.survives_nms[image]).sum()),
        "detections": int(np.asarray(detections.valid[image]).sum()),
    }


def summary_rows(trace: Trace, image: int = 0) -> list[tuple[str, str]]:
    """Return (what, how much) for each step from the image to the detections of one image."""
    n = count_all(trace, image)
    given = trace.has_given_rois
    candidates = [
        ("anchors", f"{n['anchors']} → {n['candidates']} candidates"),
        ("NMS", f"{n['suppressed']} suppressed, {n['unreached']} never reached"),
    ]
    source = "given by the caller; " if given else ""
    return [
        ("image", f"{n['original']} → molded {n['molded']}, scale {n['scale']:.3f}"),
        *([] if given else candidates),
        ("ROIs", f"{n['rois']} ({source}{n['padded']} rows of padding)"),
        ("levels", ", ".join(f"P{k}: {count['rois']}" for k, count in n["levels"].items())),
        ("not background", str(n["foreground"])),
        ("… and confident", str(n["confident"])),
        ("… and not suppressed", str(n["after_nms"])),
        ("detections", str(n["detections"])),
        ("weights", trace.run.weights),
        ("ran on", trace.run.device or "unknown"),
    ]


def _size(shape: Any) -> str:
    """Height and width of an image as `480x640`."""
    return "x".join(str(side) for side in shape[:2])
