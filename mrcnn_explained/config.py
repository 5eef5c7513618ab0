"""Config: every number of the detector on one page, with its meaning, unit and source.

The names are those of Matterport's `Config`, in lower case, and so are the defaults, which
are those of its COCO model. Stages never see a Config: they get plain values.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from mrcnn_explained.coco_classes import COCO_CLASSES
from mrcnn_explained.config_checks import check, plain
from mrcnn_explained.errors import ConfigError, shown
from mrcnn_explained.matterport_config import MatterportRow, matterport_rows, matterport_values
from mrcnn_explained.system.files import read_json

#: Bottleneck blocks in stages 2…5 of the backbones (He et al., arXiv:1512.03385, table 1).
#: resnet26 is this project's own: the same blocks, few enough to train on a laptop.
BACKBONES: dict[str, tuple[int, ...]] = {
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}

#: The five losses in the order of `loss_weights`.
LOSSES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every number of one detector. Frozen: `config.replace(...)` makes another.

    Raises ConfigError for values that contradict each other: field, value, what is valid.
    Sources: M = Matterport's default, FPN = arXiv:1612.03144, MRCNN = arXiv:1703.06870,
    RPN = Faster R-CNN, arXiv:1506.01497.
    """

    name: str = "coco"
    num_classes: int = 81  # C, the background included
    class_names: tuple[str, ...] = ()  # C names, background first; () numbers them

    # The image (stage 1)
    image_resize_mode: Literal["square", "pad64", "crop", "none"] = "square"  # M; papers: none
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
    rpn_nms_threshold: float = 0.7  # IoU above which the proposal of lower score goes (RPN)
    post_nms_rois_training: int = 2000  # N while training (RPN)
    post_nms_rois_inference: int = 1000  # N (FPN 5.2)

    # ROIs and heads (stages 7 to 12)
    level_rounding: Literal["round", "floor"] = (
        "round"  # of the level equation (M; FPN 4.2: "floor")
    )
    pool_size: int = 7  # P of the box head, cells (MRCNN figure 4)
    mask_pool_size: int = 14  # P of the mask head, cells (MRCNN figure 4)
    mask_shape: tuple[int, int] = (28, 28)  # pixels of a mask (MRCNN figure 4)
    fpn_classif_fc_layers_size: int = 1024  # channels of the two layers (FPN 4.2)
    mask_channels: int = 256  # of the mask head's convolutions (MRCNN figure 4)
    bbox_std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # as rpn_bbox_std_dev (M)
    detection_max_instances: int = 100  # D (MRCNN 3.1)
    detection_min_confidence: float = 0.7  # class probability (M; the papers' tests: 0.05)
    detection_nms_threshold: float = 0.3  # IoU, per class (M; the papers: 0.5)

    # Training (how long and how fast: see Plan in training/trainer.py)
    rpn_train_anchors_per_image: int = 256  # drawn from each image (RPN 3.1.3)
    rpn_positive_ratio: float = 0.5  # of them, at most (RPN 3.1.3)
    use_mini_mask: bool = True  # keep masks small, cut to their boxes (M)
    mini_mask_shape: tuple[int, int] = (56, 56)  # pixels (M)
    train_rois_per_image: int = 200  # (M; MRCNN 3.1: 512 with FPN)
    roi_positive_ratio: float = 0.33  # (M; MRCNN 3.1: 1 in 4)
    train_masks_per_image: int = 0  # masks of so many positive ROIs at most; 0: of all (M)
    max_gt_instances: int = 100  # objects of one image
    weight_decay: float = 0.0001  # divided by the size of each tensor (M; MRCNN: not)
    gradient_clip_norm: float = 5.0  # per variable (M)
    loss_weights: tuple[float, ...] = (1, 1, 1, 1, 1)  # in the order of LOSSES
    use_rpn_rois: bool = True  # False: ROIs are given from outside
    # BatchNorm's statistics. False: stored ones, always. None: the batch's while training,
    # stored ones when detecting. True: the batch's, always (M passes TRAIN_BN in both modes).
    train_bn: bool | None = False

    # Where Matterport's code surprises: its way is the default, the papers' a switch. The
    # numbers are rows of docs/differences.md.
    forced_box: Literal["best", "forcing"] = "best"  # an object's best anchor learns its own best
    add_objects: bool = False  # objects' own boxes among the ROIs to train on (37)
    fill_negatives: bool = False  # negative ROIs up to the count, however few positives (35)
    padding_in_class_loss: bool = True  # zero rows count as background (36)
    box_loss_average: Literal["positives", "sampled"] = "positives"  # divisor (29, 39)
    stop_target_gradient: bool = False  # True: the heads' box loss does not reach the RPN
    clip_by: Literal["variable", "global"] = "variable"  # norm of each gradient (45), or of all
    weight_decay_per: Literal["size", "weight"] = "size"  # divided by each tensor's size (43)

    def __post_init__(self) -> None:
        kinds = {field.name: field.type for field in dataclasses.fields(self)}
        for name, kind in kinds.items():
            object.__setattr__(self, name, plain(getattr(self, name), kind))
        check(vars(self), kinds, BACKBONES)

    @classmethod
    def coco(cls, **overrides: Any) -> Self:
        """Return the config of Matterport's COCO model: 81 classes, ResNet-101, 1024x1024."""
        names = COCO_CLASSES if overrides.get("num_classes", 81) == 81 else ()
        return cls(**{"class_names": names, **overrides})

    @classmethod
    def slim(cls, **overrides: Any) -> Self:
        """Return the same architecture at a quarter of the width: ResNet-26, 512x512."""
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
        """Read a config class of Matterport's code, or an object of it.

        Attributes that have a field here are taken, the overrides win, and what neither gives
        has its default. `matterport_report` lists what is not used and what takes its place.

        Raises ConfigError for a callable BACKBONE, which belongs to `MaskRCNN(…, backbone=…)`,
        and for an attribute that is None or missing where a value is needed.
        """
        return cls(**matterport_values(config, cls.defaults(), overrides, LOSSES))

    @classmethod
    def matterport_report(cls, config: Any) -> tuple[MatterportRow, ...]:
        """List what becomes of each attribute of a Matterport config: one row per attribute.

        Print a row to read it: `RPN_NMS_THRESHOLD = 0.7 → rpn_nms_threshold`.
        """
        return matterport_rows(config, cls.defaults())

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the default value of every field."""
        return {field.name: field.default for field in dataclasses.fields(cls)}

    def replace(self, **changes: Any) -> Self:
        """Return another config with these fields changed; it is checked again."""
        return dataclasses.replace(self, **changes)

    def differences(self, other: Self) -> dict[str, Any]:
        """Return the fields in which this config differs from another, with this one's values."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        }

    @property
    def anchors_per_cell(self) -> int:
        """Return the number of anchors at one cell of a feature map."""
        return len(self.rpn_anchor_ratios)

    def class_name(self, class_id: int) -> str:
        """Return the name of a class, or `class 7` if the config has no names."""
        if self.class_names:
            return self.class_names[class_id]
        return "background" if class_id == 0 else f"class {class_id}"

    def to_json(self) -> str:
        """Return all fields as JSON, as `from_json` reads them."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises ConfigError for fields of another version, by name, and for invalid values.
        """
        return cls(**read_fields(text, "the config"))


