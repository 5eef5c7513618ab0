"""Config: every number of the detector on one page, with its meaning, unit and source.

The names are those of Matterport's `Config`, in lower case; so are the defaults, which
are those of its COCO model. Stages never see a Config: `model.py` hands them plain values.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mrcnn_explained.coco_classes import COCO_CLASSES
from mrcnn_explained.errors import InputError

#: Bottleneck blocks in stages 2…5 of the backbones (He et al., arXiv:1512.03385, table 1;
#: resnet26 is ours, of the same make, small enough to train on a laptop).
BACKBONES = {
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}

#: The five losses in the order of `loss_weights`.
LOSSES = (
    *("rpn_class_loss", "rpn_bbox_loss"),
    *("mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
)

#: Fields that hold one of a few words.
SWITCHES = {
    "level_rounding": ("round", "floor"),
    "forced_box": ("best", "forcing"),
    "box_loss_average": ("positives", "sampled"),
    "clip_by": ("variable", "global"),
    "weight_decay_per": ("size", "weight"),
}

RESIZE_MODES = ("square", "pad64", "crop", "none")


class ConfigError(InputError):
    """A config that contradicts itself: the field, its value, what would do."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every number of one detector. Frozen: `config.replace(...)` makes another.

    Contradictions are refused here, with the field, the value and what would do.
    Sources: M = Matterport's default, FPN = arXiv:1612.03144, MRCNN = arXiv:1703.06870,
    RPN = Faster R-CNN, arXiv:1506.01497.
    """

    name: str = "coco"
    num_classes: int = 81  # C, the background included
    class_names: tuple[str, ...] = ()  # C names, background first; () numbers them

    # The image (stage 1)
    image_resize_mode: str = "square"  # M; the papers keep the aspect and pad nothing
    image_min_dim: int = 800  # pixels: scale up until the shorter side is this long (MRCNN 3.1)
    image_max_dim: int = 1024  # pixels: … unless the longer one exceeds this (M; MRCNN: 1333)
    image_min_scale: float = 0.0  # scale up at least this much; 0 asks for nothing
    image_channel_count: int = 3  # RGB
    mean_pixel: tuple[float, ...] = (123.7, 116.8, 103.9)  # RGB, subtracted (M)

    # The backbone and the pyramid (stages 2 and 3)
    backbone: str = "resnet101"  # one of BACKBONES; a callable goes to MaskRCNN itself
    backbone_width: int = 64  # channels of the stem; C2…C5 have 4, 8, 16, 32 times as many
    backbone_strides: tuple[int, ...] = (4, 8, 16, 32, 64)  # pixels per cell, P2…P6
    top_down_pyramid_size: int = 256  # channels of P2…P6 (FPN 3)

    # Anchors and the region proposal network (stages 4 to 6)
    rpn_anchor_scales: tuple[float, ...] = (32, 64, 128, 256, 512)  # pixels, P2…P6 (FPN 4.1)
    rpn_anchor_ratios: tuple[float, ...] = (0.5, 1, 2)  # width / height; the papers: h / w
    rpn_anchor_stride: int = 1  # cells between anchors
    rpn_channels: int = 512  # of the shared 3x3 convolution (M, as VGG; FPN: 256)
    rpn_bbox_std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # dy dx dh dw are divided by it (M)
    pre_nms_limit: int = 6000  # K: best anchors that go to NMS (RPN)
    rpn_nms_threshold: float = 0.7  # IoU above which the weaker proposal goes (RPN)
    post_nms_rois_training: int = 2000  # N while training (RPN)
    post_nms_rois_inference: int = 1000  # N (FPN 5.2)

    # ROIs and heads (stages 7 to 12)
    level_rounding: str = "round"  # of the level equation (M; FPN 4.2: "floor")
    pool_size: int = 7  # P of the box head, cells (MRCNN figure 4)
    mask_pool_size: int = 14  # P of the mask head, cells (MRCNN figure 4)
    mask_shape: tuple[int, int] = (28, 28)  # pixels of a mask (MRCNN figure 4)
    fpn_classif_fc_layers_size: int = 1024  # channels of the two layers (FPN 4.2)
    mask_channels: int = 256  # of the mask head's convolutions (MRCNN figure 4)
    bbox_std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # as rpn_bbox_std_dev (M)
    detection_max_instances: int = 100  # D (MRCNN 3.1)
    detection_min_confidence: float = 0.7  # class probability (M; the papers' tests: 0.05)
    detection_nms_threshold: float = 0.3  # IoU, per class (M; the papers: 0.5)

    # Training
    gpu_count: int = 1
    images_per_gpu: int = 2
    steps_per_epoch: int = 1000
    validation_steps: int = 50
    rpn_train_anchors_per_image: int = 256  # drawn from each image (RPN 3.1.3)
    rpn_positive_ratio: float = 0.5  # of them, at most (RPN 3.1.3)
    use_mini_mask: bool = True  # keep masks small, cut to their boxes (M)
    mini_mask_shape: tuple[int, int] = (56, 56)  # pixels (M)
    train_rois_per_image: int = 200  # (M; MRCNN 3.1: 512 with FPN)
    roi_positive_ratio: float = 0.33  # (M; MRCNN 3.1: 1 in 4)
    train_masks_per_image: int = 0  # masks of so many positive ROIs at most; 0: of all (M)
    max_gt_instances: int = 100  # objects of one image
    learning_rate: float = 0.001  # (M; MRCNN 3.1: 0.02)
    learning_momentum: float = 0.9  # (MRCNN 3.1)
    weight_decay: float = 0.0001  # divided by the size of each tensor (M; MRCNN: not)
    gradient_clip_norm: float = 5.0  # per variable (M)
    loss_weights: tuple[float, ...] = (1, 1, 1, 1, 1)  # in the order of LOSSES
    use_rpn_rois: bool = True  # False: ROIs are given from outside
    # BatchNorm's statistics. False: stored ones, always. None: the batch's while training,
    # stored ones when detecting. True: the batch's, always (M passes TRAIN_BN in both modes).
    train_bn: bool | None = False

    # Where Matterport's code surprises: its way is the default, the papers' a switch
    forced_box: str = "best"  # an object's best anchor learns its own best object; or "forcing"
    add_objects: bool = False  # objects' own boxes among the ROIs to train on (37)
    fill_negatives: bool = False  # negative ROIs up to the count, positives or not (35)
    padding_in_class_loss: bool = True  # zero rows count as background (36)
    box_loss_average: str = "positives"  # or "sampled" (29, 39)
    stop_target_gradient: bool = False  # True: the heads' box loss does not reach the RPN
    clip_by: str = "variable"  # each gradient alone (45), or "global"
    weight_decay_per: str = "size"  # divided by each tensor's size (43), or "weight"

    def __post_init__(self):
        for field in dataclasses.fields(self):  # lists and NumPy arrays of other configs
            value = getattr(self, field.name)
            if isinstance(value, list) or hasattr(value, "tolist"):
                value = value.tolist() if hasattr(value, "tolist") else value
                value = tuple(value) if isinstance(value, list) else value
                object.__setattr__(self, field.name, value)
        _check(self)

    @classmethod
    def coco(cls, **overrides: Any) -> Self:
        """Matterport's COCO model: 80 classes and background, ResNet-101 at 1024x1024."""
        names = COCO_CLASSES if overrides.get("num_classes", 81) == 81 else ()
        return cls(**{"class_names": names, **overrides})

    @classmethod
    def slim(cls, **overrides: Any) -> Self:
        """The same architecture with a sixteenth of the channels: ResNet-26 at 512x512."""
        slim = {
            "name": "slim",
            "image_min_dim": 512,
            "image_max_dim": 512,
            "backbone": "resnet26",
            "backbone_width": 16,
            "top_down_pyramid_size": 64,
            "rpn_anchor_scales": (16, 32, 64, 128, 256),
            "rpn_channels": 64,
            "pre_nms_limit": 2000,
            "post_nms_rois_inference": 300,
            "fpn_classif_fc_layers_size": 256,
            "mask_channels": 64,
        }
        return cls(**{**slim, **overrides})

    @classmethod
    def from_matterport(cls, config: Any, **overrides: Any) -> Self:
        """Read a config class or object of Matterport's code, or one made alike.

        Upper-case attributes that have a field here are taken; derived ones
        (`BATCH_SIZE`, `IMAGE_SHAPE`, `IMAGE_META_SIZE`) and those of their own making
        are not. A callable BACKBONE is refused: give it to `MaskRCNN(…, backbone=…)`.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        theirs = {key.lower(): getattr(config, key) for key in dir(config) if key.isupper()}
        known = {name: value for name, value in theirs.items() if name in fields}
        if not known:
            raise ConfigError(
                f"{config!r} has none of the attributes of Matterport's Config "
                "(NUM_CLASSES, IMAGE_MAX_DIM, …); give the class or an object of it"
            )
        if callable(known.get("backbone")) and "backbone" not in overrides:
            raise ConfigError(
                "BACKBONE is a callable: give it to the model, MaskRCNN(config, backbone=…), "
                "and name a stand-in here: Config.from_matterport(config, backbone='resnet50')"
            )
        for name in ("image_min_dim", "image_max_dim", "image_min_scale"):
            known[name] = known.get(name) or 0  # theirs may be None
        if isinstance(weights := known.get("loss_weights"), dict):
            known["loss_weights"] = tuple(weights[loss] for loss in LOSSES)
        known["name"] = str(known.get("name") or "matterport")
        return cls(**{**known, **overrides})

    def replace(self, **changes: Any) -> Self:
        """Return another config with these fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    def differences(self, other: Self) -> dict[str, Any]:
        """The fields in which this config differs from another one, with this one's values."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        }

    @property
    def anchors_per_cell(self) -> int:
        return len(self.rpn_anchor_ratios)

    def class_name(self, class_id: int) -> str:
        """Return the name of a class, or `class 7` where the config has no names."""
        if self.class_names:
            return self.class_names[class_id]
        return "background" if class_id == 0 else f"class {class_id}"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; fields of another version are refused by name."""
        values = json.loads(text)
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ConfigError(f"unknown config fields {sorted(unknown)}: made by another version?")
        return cls(**values)


