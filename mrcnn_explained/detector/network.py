"""Network: the layers of one detector, built from a config and named as in weight files."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.config import BACKBONES, Config
from mrcnn_explained.detector.finite import all_finite
from mrcnn_explained.detector.per_weight import PerWeight
from mrcnn_explained.stages.backbone import BackboneFeatures, ResNet, adapt, probe
from mrcnn_explained.stages.box_head import BoxHead
from mrcnn_explained.stages.mask_head import MaskHead
from mrcnn_explained.stages.pyramid import FeaturePyramid
from mrcnn_explained.stages.rpn import RegionProposalNetwork


@dataclass
class WeightsOrigin:
    """Where the weights came from. Models that share weights share this, too."""

    name: str = "random"  # name or path of what filled them
    random_layers: tuple[str, ...] = ()  # layers that nothing filled yet
    preset: str = ""  # name of the preset, if they are one's


#: The parts that have weights, in the order of the data.
PARTS = ("backbone", "pyramid", "rpn", "box_head", "mask_head")


class Network:
    """What both maps need of a detector: its config and its layers.

    config      every number
    backbone    any callable in place of the ResNet: images → (c1, c2, c3, c4, c5); see
                `stages.backbone.adapt`

    The weights are random at first. They are drawn from the layers' names, so two networks
    of one config are alike. Raises ValueError for a backbone that does not fit.
    """

    def __init__(self, config: Config, backbone: Callable[..., Any] | None = None):
        c = self.config = config
        channels_in = c.image_channel_count
        self.backbone: Any = backbone
        if backbone is None:
            self.backbone = ResNet(BACKBONES[c.backbone], c.backbone_width, channels_in)
            backbone_channels = list(self.backbone.channels)
        else:
            backbone_channels = probe(backbone, channels_in)
        self._features_of = adapt(self.backbone)
        pyramid_channels = c.top_down_pyramid_size
        self.pyramid = FeaturePyramid(backbone_channels, pyramid_channels)
        self.rpn = RegionProposalNetwork(
            pyramid_channels, c.anchors_per_cell, c.rpn_channels, c.rpn_anchor_stride
        )
        self.box_head = BoxHead(
            pyramid_channels, c.num_classes, c.pool_size, c.fpn_classif_fc_layers_size
        )
        self.mask_head = MaskHead(pyramid_channels, c.num_classes, c.mask_channels)
        self.origin = WeightsOrigin(random_layers=layers_of(self.weights))
        self._hashes, self._finite = PerWeight(_hash), PerWeight(all_finite)

    def extract_features(
        self, molded: Float32[tf.Tensor, "B H W ch"], train_bn: bool = False
    ) -> BackboneFeatures:
        """Run the backbone, whoever made it, and return its five maps by name."""
        return self._features_of(molded, train_bn)

    def norm_settings(self, *, training: bool) -> dict[str, bool]:
        """Return `train_bn` for stages with BatchNorm: batch statistics or the stored ones.

        Matterport's TRAIN_BN: False, stored ones always; None, batch statistics while
        training; True, batch statistics always (deviation 15). The stored ones are the
        default of the stages, so nothing is passed for them.
        """
        train_bn = self.config.train_bn
        use_batch = training if train_bn is None else train_bn
        return {"train_bn": True} if use_batch else {}

    @property
    def weights_from(self) -> str:
        """Name or path of what filled the weights; "random" at first."""
        return self.origin.name

    @weights_from.setter
    def weights_from(self, name: str) -> None:
        self.origin.name = name

    @property
    def random_layers(self) -> tuple[str, ...]:
        """Layers whose weights were never trained."""
        return self.origin.random_layers

    @random_layers.setter
    def random_layers(self, layers: Iterable[str]) -> None:
        self.origin.random_layers = tuple(layers)

    @property
    def preset(self) -> str:
        """Name of the preset that the weights belong to; "" for other weights."""
        return self.origin.preset

    @preset.setter
    def preset(self, name: str) -> None:
        self.origin.preset = name

    @property
    def weights(self) -> dict[str, Any]:
        """Every variable by `layer/weight`, as weight files name it."""
        parts = (getattr(self, name) for name in PARTS)
        variables = (v for part in parts for v in getattr(part, "weights", ()))
        return {"/".join(v.path.split("/")[-2:]): v for v in variables}

    def weights_sha256(self) -> str:
        """Return the hash of names and values of all weights, 64 hexadecimal digits.

        Every weight is hashed by itself, and then names and hashes together.
        """
        lines = [f"{name} {hashed}" for name, hashed in self._hashes(self.weights).items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def weights_not_finite(self) -> list[str]:
        """Return the names of weights that hold NaN or infinity."""
        finite = self._finite(self.weights)
        return [name for name, is_finite in finite.items() if not is_finite]


def _hash(values: np.ndarray) -> str:
    """Return the hash of the values of one weight."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def layers_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the layers of weights named `layer/weight`, each once, in their order."""
    return tuple(dict.fromkeys(name.split("/")[0] for name in names))
