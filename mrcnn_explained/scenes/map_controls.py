"""The live controls of a Map: which settings the browser can change, to which values, how far."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import LevelSettings, level_settings
from mrcnn_explained.scenes.map_format import Control, LevelRule, Settings
from mrcnn_explained.stages.levels import assign_levels, level_boundaries

ROUNDINGS = ("round", "floor")
SIDES = (56.0, 80.0, 112.0, 158.0, 224.0, 317.0, 448.0, 634.0)  # molded pixels
#: Stages whose results the browser decides again: one that was edited or replaced has no what-if.
DECIDED = (
    "proposals",
    "levels",
    "crops",
    "reordered",
    "box_head",
    "detections",
    "mask_levels",
    "mask_crops",
    "mask_reordered",
    "mask_head",
    "instances",
)
NEIGHBOURS = 400  # float32 numbers that are tried on each side of a boundary


def settings_of(trace: Trace) -> Settings:
    """Return the values of the run."""
    config, levels = trace.config, level_settings(trace)
    return {
        "rpnNms": float(config.rpn_nms_threshold),
        "rois": int(trace.proposals.valid.shape[1]),
        "rounding": levels["rounding"],
        "side": float(levels["canonical_side"]),
        "confidence": float(config.detection_min_confidence),
        "nms": float(config.detection_nms_threshold),
        "detections": int(config.detection_max_instances),
    }


def undecided(trace: Trace) -> list[str]:
    """Return the stages that were edited or replaced, so that the browser cannot decide them."""
    return [stage for stage in DECIDED if not trace.run.computed_by_model(stage)]


def controls_of(trace: Trace, *, model_asked: bool, given: bool) -> list[Control]:
    """Return the controls of a Map, in the order of the data; none for an edited run.

    model_asked    the second stage was asked about every candidate on every level
    given          the ROIs were given: no NMS of the RPN's candidates decided them
    """
    if undecided(trace):
        return []
    settings = settings_of(trace)
    new_rois = "not computed: the classes of ROIs that the run did not have"
    new_levels = "not computed: the classes of ROIs on other levels than the run's"
    new_masks = "not computed: the masks of detections that the run did not have"

    def control(key: str, stage: str, argument: str, steps: Any, cannot: str) -> Control:
        """Return one control; its steps include the run's own value."""
        own = settings[key]  # type: ignore[literal-required]
        numbers = sorted({own, *steps}) if not isinstance(own, str) else list(steps)
        note = "" if model_asked else cannot
        return {
            "key": key,
            "stage": stage,
            "argument": argument,
            "steps": numbers,
            "exact": not note,
            "note": note,
        }

    rpn_nms = control("rpnNms", "proposals", "nms_threshold", _steps(0.25, 0.95), new_rois)
    return [
        *([] if given else [rpn_nms]),
        control("rounding", "levels", "rounding", ROUNDINGS, new_levels),
        control("side", "levels", "canonical_side", SIDES, new_levels),
        control("confidence", "detections", "min_confidence", _steps(0.0, 0.95), new_masks),
        control("nms", "detections", "nms_threshold", _steps(0.05, 0.95), new_masks),
    ]


def limited(controls: list[Control], left_out: dict[str, int]) -> list[Control]:
    """Return the controls with a note about what was left out to keep the size bounded.

    left_out    number of masks and candidates that were left out
    """
    kinds = [f"{left_out[kind]:,} {kind}" for kind in ("candidates", "masks") if left_out[kind]]
    if not kinds:
        return controls
    note = f"not computed for every step: {' and '.join(kinds)} were left out to bound the size"
    return [{**one, "exact": False, "note": one["note"] or note} for one in controls]


def _steps(first: float, last: float) -> list[float]:
    """Return 0.25, 0.3, … 0.95."""
    return [n / 20 for n in range(round(20 * first), round(20 * last) + 1)]


def level_changes(controls: list[Control], settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield what the controls can change of the arguments of `assign_levels`; first nothing.

    An argument that keeps the run's value is left out: the masks' levels then keep their own.
    """
    steps = {control["key"]: control["steps"] for control in controls}
    for rounding in steps.get("rounding", [settings["rounding"]]):
        for side in steps.get("side", [settings["side"]]):
            changes: dict[str, Any] = {}
            if rounding != settings["rounding"]:
                changes["rounding"] = rounding
            if side != settings["side"]:
                changes["canonical_side"] = side
            yield changes


def rule_of(settings: LevelSettings) -> LevelRule:
    """Return the arguments of `assign_levels` under the names of the header."""
    return {
        "rounding": settings["rounding"],
        "side": float(settings["canonical_side"]),
        "lowest": settings["lowest"],
        "highest": settings["highest"],
        "canonical_level": settings["canonical_level"],
    }


def level_steps(settings: LevelSettings) -> dict[str, list[float]]:
    """Return, per rounding, where the stage goes on to the next level.

    Each number is the smallest quotient side / canonical side, in float32, at which
    `assign_levels` returns the next level. It is found by calling the stage on the float32 numbers
    around each boundary, so that a browser, whose logarithm may differ in the last bit, decides
    every ROI as the stage does.
    """
    lowest, highest = settings["lowest"], settings["highest"]
    level = settings["canonical_level"]
    found = {}
    for rounding in ROUNDINGS:
        boundaries = level_boundaries(lowest, highest, rounding, 1.0, level)  # type: ignore[arg-type]
        steps = []
        for k, boundary in enumerate(boundaries, start=lowest + 1):
            start = np.float32(boundary).view(np.int32)
            around = np.arange(start - NEIGHBOURS, start + NEIGHBOURS, dtype=np.int32)
            quotients = around.view(np.float32)
            heights = np.unique(np.float32(quotients.astype(np.float64) ** 2))
            # One pixel is the image and the canonical side: the quotient is sqrt(height).
            rois = np.zeros((1, len(heights), 4), np.float32)
            rois[0, :, 2], rois[0, :, 3] = heights, 1.0
            levels = assign_levels(
                tf.constant(rois),
                tf.constant([1.0, 1.0]),
                lowest=lowest,
                highest=highest,
                rounding=rounding,  # type: ignore[arg-type]
                canonical_side=1.0,
                canonical_level=level,
            )
            first = int(np.argmax(np.asarray(levels.roi_level[0]) >= k))
            steps.append(float(np.sqrt(heights[first])))
        found[rounding] = steps
    return found
