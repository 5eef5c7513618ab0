"""The rules of `Config`: the type of each field, its bounds, and what must agree."""

from collections.abc import Collection, Mapping
from math import inf
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

from mrcnn_explained.errors import ConfigError, shown

#: The side of the molded image that each resize mode needs.
SIDE_OF_MODE = {"square": "image_max_dim", "pad64": "image_min_dim", "crop": "image_min_dim"}

#: Fields that count something of which there is one at least.
COUNTS = (
    "backbone_width",
    "top_down_pyramid_size",
    "rpn_channels",
    "rpn_anchor_stride",
    "pre_nms_limit",
    "post_nms_rois_training",
    "post_nms_rois_inference",
    "pool_size",
    "mask_pool_size",
    "fpn_classif_fc_layers_size",
    "mask_channels",
    "detection_max_instances",
    "max_gt_instances",
    "train_rois_per_image",
    "rpn_train_anchors_per_image",
    "image_channel_count",
)


#: Largest values: beyond them no machine has the memory, or a number no longer fits its type.
#: The crops of ROIs are sorted by image * 100,000 + ROI.
MOST: dict[str, float] = {
    "num_classes": 100_000,
    "image_min_dim": 16_384,
    "image_max_dim": 16_384,
    "image_min_scale": 1000,
    "image_channel_count": 1000,
    "backbone_width": 4096,
    "top_down_pyramid_size": 65_536,
    "rpn_anchor_stride": 1024,
    "rpn_channels": 65_536,
    "pre_nms_limit": 1_000_000,
    "post_nms_rois_training": 100_000,
    "post_nms_rois_inference": 100_000,
    "pool_size": 64,
    "mask_pool_size": 64,
    "fpn_classif_fc_layers_size": 65_536,
    "mask_channels": 65_536,
    "detection_max_instances": 100_000,
    "rpn_train_anchors_per_image": 1_000_000,
    "train_rois_per_image": 100_000,
    "train_masks_per_image": 100_000,
    "max_gt_instances": 100_000,
    "weight_decay": 1e6,
    "gradient_clip_norm": 1e12,
}
#: The same for each number of a tuple, and the most numbers of one.
MOST_EACH: dict[str, float] = {
    "mean_pixel": 1e6,
    "rpn_anchor_scales": 1e6,
    "rpn_anchor_ratios": 1e3,
    "rpn_bbox_std_dev": 1e6,
    "bbox_std_dev": 1e6,
    "mini_mask_shape": 4096,
    "loss_weights": 1e6,
}
MOST_NUMBERS = 1000


NOT_TEXT = "a name holds half a character (a lone surrogate), which no file can hold; rename it"


