"""The table of ROIs: for each one its box, score, level, class and fate, read from a trace."""

import json
from collections import Counter
from typing import Any

import numpy as np

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.stages.detections import fates
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.stages.levels import CANONICAL_LEVEL, CANONICAL_SIDE

COLUMNS = {
    "roi": "row of rpn_rois, best score first",
    "y1": "top, pixels of the image as given",
    "x1": "left",
    "y2": "bottom, outside the box",
    "x2": "right, outside the box",
    "score": "RPN: probability of an object; empty for boxes given by the caller",
    "side": "sqrt(height x width), pixels of the molded image",
    "exact_level": "of the level equation, before rounding",
    "level": "pyramid level that it reads",
    "to_boundary": "pixels that the side lies above (+) or below (-) the nearest level boundary",
    "class_id": "most probable class; 0 is background",
    "class": "its name",
    "probability": "of that class",
    "fate": "detection, or the filter that dropped it",
}


def roi_rows(trace: Trace, image: int = 0) -> list[dict[str, Any]]:
    """One dict a ROI of one image, with the keys of COLUMNS. Padded rows are left out."""
    proposals, levels, detections = trace.proposals, trace.levels, trace.detections
    boxes = original_boxes(
        np.asarray(proposals.rpn_rois[image]),
        trace.image.original_shape[image],
        trace.image.molded_shape[image],
        trace.image.window[image],
    )
    source = np.asarray(proposals.post_nms_ix[image])
    scores = np.asarray(proposals.scores[image])
    take = lambda result, field: np.asarray(getattr(result, field)[image]).tolist()  # noqa: E731
    columns = zip(
        boxes.tolist(),
        [float(scores[ix]) if ix >= 0 else None for ix in source],
        *(take(levels, field) for field in ("side", "exact_level", "roi_level", "margin")),
        *(take(detections, field) for field in ("class_ids", "class_scores")),
        fates(detections, proposals.valid, image=image),
        take(proposals, "valid"),
        strict=True,
    )
    name = trace.config.class_name
    return [
        dict(
            zip(
                COLUMNS,
                (
                    roi,
                    *box,
                    score,
                    side,
                    exact,
                    level,
                    margin,
                    class_id,
                    name(class_id),
                    probability,
                    fate,
                ),
                strict=True,
            )
        )
        for roi, (
            box,
            score,
            side,
            exact,
            level,
            margin,
            class_id,
            probability,
            fate,
            valid,
        ) in enumerate(columns)
        if valid
    ]


def level_settings(trace: Trace) -> dict[str, Any]:
    """What the level equation of this run was: rounding, canonical_side (pixels) and _level.

    A run that was resumed may have had others than the stage's own.
    """
    changed = json.loads(trace.run.settings).get("levels", {})
    usual = {"canonical_side": CANONICAL_SIDE, "canonical_level": CANONICAL_LEVEL}
    return {
        "rounding": trace.config.level_rounding,
        **{name: changed.get(name, value) for name, value in usual.items()},
    }


def counts_by_level(rows: list[dict[str, Any]], levels: range = range(2, 6)) -> dict[int, dict]:
    """For each level: how many ROIs, their share, how many became detections."""
    everyone = Counter(row["level"] for row in rows)
    found = Counter(row["level"] for row in rows if row["fate"].startswith("detection"))
    total = max(1, len(rows))
    return {
        level: {"rois": everyone[level], "share": everyone[level] / total, "found": found[level]}
        for level in levels
    }


def count_all(trace: Trace, image: int = 0) -> dict[str, Any]:
    """The numbers of one run that a summary tells, from anchors to detections."""
    proposals, detections = trace.proposals, trace.detections
    valid = np.asarray(proposals.valid[image])
    nms = {name: np.asarray(part[image]) for name, part in proposals.nms._asdict().items()}
    foreground = np.asarray(detections.is_foreground[image]) & valid
    size = lambda shape: "x".join(str(side) for side in shape[:2])  # noqa: E731
    return {
        "original": size(trace.image.original_shape[image]),
        "molded": size(trace.image.molded_shape[image]),
        "scale": float(trace.image.scale[image]),
        "anchors": len(trace.anchors.level),
        "candidates": len(nms["rank"]),
        "suppressed": int((nms["suppressed_by"] >= 0).sum()),
        "unreached": int((~nms["reached"]).sum()),
        "rois": int(valid.sum()),
        "padded": int((~valid).sum()),
        "levels": counts_by_level(roi_rows(trace, image)),
        "foreground": int(foreground.sum()),
        "confident": int((foreground & np.asarray(detections.is_confident[image])).sum()),
        "after_nms": int(np.asarray(detections.survives_nms[image]).sum()),
        "detections": int(np.asarray(detections.valid[image]).sum()),
    }
