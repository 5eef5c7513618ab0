"""ImageNet weights: those of Keras' own ResNet-50, put into a backbone with Matterport's names."""

import re
import warnings
from collections.abc import Mapping

from mrcnn_explained.config import Config
from mrcnn_explained.errors import InputError
from mrcnn_explained.weights.load import Variable

#: Keras' number for each branch of a block; branch 1 is the shortcut.
STEPS = {"1": 0, "2a": 1, "2b": 2, "2c": 3}


def load_imagenet(variables: Mapping[str, Variable], config: Config) -> None:
    """Fill a ResNet-50 backbone with Keras' ImageNet weights; the first call downloads them.

    variables    of the model, by `layer/weight`; those of the backbone are assigned
    config       of the model: its backbone must be a resnet50 of width 64

    Keras' weights expect BGR minus the mean, this model RGB minus the mean, so the input
    channels of the first convolution are reversed (Matterport's code keeps their order:
    deviation 19).

    Raises InputError if the download fails or the backbone is another one.
    """
    import keras

    if config.backbone != "resnet50" or config.backbone_width != 64:
        raise InputError(
            "ImageNet weights are those of a resnet50 of width 64, but the config has a "
            f"{config.backbone} of width {config.backbone_width}; use backbone='resnet50', "
            "backbone_width=64"
        )
    try:
        source = keras.applications.ResNet50(weights="imagenet", include_top=False)
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise InputError(f"Keras' ImageNet weights cannot be loaded: {error}") from error
    for name, variable in variables.items():
        if not name.startswith(("conv1/", "bn", "res")):
            continue
        layer, kind = name.split("/")
        values = {v.name: v.numpy() for v in source.get_layer(keras_name(layer)).weights}
        value = values[kind]
        if name == "conv1/kernel":
            value = value[:, :, ::-1]
        variable.assign(value)
    warnings.warn(
        "ImageNet weights were trained on BGR images: the input channels of the first "
        "convolution were reversed for RGB",
        stacklevel=2,
    )


def keras_name(layer: str) -> str:
    """Return Keras' name of a backbone layer: res4b_branch2a is conv4_block2_1_conv."""
    if layer in ("conv1", "bn_conv1"):
        return "conv1_conv" if layer == "conv1" else "conv1_bn"
    match = re.fullmatch(r"(res|bn)(\d)([a-z])_branch(1|2[abc])", layer)
    if match is None:
        raise InputError(f"{layer} is not the name of a layer of Matterport's ResNet")
    kind, stage, block, branch = match.groups()
    number = ord(block) - ord("a") + 1
    suffix = "conv" if kind == "res" else "bn"
    return f"conv{stage}_block{number}_{STEPS[branch]}_{suffix}"
