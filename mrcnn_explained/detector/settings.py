"""Settings: which field of the config feeds which argument of which stage. Said once, here.

Both maps read their numbers from this table, and so does `resume`, which may change those of
the stages in CHANGEABLE. The other arguments decide the shapes of weights, images or anchors.
"""

from typing import Any

from mrcnn_explained.config import Config

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


def stage_settings(config: Config, stage: str, *, training: bool = False) -> dict[str, Any]:
    """Return the keyword arguments that a stage gets from the config.

    stage       name in a trace; a stage without settings gets none
    training    read what a training step reads: more proposals go on
    """
    fields = dict(STAGE_SETTINGS.get(stage, {}))
    if training:
        fields |= TRAINING_SETTINGS.get(stage, {})
    return {argument: getattr(config, field) for argument, field in fields.items()}
