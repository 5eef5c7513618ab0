"""Settings: which field of the config feeds which argument of which stage. Said once, here.

Both maps read their numbers from this table, and so does `resume`, which may change those of
the stages in CHANGEABLE. The other arguments decide the shapes of weights, images or anchors.
"""

from typing import Any, NamedTuple, get_args

from mrcnn_explained.config import Config
from mrcnn_explained.stages.levels import HIGHEST, LOWEST, Rounding

#: Stage → argument of its function → field of the config.
STAGE_SETTINGS: dict[str, dict[str, str]] = {
    "anchors": {
        "scales": "rpn_anchor_scales",
        "ratios": "rpn_anchor_ratios",
        "strides": "backbone_strides",
        "anchor_stride": "rpn_anchor_stride",
    },
    "proposals": {
        "count": "post_nms_rois_inference",
        "pre_nms_limit": "pre_nms_limit",
        "nms_threshold": "rpn_nms_threshold",
        "std_dev": "rpn_bbox_std_dev",
    },
    "levels": {"rounding": "level_rounding"},
    "crops": {"pool_size": "pool_size"},
    "mask_levels": {"rounding": "level_rounding"},
    "mask_crops": {"pool_size": "mask_pool_size"},
    "detections": {
        "min_confidence": "detection_min_confidence",
        "nms_threshold": "detection_nms_threshold",
        "max_instances": "detection_max_instances",
        "std_dev": "bbox_std_dev",
    },
    "rpn_targets": {
        "total": "rpn_train_anchors_per_image",
        "positive_share": "rpn_positive_ratio",
        "std_dev": "rpn_bbox_std_dev",
        "forced_box": "forced_box",
    },
    "detection_targets": {
        "total": "train_rois_per_image",
        "positive_ratio": "roi_positive_ratio",
        "std_dev": "bbox_std_dev",
        "mask_shape": "mask_shape",
        "mini_masks": "use_mini_mask",
        "add_objects": "add_objects",
        "fill_negatives": "fill_negatives",
        "stop_gradient": "stop_target_gradient",
    },
}

#: Where training reads another field than detecting does.
TRAINING_SETTINGS: dict[str, dict[str, str]] = {"proposals": {"count": "post_nms_rois_training"}}

#: Stages whose settings a resumed run may change. The masks' levels follow the ROIs' levels.
CHANGEABLE = ("proposals", "levels", "detections")


class Allowed(NamedTuple):
    """The values that an argument may have: a range of numbers, or a few words."""

    kind: type  # int, float, or str
    least: float = 0.0
    most: float = 0.0
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is str:
            return f"one of {', '.join(self.words)}"
        number = "a whole number" if self.kind is int else "a number"
        return f"{number} from {self.least:g} to {self.most:g}"

    def holds(self, value: Any) -> bool:
        """Return whether a value is allowed."""
        if self.kind is str:
            return value in self.words
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.least <= value <= self.most and self.kind(value) == value


_LEVEL_EQUATION = {
    "lowest": Allowed(int, LOWEST, HIGHEST),
    "highest": Allowed(int, LOWEST, HIGHEST),
    "canonical_side": Allowed(float, 1.0, 1e5),
    "canonical_level": Allowed(int, -10, 20),
}
#: Arguments that the config does not hold: they are kept in the trace (`run.settings`).
BESIDE_CONFIG: dict[str, dict[str, Allowed]] = {
    "levels": _LEVEL_EQUATION,
    "mask_levels": {**_LEVEL_EQUATION, "rounding": Allowed(str, words=get_args(Rounding))},
    "instances": {"mask_threshold": Allowed(float, 0.0, 1.0)},
}


def stage_settings(config: Config, stage: str, *, training: bool = False) -> dict[str, Any]:
    """Return the keyword arguments that a stage gets from the config.

    stage       name in a trace; a stage without settings gets none
    training    read what a training step reads: more proposals go on
    """
    fields = dict(STAGE_SETTINGS.get(stage, {}))
    if training:
        fields |= TRAINING_SETTINGS.get(stage, {})
    return {argument: getattr(config, field) for argument, field in fields.items()}
