"""Memory: the least that a run of a config needs, so that absurd numbers are refused unallocated.

Only tensors that must exist at the same time are counted, so what is refused could not run. A run
needs more than this: convolutions, for example, have work space of their own.
"""

from mrcnn_explained.config import Config
from mrcnn_explained.inputs import check_memory

FLOAT = 4  # bytes

#: Fields that a message names, by the part that they make large: as options call them.
_FIELDS = {
    "weights": "the widths of the network",
    "feature maps": "image_max_dim or image_min_dim (--size)",
    "ROIs": "post_nms_rois_inference (--proposals)",
    "ROIs to train on": "train_rois_per_image",
    "detections": "detection_max_instances",
    "masks of the objects": "max_gt_instances, or the side of the masks",
}


def check_run(config: Config, *, traced: bool = False) -> None:
    """Raise OutOfMemoryError if the machine cannot hold a run of the detector on one image.

    traced    whether every tensor is kept
    """
    parts = {"weights": _weights(config), **_of_image(config)}
    if traced:
        parts["feature maps"] += _kept_maps(config)
    _check(f"the detector at {_side(config)} pixels", parts, 1)


def check_training(config: Config, batch: int) -> None:
    """Raise OutOfMemoryError if the machine cannot hold a training step.

    batch    images in a batch
    """
    of_image = {**_of_image(config), "masks of the objects": _object_masks(config)}
    del of_image["ROIs"], of_image["detections"]
    of_image["ROIs to train on"] = config.train_rois_per_image * _of_roi(config)
    parts = {"weights": 3 * _weights(config)}  # the weights, their gradients, the momentum
    parts |= {name: batch * size for name, size in of_image.items()}
    _check(f"training on {batch} images of {_side(config)} pixels", parts, batch)


def _check(what: str, parts: dict[str, int], images: int) -> None:
    """Compare the parts with the memory; name what makes the largest one large."""
    field = _FIELDS[max(parts, key=lambda part: parts[part])]
    fewer = "the number of images in a batch (--batch), or " if images > 1 else ""
    check_memory(what, parts, f"Lower {fewer}{field}")


def _side(config: Config) -> int:
    """Return the side of the molded image, pixels; 64 if each image decides."""
    sides = {"square": config.image_max_dim, "crop": config.image_min_dim}
    return sides.get(config.image_resize_mode, 64)


def _of_image(config: Config) -> dict[str, int]:
    """Return the bytes that each part needs for one image."""
    pixels = _side(config) ** 2
    cells = sum(pixels // stride**2 for stride in config.backbone_strides)
    stem = 3 * pixels // 4 * config.backbone_width  # convolution, BatchNorm, ReLU
    maps = cells * config.top_down_pyramid_size
    anchors = cells // config.rpn_anchor_stride**2 * config.anchors_per_cell * 4
    per_mask = config.num_classes * config.mask_shape[0] * config.mask_shape[1]
    return {
        "feature maps": FLOAT * (stem + maps + anchors),
        "ROIs": config.post_nms_rois_inference * _of_roi(config),
        "detections": FLOAT * config.detection_max_instances * per_mask,
    }


def _kept_maps(config: Config) -> int:
    """Return the bytes of the maps that only a trace keeps: C2…C5, laterals, sums, the RPN's."""
    pixels, width = _side(config) ** 2, config.backbone_width
    backbone = sum(4 * 2**k * width * pixels // (4 * 2**k) ** 2 for k in range(4))
    cells = sum(pixels // stride**2 for stride in config.backbone_strides)
    pyramid = cells * (3 * config.top_down_pyramid_size + config.rpn_channels)
    return FLOAT * (backbone + pyramid)


def _of_roi(config: Config) -> int:
    """Return the bytes that one ROI needs: its crop, and what the box head makes of it."""
    crop = config.pool_size**2 * config.top_down_pyramid_size
    return FLOAT * (crop + config.fpn_classif_fc_layers_size + 5 * config.num_classes)


def _object_masks(config: Config) -> int:
    """Return the bytes that the masks of an image's objects need."""
    height, width = config.mini_mask_shape
    pixels = height * width if config.use_mini_mask else _side(config) ** 2
    return FLOAT * config.max_gt_instances * pixels


def _weights(config: Config) -> int:
    """Return the bytes of the largest layers' weights."""
    fpn, fc = config.top_down_pyramid_size, config.fpn_classif_fc_layers_size
    backbone = 9 * (8 * config.backbone_width) ** 2  # a 3x3 convolution of stage 5
    pyramid = 4 * 9 * fpn**2
    rpn = 9 * fpn * config.rpn_channels
    box_head = config.pool_size**2 * fpn * fc + fc**2 + 5 * fc * config.num_classes
    mask_head = 9 * fpn * config.mask_channels + 4 * 9 * config.mask_channels**2
    return FLOAT * (backbone + pyramid + rpn + box_head + mask_head)
