"""Backbone: ResNet, layer by layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close, fill_with_noise, weights_of

from mrcnn_explained.stages.backbone import BackboneError, BackboneFeatures, ResNet, adapt, probe


@pytest.fixture(scope="module")
def small():
    """A ResNet with two channels in its stem, its weights, and an image for it."""
    resnet = ResNet(blocks=(2, 1, 1, 2), width=2)
    weights = fill_with_noise(weights_of(resnet))
    image = np.random.default_rng(0).normal(0, 50, [2, 64, 96, 3]).astype(np.float32)
    return resnet, weights, image


def test_every_map_matches_a_resnet_of_plain_loops(small, mode):
    resnet, weights, image = small
    found = mode(resnet)(image)
    expected = witness.resnet(weights, image.astype(np.float64), (2, 1, 1, 2))
    for name, ours, theirs in zip(found._fields, found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std(), err_msg=name)


def test_strides_and_channels(small, mode):
    # 64 x 96 pixels; the stem halves twice, then every stage but the second halves once more.
    found = mode(small[0])(small[2])
    assert [x.shape for x in found] == [
        *((2, 16, 24, 2), (2, 16, 24, 8), (2, 8, 12, 16), (2, 4, 6, 32), (2, 2, 3, 64)),
    ]
    assert small[0].channels == (8, 16, 32, 64)


def test_every_layer_can_be_walked(small):
    resnet, _, image = small
    outputs = dict(resnet.walk(tf.constant(image)))
    # conv, norm, relu, pool; a block: 3 convolutions and norms, 2 relus, sum and out, and
    # with a projection a convolution and a norm more. Six blocks, four with a projection.
    assert len(outputs) == 4 + 6 * 10 + 4 * 2
    features = resnet(tf.constant(image))
    for stage, block in (("c2", "2b"), ("c3", "3a"), ("c4", "4a"), ("c5", "5b")):
        np.testing.assert_array_equal(outputs[f"res{block}_out"], getattr(features, stage))
    np.testing.assert_array_equal(outputs["pool1"], features.c1)
    for name, x in outputs.items():
        assert not name.startswith("res") or not name.endswith("_out") or (x.numpy() >= 0).all()


@pytest.mark.parametrize(
    ("blocks", "layers"), [((2, 2, 2, 2), 26), ((3, 4, 6, 3), 50), ((3, 4, 23, 3), 101)]
)
def test_a_resnet_is_called_after_its_layers(blocks, layers):
    # Three convolutions a block and the stem; the last fully connected layer is counted by
    # the paper, but a detector has none. ResNet-101's fourth stage ends with res4w.
    names = {name.split("/")[0] for name in weights_of(ResNet(blocks, width=1))}
    convolutions = [n for n in names if "2a" in n[5:] or "2b" in n[5:] or "2c" in n[5:]]
    convolutions = [n for n in convolutions if n.startswith("res")]
    assert len(convolutions) + 1 + 1 == layers
    assert ("res4w_branch2a" in names) == (layers == 101)


def test_layers_carry_the_names_of_weight_files(small):
    names = set(weights_of(small[0]))
    assert {"conv1/kernel", "conv1/bias", "bn_conv1/gamma", "res2a_branch1/kernel"} <= names
    assert "bn5b_branch2c/moving_variance" in names and "res2b_branch1/kernel" not in names


def test_a_batch_equals_its_images_one_by_one(small, mode):
    resnet, _, image = small
    both = mode(resnet)(image)
    for i in range(2):
        for together, alone in zip(both, mode(resnet)(image[i : i + 1]), strict=True):
            close(together[i], alone[0], spread=1e-5)


def test_probe_returns_the_channels_of_any_backbone():
    halve = lambda x, n: tf.zeros([1, 64 // n, 64 // n, n])  # noqa: E731
    assert probe(lambda x: [halve(x, n) for n in (2, 4, 8, 16, 32)]) == [4, 8, 16, 32]
    assert probe(ResNet((1, 1, 1, 1), width=2)) == [8, 16, 32, 64]


@pytest.mark.parametrize("strides", [(4, 4, 8, 16), (4, 4, 8, 16, 64), (4, 8, 16, 32, 64)])
def test_probe_refuses_maps_of_other_strides(strides):
    with pytest.raises(ValueError, match="five maps.*this one returned"):
        probe(lambda x: [tf.zeros([1, 64 // n, 64 // n, 8]) for n in strides])


@pytest.mark.parametrize("name", BackboneFeatures._fields)
def test_goldens(golden_trace, goldens, name):
    features = getattr(golden_trace.backbone, name)
    check_map(features, goldens, name.upper())


def check_map(features, goldens, name):
    """A map of the network equals its golden windows and statistics."""
    h, w = features.shape[1:3]
    assert features.shape == tuple(goldens[f"feat_{name}_shape"])
    spread = 1e-4 * goldens[f"feat_{name}_std"].max()
    equal = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=spread)  # noqa: E731
    equal(features[:, :4, :4, :8], goldens[f"feat_{name}_corner"])
    middle = features[:, h // 2 - 2 : h // 2 + 2, w // 2 - 2 : w // 2 + 2, :8]
    equal(middle, goldens[f"feat_{name}_centre"])
    equal(features[:, -4:, -4:, -8:], goldens[f"feat_{name}_endcorner"])
    equal(features.mean((1, 2, 3), np.float64), goldens[f"feat_{name}_mean"])
    equal(features.std((1, 2, 3), np.float64), goldens[f"feat_{name}_std"])


# Backbones of the caller's own ------------------------------------------------------------------


def maps_of(images, channels=(2, 2, 3, 4, 5)):
    """Five maps of zeros with the right strides."""
    height, width = images.shape[1:3]
    sizes = zip((4, 4, 8, 16, 32), channels, strict=True)
    return [tf.zeros([images.shape[0], height // s, width // s, ch]) for s, ch in sizes]


def test_a_backbone_gets_the_arguments_of_matterport_that_it_has():
    asked = []

    def graph(input_image, stage5=False, train_bn=None):
        asked.append((stage5, train_bn))
        return maps_of(input_image)

    features = adapt(graph)(tf.zeros([1, 64, 64, 3]), True)
    assert asked == [(True, True)] and features.c5.shape == (1, 2, 2, 5)

    def keras_like(images, training=False):
        asked.append(training)
        return maps_of(images)

    adapt(keras_like)(tf.zeros([1, 64, 64, 3]), True)
    assert asked[-1] is True


def test_c1_may_be_none_and_no_other_map():
    def without(n):
        return lambda images: [None if i == n else x for i, x in enumerate(maps_of(images))]

    assert probe(without(0)) == [2, 3, 4, 5]
    assert adapt(without(0))(tf.zeros([2, 64, 64, 3]), False).c1.shape == (2, 16, 16, 0)
    for n in (1, 2, 3, 4):
        with pytest.raises(BackboneError, match=rf"this one returned .*: None for c{n + 1}"):
            probe(without(n))


def test_a_backbone_that_cannot_be_called_is_named_with_its_own_words():
    def two_images(left, right):
        return maps_of(left)

    with pytest.raises(BackboneError, match="cannot be called with images .* 'right'"):
        probe(two_images)


def test_a_backbone_that_makes_its_layers_at_every_call_is_refused():
    # As a graph function of Matterport's time, whose layers were made while the graph was.
    def graph(images):
        deep = keras.layers.Conv2D(5, 1)(images[:, ::32, ::32])
        return [*maps_of(images)[:4], deep]

    with pytest.raises(BackboneError, match="makes new layers at every call .2 variables"):
        probe(graph)
