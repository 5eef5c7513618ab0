"""Presets: weights and config in one file without pickle."""

import numpy as np
import pytest
from conftest import make_tiny_model

from mrcnn_explained.config import Config
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import OutOfMemoryError
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.load import load_into, save_weights
from mrcnn_explained.weights.presets import read_preset, save_preset


@pytest.mark.slow
def test_a_saved_preset_is_the_same_model_in_half_precision(tmp_path, tiny_images):
    model = make_tiny_model()
    weights = {name: v.numpy() for name, v in model.weights.items()}
    save_preset(tmp_path / "p.npz", model.config, weights)
    again = MaskRCNN.from_preset(tmp_path / "p.npz")
    assert again.config == model.config and not again.random_layers
    for name, v in again.weights.items():
        np.testing.assert_array_equal(v, weights[name].astype(np.float16).astype(np.float32))
    assert MaskRCNN.from_preset(tmp_path / "p.npz", pre_nms_limit=7).config.pre_nms_limit == 7
    with pytest.raises(ValueError, match="num_classes cannot change"):
        MaskRCNN.from_preset(tmp_path / "p.npz", num_classes=5)


def test_what_is_no_preset(tmp_path):
    with pytest.raises(WeightFileError, match="'circles' is neither a preset nor a file"):
        read_preset("circles")
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(WeightFileError, match="is not a preset, or is damaged"):
        read_preset(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    with pytest.raises(WeightFileError, match="is not a preset, or is damaged"):
        read_preset(tmp_path / "b.npz")


def test_weights_that_half_precision_cannot_hold(tmp_path, tiny_model):
    with pytest.raises(ValueError, match="a/kernel has values beyond half precision"):
        save_preset(tmp_path / "p.npz", tiny_model.config, {"a/kernel": np.array([1e6])})
    assert not (tmp_path / "p.npz").exists()


def test_weights_are_saved_as_matterport_does_and_read_back(tmp_path):
    model = make_tiny_model()
    weights = {name: v.numpy() for name, v in model.weights.items()}
    save_weights(tmp_path / "w.h5", weights)
    other = MaskRCNN(model.config)
    report = load_into(other.weights, tmp_path / "w.h5")
    assert report.complete and not report.unused
    for name, v in other.weights.items():
        np.testing.assert_array_equal(v, weights[name], err_msg=name)


def test_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    weights = {"conv1/kernel": np.ones([10, 10])}
    save_preset(tmp_path / "p.npz", Config.slim(), weights)

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", fails)
    with pytest.raises(OutOfMemoryError, match=r"reading .*p\.npz, which needs [0-9,]+ bytes"):
        read_preset(tmp_path / "p.npz")


def test_a_file_that_may_not_be_read_is_not_called_broken(tmp_path, monkeypatch):
    save_preset(tmp_path / "p.npz", Config.slim(), {"conv1/kernel": np.ones([2, 2])})

    def fails(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mrcnn_explained.system.files.open", fails, raising=False)
    with pytest.raises(WeightFileError, match="no permission to read"):
        read_preset(tmp_path / "p.npz")