#: Fields that decide the shapes of the weights.
ARCHITECTURE = (
    *("num_classes", "image_channel_count", "backbone", "backbone_width", "backbone_strides"),
    *("top_down_pyramid_size", "rpn_anchor_ratios", "rpn_anchor_stride", "rpn_channels"),
    *("pool_size", "mask_pool_size", "fpn_classif_fc_layers_size", "mask_channels"),
)


def read_settings(path: Path) -> dict[str, Any]:
    """Read config fields from a JSON file, such as the config.json of a training run.

    Raises ConfigError if the file is not a JSON object of fields that Config has.
    """
    try:
        settings = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds a {type(settings).__name__}, not config fields by name")
    unknown = sorted(set(settings) - set(Config.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"{path} has entries that are not fields of Config: {', '.join(unknown)}")
    return settings


def _check(config: Config) -> None:
    """Refuse a config that contradicts itself: field, value, what would do."""

    def need(condition: bool, field: str, what_would_do: str) -> None:
        if not condition:
            raise ConfigError(f"{field} is {getattr(config, field)!r}: {what_would_do}")

    need(config.num_classes >= 2, "num_classes", "count the background too, so 2 at least")
    names = len(config.class_names)
    need(
        names in (0, config.num_classes),
        "class_names",
        f"give {config.num_classes} names (num_classes), background first, or none",
    )
    need(
        config.backbone in BACKBONES,
        "backbone",
        f"one of {', '.join(BACKBONES)}, or give a callable to MaskRCNN(config, backbone=…)",
    )
    _check_image(config, need)

    levels = len(config.backbone_strides)
    need(
        config.backbone_strides == (4, 8, 16, 32, 64),
        "backbone_strides",
        "the backbone and its pyramid have strides (4, 8, 16, 32, 64)",
    )
    for field in ("rpn_anchor_scales", "rpn_anchor_ratios"):
        values = getattr(config, field)
        need(len(values) > 0 and min(values) > 0, field, "positive numbers, one at least")
    need(len(config.rpn_anchor_scales) == levels, "rpn_anchor_scales", f"one for each of {levels}")
    for field in ("rpn_bbox_std_dev", "bbox_std_dev"):
        values = getattr(config, field)
        need(len(values) == 4 and min(values) > 0, field, "four positive numbers, dy dx dh dw")
    for field in ("rpn_nms_threshold", "detection_nms_threshold", "detection_min_confidence"):
        need(0 <= getattr(config, field) <= 1, field, "a number from 0 to 1")
    for field in ("roi_positive_ratio", "rpn_positive_ratio"):
        need(0 < getattr(config, field) <= 1, field, "above 0, at most 1")
    for field, choices in SWITCHES.items():
        need(getattr(config, field) in choices, field, " or ".join(map(repr, choices)))
    need(
        config.train_bn is None or isinstance(config.train_bn, bool),
        "train_bn",
        "True (the batch's statistics), None (the batch's while training), or False (stored ones)",
    )
    mask_side = 2 * config.mask_pool_size
    need(
        config.mask_shape == (mask_side, mask_side),
        "mask_shape",
        f"the deconvolution doubles mask_pool_size, so ({mask_side}, {mask_side})",
    )
    need(len(config.loss_weights) == 5, "loss_weights", "five numbers, one for each loss")
    whole_and_positive = (
        *("backbone_width", "top_down_pyramid_size", "rpn_channels", "rpn_anchor_stride"),
        *("pre_nms_limit", "post_nms_rois_training", "post_nms_rois_inference", "pool_size"),
        *("mask_pool_size", "fpn_classif_fc_layers_size", "mask_channels"),
        *("detection_max_instances", "max_gt_instances", "images_per_gpu", "gpu_count"),
        *("train_rois_per_image", "rpn_train_anchors_per_image", "image_channel_count"),
    )
    for field in whole_and_positive:
        value = getattr(config, field)
        need(int(value) == value and value >= 1, field, "a whole number, 1 at least")


def _check_image(config: Config, need: Callable[[bool, str, str], None]) -> None:
    """The sides must halve six times: P6 has a stride of 64, and P2…P5 are added up."""
    need(
        config.image_resize_mode in RESIZE_MODES,
        "image_resize_mode",
        f"one of {', '.join(RESIZE_MODES)}",
    )
    need(
        len(config.mean_pixel) == config.image_channel_count,
        "mean_pixel",
        f"one number for each of {config.image_channel_count} channels (image_channel_count)",
    )
    side = {"square": "image_max_dim", "pad64": "image_min_dim", "crop": "image_min_dim"}.get(
        config.image_resize_mode
    )
    if side:
        value = getattr(config, side)
        near = max(64, round(value / 64) * 64)
        need(
            value > 0 and value % 64 == 0,
            side,
            f"the pyramid halves the image six times, so a multiple of 64: {near} is near",
        )
    if config.image_resize_mode == "square":
        need(
            config.image_min_dim <= config.image_max_dim,
            "image_min_dim",
            f"at most image_max_dim, {config.image_max_dim}",
        )
    need(config.image_min_scale >= 0, "image_min_scale", "0 (nothing asked for) or more")