def plain(value: Any, kind: Any) -> Any:
    """Turn NumPy values, lists and whole floats into what a field of type `kind` holds."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        value = tuple(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    return value


def check(values: Mapping[str, Any], kinds: Mapping[str, Any], backbones: Collection[str]) -> None:
    """Raise ConfigError for the first value that is not valid: field, value, what is valid.

    values       of all fields of `Config`
    kinds        the type of each field
    backbones    the names that `backbone` may have
    """
    for field, kind in kinds.items():
        _need(_fits(values[field], kind), field, values, _valid(kind))
    _check_most(values)
    _check_model(values, backbones)
    _check_image(values)
    _check_ranges(values)


def _check_most(values: Mapping[str, Any]) -> None:
    """Check that no number is larger than any model needs, and that text is text."""
    for field, most in MOST.items():
        _need(abs(values[field]) <= most, field, values, f"{most:,} at most")
    for field, most in MOST_EACH.items():
        numbers = values[field]
        inside = all(abs(number) <= most for number in numbers)
        _need(inside and len(numbers) <= MOST_NUMBERS, field, values, f"numbers up to {most:,.0f}")
    for name in (values["name"], values["backbone"], *values["class_names"]):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"the name {shown(name)} has characters that cannot be written to a file: save "
                "its source in UTF-8"
            ) from None


def _need(condition: bool, field: str, values: Mapping[str, Any], valid: str) -> None:
    """Raise ConfigError unless the condition holds."""
    if not condition:
        raise ConfigError(f"{field} is {shown(values[field])}: {valid}")


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of a field's type; a whole number is also a float."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        part, *rest = get_args(kind)
        if not isinstance(value, tuple) or (rest != [...] and len(value) != 1 + len(rest)):
            return False
        return all(_fits(v, part) for v in value)
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float)
        return number and not isinstance(value, bool) and abs(value) < inf
    return isinstance(value, kind)


def is_text(name: str) -> bool:
    """Return whether a text can be written to files: it holds no lone surrogate."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _valid(kind: Any) -> str:
    """Describe the values that a field of this type takes."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        part, *rest = get_args(kind)
        count = "any number of" if rest == [...] else str(1 + len(rest))
        return f"{count} {'names' if part is str else 'finite numbers'}"
    if kind == bool | None:
        return "True (statistics of the batch), None (only while training) or False (stored ones)"
    return {int: "a whole number", float: "a finite number", str: "text", bool: "True or False"}[
        kind
    ]


def _check_model(values: Mapping[str, Any], backbones: Collection[str]) -> None:
    """Check classes, backbone, pyramid and mask head."""
    c = SimpleNamespace(**values)
    _need(c.num_classes >= 2, "num_classes", values, "count the background too, so 2 at least")
    _need(
        len(c.class_names) in (0, c.num_classes),
        "class_names",
        values,
        f"give {c.num_classes} names (num_classes), background first, or an empty tuple",
    )
    for name in (c.name, *c.class_names):
        _need(is_text(name), "name" if name is c.name else "class_names", values, NOT_TEXT)
    _need(
        c.backbone in backbones,
        "backbone",
        values,
        f"one of {', '.join(backbones)}, or give a callable to MaskRCNN(config, backbone=…)",
    )
    _need(
        c.backbone_strides == (4, 8, 16, 32, 64),
        "backbone_strides",
        values,
        "the backbone and its pyramid have the strides (4, 8, 16, 32, 64)",
    )
    mask_side = 2 * c.mask_pool_size
    _need(
        c.mask_shape == (mask_side, mask_side),
        "mask_shape",
        values,
        f"the deconvolution doubles mask_pool_size, so ({mask_side}, {mask_side})",
    )


def _check_image(values: Mapping[str, Any]) -> None:
    """Check the sides: they must halve six times, as P6 has a stride of 64."""
    c = SimpleNamespace(**values)
    _need(
        len(c.mean_pixel) == c.image_channel_count,
        "mean_pixel",
        values,
        f"one number for each of {c.image_channel_count} channels (image_channel_count)",
    )
    if field := SIDE_OF_MODE.get(c.image_resize_mode):
        side = values[field]
        near = max(64, round(side / 64) * 64)
        _need(
            side > 0 and side % 64 == 0,
            field,
            values,
            f"the pyramid halves the image six times, so a multiple of 64: {near} is near",
        )
    if c.image_resize_mode == "square":
        _need(
            c.image_min_dim <= c.image_max_dim,
            "image_min_dim",
            values,
            f"at most image_max_dim, {c.image_max_dim}",
        )
    _need(c.image_min_scale >= 0, "image_min_scale", values, "0 (not used) or more")


def _check_ranges(values: Mapping[str, Any]) -> None:
    """Check the bounds of numbers and the lengths of tuples."""
    levels = len(values["backbone_strides"])
    for field in ("rpn_anchor_scales", "rpn_anchor_ratios"):
        numbers = values[field]
        _need(len(numbers) > 0 and min(numbers) > 0, field, values, "positive numbers, at least 1")
    scales = len(values["rpn_anchor_scales"])
    _need(scales == levels, "rpn_anchor_scales", values, f"one for each of {levels} levels")
    for field in ("rpn_bbox_std_dev", "bbox_std_dev"):
        numbers = values[field]
        four = len(numbers) == 4 and min(numbers) > 0
        _need(four, field, values, "four positive numbers, dy dx dh dw")
    for field in ("rpn_nms_threshold", "detection_nms_threshold", "detection_min_confidence"):
        _need(0 <= values[field] <= 1, field, values, "a number from 0 to 1")
    for field in ("roi_positive_ratio", "rpn_positive_ratio"):
        _need(0 < values[field] <= 1, field, values, "above 0, at most 1")
    weights = len(values["loss_weights"])
    _need(weights == 5, "loss_weights", values, "five numbers, one for each loss")
    sides = values["mini_mask_shape"]
    _need(min(sides) >= 1, "mini_mask_shape", values, "two whole numbers, 1 at least")
    for field in COUNTS:
        _need(values[field] >= 1, field, values, "a whole number, 1 at least")
    for field in ("train_masks_per_image", "weight_decay"):
        _need(values[field] >= 0, field, values, "0 (not used) or more")
    clip = values["gradient_clip_norm"]
    _need(clip > 0, "gradient_clip_norm", values, "a positive number")
