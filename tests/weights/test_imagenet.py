"""ImageNet weights of Keras: every layer gets its own, and what does not fit is refused."""

import keras
import numpy as np
import pytest

from mrcnn_explained.config import Config
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import InputError
from mrcnn_explained.weights.imagenet import load_imagenet


def load(model):
    load_imagenet(model.weights, model.config)


class TestImageNet:
    """Keras' ResNet50 as it is made, with random weights in place of the download."""

    @pytest.fixture
    def keras_resnet(self, monkeypatch):
        make = keras.applications.ResNet50
        made = make(weights=None, include_top=False)
        monkeypatch.setattr(keras.applications, "ResNet50", lambda **_: made)
        return made

    @staticmethod
    def model():
        return MaskRCNN(Config.slim(backbone="resnet50", backbone_width=64))

    @pytest.mark.slow
    def test_each_layer_comes_home(self, keras_resnet):
        rng = np.random.default_rng(0)
        for variable in keras_resnet.weights:
            variable.assign(rng.normal(size=variable.shape))
        model = self.model()
        with pytest.warns(UserWarning, match="reversed for RGB"):
            load_imagenet(model.weights, model.config)
        for theirs, ours in (
            ("conv2_block1_0_conv", "res2a_branch1"), ("conv2_block1_1_conv", "res2a_branch2a"),
            ("conv2_block1_0_bn", "bn2a_branch1"), ("conv2_block1_3_conv", "res2a_branch2c"),
            ("conv3_block4_2_conv", "res3d_branch2b"), ("conv4_block6_3_bn", "bn4f_branch2c"),
            ("conv5_block3_1_bn", "bn5c_branch2a"), ("conv1_bn", "bn_conv1"),
        ):  # fmt: skip
            for value in keras_resnet.get_layer(theirs).weights:
                ours_value = model.weights[f"{ours}/{value.name}"].numpy()
                np.testing.assert_array_equal(ours_value, value.numpy(), err_msg=theirs)
        stem = keras_resnet.get_layer("conv1_conv").kernel.numpy()
        np.testing.assert_array_equal(model.weights["conv1/kernel"][:, :, 0], stem[:, :, 2])

    def test_without_a_network_it_says_so(self, monkeypatch):
        def fails(**_):
            raise OSError("no route to host")

        monkeypatch.setattr(keras.applications, "ResNet50", fails)
        with pytest.raises(InputError, match=r"cannot be loaded: no route to host.*"):
            load(self.model())

    def test_only_what_fits_is_filled(self):
        with pytest.raises(InputError, match="a resnet50 of width 64, but the config has"):
            load(MaskRCNN(Config.slim()))
