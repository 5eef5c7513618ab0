"""Backbone: ResNet, from the image to feature maps of stride 4, 8, 16 and 32.

Paper    Deep Residual Learning (arXiv:1512.03385), table 1 and figure 5 (right)
Input    molded of image.py
Output   c2…c5 are read by pyramid.py
Shapes   B images of H x W pixels; w = width, 64 in the paper
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import keras
import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.layers import batch_norm, conv


class BackboneFeatures(NamedTuple):
    """The last output of each stage of the backbone."""

    c1: Annotated[
        Float32[tf.Tensor, "B H//4 W//4 ch1"], "stride 4: the stem, after its max-pooling"
    ]
    c2: Annotated[Float32[tf.Tensor, "B H//4 W//4 ch2"], "stride 4, 4w channels"]
    c3: Annotated[Float32[tf.Tensor, "B H//8 W//8 ch3"], "stride 8, 8w channels"]
    c4: Annotated[Float32[tf.Tensor, "B H//16 W//16 ch4"], "stride 16, 16w channels"]
    c5: Annotated[Float32[tf.Tensor, "B H//32 W//32 ch5"], "stride 32, 32w channels"]

    @property
    def pyramid_maps(self) -> tuple[tf.Tensor, ...]:
        """C2…C5, finest first: what the pyramid reads. C1 is not used."""
        return self.c2, self.c3, self.c4, self.c5


class ResNet(keras.layers.Layer):
    """ResNet of bottleneck blocks, in the shape and with the names of Matterport's code.

    blocks    bottleneck blocks in stages 2…5: (3, 4, 6, 3) is ResNet-50, (3, 4, 23, 3) -101
    width     channels of the stem

    Where implementations differ: convolutions carry a bias although BatchNorm follows
    (deviation 13), BatchNorm's epsilon is 1e-3 (14), the stride sits in the first 1x1
    convolution of a block (17), and the max-pooling pads below and right only (18).
    """

    def __init__(self, blocks: Sequence[int] = (3, 4, 6, 3), width: int = 64, channels: int = 3):
        super().__init__(name="resnet")
        self.conv1 = conv("conv1", channels, width, 7, strides=2, padding="valid")
        self.bn_conv1 = batch_norm("bn_conv1", width)
        self.blocks, channels = [], width
        for stage, count in enumerate(blocks, start=2):
            filters = width * 2 ** (stage - 2)
            for index in range(count):
                name = f"{stage}{chr(ord('a') + index)}"
                stride = 2 if index == 0 and stage > 2 else 1
                self.blocks.append(Bottleneck(name, channels, filters, stride, index == 0))
                channels = 4 * filters
        self.channels = tuple(4 * width * 2**k for k in range(4))  # of c2…c5
        self._last_block = {
            f"res{stage}{chr(ord('a') + count - 1)}_out": f"c{stage}"
            for stage, count in enumerate(blocks, start=2)
        }
        self.built = True

    def walk(
        self, images: Float32[tf.Tensor, "B H W ch"], train_bn: bool = False
    ) -> Iterator[tuple[str, tf.Tensor]]:
        """Yield the name and output of every layer, in the order of the data.

        All of them for ResNet-101 at 1024x1024 are 17 GB: keep what you need and let
        the rest go, `next(x for name, x in resnet.walk(images) if name == "res4f_out")`.
        """
        x = tf.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]])
        yield "conv1", (x := self.conv1(x))
        yield "bn_conv1", (x := self.bn_conv1(x, training=train_bn))
        yield "relu_conv1", (x := tf.nn.relu(x))
        yield "pool1", (x := tf.nn.max_pool2d(x, ksize=3, strides=2, padding="SAME"))
        for block in self.blocks:
            for name, output in block.walk(x, train_bn):
                yield name, output
            x = output

    def call(
        self, images: Float32[tf.Tensor, "B H W ch"], train_bn: bool = False
    ) -> BackboneFeatures:
        """Walk through all layers and keep the last of each stage.

        train_bn    BatchNorm uses the batch's own statistics and learns them, instead of the
                    stored ones (Matterport's TRAIN_BN)
        """
        stage_of = {"pool1": "c1", **self._last_block}
        kept = {stage_of[name]: x for name, x in self.walk(images, train_bn) if name in stage_of}
        return BackboneFeatures(**kept)


class Bottleneck(keras.layers.Layer):
    """1x1 down, 3x3, 1x1 up, added to the shortcut (arXiv:1512.03385, figure 5 right)."""

    def __init__(self, name: str, channels: int, filters: int, stride: int, projection: bool):
        super().__init__(name=f"block{name}")
        self.label = f"res{name}"
        res, bn = f"res{name}_branch", f"bn{name}_branch"
        self.conv_a = conv(f"{res}2a", channels, filters, 1, strides=stride)
        self.bn_a = batch_norm(f"{bn}2a", filters)
        self.conv_b = conv(f"{res}2b", filters, filters, 3)
        self.bn_b = batch_norm(f"{bn}2b", filters)
        self.conv_c = conv(f"{res}2c", filters, 4 * filters, 1)
        self.bn_c = batch_norm(f"{bn}2c", 4 * filters)
        self.projection = projection
        if projection:  # the shortcut changes its size, so it needs weights
            self.conv_1 = conv(f"{res}1", channels, 4 * filters, 1, strides=stride)
            self.bn_1 = batch_norm(f"{bn}1", 4 * filters)
        self.built = True

    def walk(self, x: tf.Tensor, train_bn: bool = False) -> Iterator[tuple[str, tf.Tensor]]:
        """Yield the name and output of every layer; the last is the block's own."""
        shortcut = x
        main = ((self.conv_a, self.bn_a), (self.conv_b, self.bn_b), (self.conv_c, self.bn_c))
        for step, (convolution, norm) in zip("abc", main, strict=True):
            yield convolution.name, (x := convolution(x))
            yield norm.name, (x := norm(x, training=train_bn))
            if step != "c":
                yield f"{self.label}_relu2{step}", (x := tf.nn.relu(x))
        if self.projection:
            yield self.conv_1.name, (shortcut := self.conv_1(shortcut))
            yield self.bn_1.name, (shortcut := self.bn_1(shortcut, training=train_bn))
        yield f"{self.label}_sum", (x := x + shortcut)
        yield f"{self.label}_out", tf.nn.relu(x)


def adapt(backbone: Callable[..., Any]) -> Callable[[tf.Tensor, bool], BackboneFeatures]:
    """Return any backbone as a function of (images, train_bn) that gives its maps by name.

    backbone    callable: images [B, H, W, ch] → (c1, c2, c3, c4, c5), strides 4, 4, 8, 16, 32

    Matterport's `resnet_graph` takes `stage5` and `train_bn`, Keras models take `training`: a
    backbone that has these arguments gets them. C1 may be None, since the pyramid does not
    use it; the result then holds a map of 0 channels.
    """
    function = backbone.call if isinstance(backbone, keras.layers.Layer) else backbone
    try:
        accepted = set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a function written in C does not list its arguments
        accepted = set()

    def features(images: tf.Tensor, train_bn: bool = False) -> BackboneFeatures:
        """Call the backbone with the arguments that it has, and name its maps."""
        offered = {"stage5": True, "train_bn": train_bn, "training": train_bn}
        maps = backbone(images, **{k: v for k, v in offered.items() if k in accepted})
        c1, c2, c3, c4, c5 = _five_maps(maps, images)
        return BackboneFeatures(c1, c2, c3, c4, c5)

    return features


def probe(backbone: Callable[..., Any], channels: int = 3) -> list[int]:
    """Try any backbone on a small black image; return the channels of c2…c5.

    backbone    as `adapt` takes it
    channels    of the image

    Raises BackboneError for a backbone that cannot be called, that returns other maps, or
    that makes new layers at every call: their weights would be random each time.
    """
    features, black = adapt(backbone), tf.zeros([1, 64, 64, channels])
    try:
        maps = features(black, False)
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(
            f"this backbone cannot be called with images [1, 64, 64, {channels}]: "
            f"{type(error).__name__}: {error}. Give a callable: images → (c1, c2, c3, c4, c5)"
        ) from error
    made: list[str] = []

    def count(next_creator: Callable[..., Any], **settings: Any) -> Any:
        """Note the name of a variable that is being made."""
        made.append(str(settings.get("name")))
        return next_creator(**settings)

    with tf.variable_creator_scope(count):
        features(black, False)
    if made:
        raise BackboneError(
            f"this backbone makes new layers at every call ({len(made)} variables, the first is "
            f"{made[0]}), so its weights are random each time. Make the layers once: a "
            "keras.Model, or a class that keeps them"
        )
    return [x.shape[-1] for x in maps.pyramid_maps]


class BackboneError(InputError):
    """A backbone that does not fit: what it returned, what was expected."""


def _five_maps(maps: Any, images: tf.Tensor) -> list[tf.Tensor]:
    """Return the maps of a backbone in order, or raise BackboneError with their shapes."""
    maps = list(maps) if isinstance(maps, list | tuple) else [maps]
    height, width = images.shape[1:3]
    if len(maps) == 5 and maps[0] is None:
        c2 = tf.shape(maps[1] if maps[1] is not None else images)
        maps[0] = tf.zeros([c2[0], c2[1], c2[2], 0])
    wrong = "" if len(maps) == 5 else f"{len(maps)} maps"
    for name, x, stride in zip(("c2", "c3", "c4", "c5"), maps[1:], (4, 8, 16, 32), strict=False):
        if x is None:
            wrong = wrong or f"None for {name}"
        elif height and width and tuple(x.shape[1:3]) != (height // stride, width // stride):
            wrong = wrong or f"another size for {name}"
    if wrong:
        shapes = [None if x is None else tuple(x.shape) for x in maps]
        raise BackboneError(
            f"a backbone must return five maps, c1…c5, and c2…c5 have the strides 4, 8, 16 and 32; "
            f"of images {tuple(images.shape)} this one returned {shapes}: {wrong}"
        )
    return maps
