"""What the shapes of weights show about the config of their model."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mrcnn_explained.config import BACKBONES, Config

#: Config fields that a kernel's shape shows: kernel, its rank, the axis. The axes of a
#: convolution's kernel are height, width, channels in, channels out.
SHOWN_BY = {
    "num_classes": ("mrcnn_class_logits/kernel", 2, 1),
    "image_channel_count": ("conv1/kernel", 4, 2),
    "backbone_width": ("conv1/kernel", 4, 3),
    "top_down_pyramid_size": ("fpn_c5p5/kernel", 4, 3),
    "rpn_channels": ("rpn_conv_shared/kernel", 4, 3),
    "fpn_classif_fc_layers_size": ("mrcnn_class_conv1/kernel", 4, 3),
    "mask_channels": ("mrcnn_mask_conv1/kernel", 4, 3),
}

_RESNET_BLOCK = re.compile(r"(?:res|bn)([2-5])([a-z])_branch[12][abc]?")


def fields_shown(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the fields of `Config` that follow from shapes: classes, backbone, widths.

    shapes    of the weights, by `layer/weight`; fields of layers that it lacks are absent
    """
    found: dict[str, Any] = {
        field: shapes[key][axis]
        for field, (key, rank, axis) in SHOWN_BY.items()
        if len(shapes.get(key, ())) == rank
    }
    backbones = {blocks: name for name, blocks in BACKBONES.items()}
    if backbone := backbones.get(resnet_blocks(shapes)):
        found["backbone"] = backbone
    return found


def contradiction(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the first field of a config that the shapes of its weights contradict; "" if none.

    A config that fits cannot make the model larger than the weights are.
    """
    for field, value in fields_shown(shapes).items():
        if (mine := getattr(config, field)) != value:
            return f"its config says {field} {mine}, its weights say {value}"
    kernel = shapes.get("mrcnn_class_conv1/kernel", ())
    if len(kernel) == 4 and kernel[0] != config.pool_size:
        return f"its config says pool_size {config.pool_size}, its weights say {kernel[0]}"
    scores, ratios = shapes.get("rpn_class_raw/kernel", ()), config.anchors_per_cell
    if len(scores) == 4 and scores[3] != 2 * ratios:
        return f"its config says {ratios} rpn_anchor_ratios, its weights say {scores[3] // 2}"
    return ""


def resnet_blocks(keys: Iterable[str]) -> tuple[int, ...]:
    """Count the residual blocks of stages 2…5 in the names of layers.

    (3, 4, 6, 3) is ResNet-50, (3, 4, 23, 3) ResNet-101; without a ResNet (0, 0, 0, 0).
    """
    matches = (_RESNET_BLOCK.fullmatch(key.split("/")[0]) for key in keys)
    blocks = {match.groups() for match in matches if match}
    return tuple(sum(stage == str(k) for stage, _ in blocks) for k in range(2, 6))
