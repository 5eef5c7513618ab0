"""Read a trace: the results of one image, and the settings that its stages ran with."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from mrcnn_explained.detector.ranges import check_rows
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.inputs import check_image_number
from mrcnn_explained.stages.instances import MASK_THRESHOLD
from mrcnn_explained.stages.levels import (
    CANONICAL_LEVEL,
    CANONICAL_SIDE,
    HIGHEST,
    LOWEST,
    Rounding,
)


class OneImage:
    """The results of one image of a trace, by stage and field."""

    def __init__(self, trace: Trace, image: int):
        """Raises InputError if the trace has no image with this number, or a wrong index."""
        check_image_number(image, len(trace.image.original))
        check_rows(trace)
        self.trace, self.image = trace, image

    def of(self, stage: str, field: str) -> np.ndarray:
        """Return a tensor of this image: `of("proposals", "nms.rank")`."""
        value = getattr(self.trace, stage)
        for name in field.split("."):
            value = getattr(value, name)
        return np.asarray(value[self.image])


class LevelSettings(TypedDict):
    """The arguments of `assign_levels` that decide which level an ROI reads."""

    lowest: int
    highest: int
    rounding: Rounding
    canonical_side: float  # pixels of the molded image
    canonical_level: int


def stage_settings(trace: Trace, stage: str) -> Mapping[str, Any]:
    """Return the arguments that a resumed run gave to a stage and that the config does not hold."""
    return trace.run.settings.get(stage, {})


def level_settings(trace: Trace, stage: str = "levels") -> LevelSettings:
    """Return how a run assigned levels to its ROIs.

    stage    `levels` for the ROIs, `mask_levels` for the boxes of the detections

    A resumed run may have used other numbers than the defaults of `assign_levels`.
    """
    changed = stage_settings(trace, stage)
    return {
        "lowest": changed.get("lowest", LOWEST),
        "highest": changed.get("highest", HIGHEST),
        "rounding": changed.get("rounding", trace.config.level_rounding),
        "canonical_side": changed.get("canonical_side", CANONICAL_SIDE),
        "canonical_level": changed.get("canonical_level", CANONICAL_LEVEL),
    }


def mask_threshold(trace: Trace) -> float:
    """Return the probability from which a pixel belongs to a mask in this run."""
    return stage_settings(trace, "instances").get("mask_threshold", MASK_THRESHOLD)