#: Fields that decide the shapes of the weights.
ARCHITECTURE = (
    "num_classes",
    "image_channel_count",
    "backbone",
    "backbone_width",
    "backbone_strides",
    "top_down_pyramid_size",
    "rpn_anchor_ratios",
    "rpn_anchor_stride",
    "rpn_channels",
    "pool_size",
    "mask_pool_size",
    "fpn_classif_fc_layers_size",
    "mask_channels",
)


def read_settings(path: Path) -> dict[str, Any]:
    """Read config fields from a JSON file, such as the config.json of a training run.

    Raises ConfigError if the file is not a JSON object of fields that Config has.
    """
    return _fields(read_json(path, "the config.json of a training run", ConfigError), str(path))


def read_fields(text: str | bytes, what: str) -> dict[str, Any]:
    """Read config fields from JSON. The values are checked when a Config is made of them.

    what    what is read, for the message

    Raises ConfigError if the text is not a JSON object of fields that Config has.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is not JSON: {shown(str(error))[1:-1]}") from error
    return _fields(values, what)


def _fields(values: Any, what: str) -> dict[str, Any]:
    """Return values that are config fields by name; raise ConfigError for any others."""
    if not isinstance(values, dict):
        raise ConfigError(f"{what} holds a {type(values).__name__}, not config fields by name")
    if unknown := sorted(set(values) - set(Config.defaults())):
        raise ConfigError(
            f"{what} has entries that are not fields of Config: {shown(', '.join(unknown))[1:-1]} "
            f"({len(unknown)} in all); it may be of another version"
        )
    return values
