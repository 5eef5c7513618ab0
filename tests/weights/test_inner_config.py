"""A weight file finds the same objects wherever it is copied: it carries its config."""

import json
import warnings

import h5py
import numpy as np
import pytest
from conftest import make_tiny_model

from mrcnn_explained.config import Config
from mrcnn_explained.detector.open import open_model
from mrcnn_explained.errors import AssumedConfigWarning, ConfigError, InputError
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.inner_config import ATTRIBUTE, config_of_file
from mrcnn_explained.weights.load import load_into, save_weights
from mrcnn_explained.weights.presets import read_preset
from mrcnn_explained.weights.resolve import weights_and_config

WEIGHTS = {"conv1/kernel": np.ones([7, 7, 3, 16]), "mrcnn_class_logits/kernel": np.ones([256, 4])}
CONFIG = Config.slim(num_classes=4, class_names=("background", "a", "b", "ü"), image_max_dim=640)


def resolved(path, **settings):
    """The config of a file, and what was said about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, config = weights_and_config(str(path), settings)
    assert all(issubclass(w.category, AssumedConfigWarning) for w in caught)
    return config, [str(w.message) for w in caught]


@pytest.mark.slow
def test_the_preset_as_a_lone_weight_file_finds_the_same_objects(tmp_path):
    from mrcnn_explained.media.images import demo_image, load_image

    model, image = open_model("shapes"), load_image(demo_image())
    weights = {name: v.numpy() for name, v in model.weights.items()}
    save_weights(tmp_path / "weights.h5", weights, model.config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lone = open_model(tmp_path / "weights.h5")
    assert lone.config == model.config
    (mine,), (theirs,) = lone.detect([image]), model.detect([image])
    for key, values in theirs.items():
        np.testing.assert_array_equal(mine[key], values, err_msg=key)
    assert len(theirs["rois"]) == 8


def test_the_config_comes_back_and_other_readers_see_the_same_layers(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS, CONFIG)
    assert resolved(tmp_path / "w.h5") == (CONFIG, [])
    assert resolved(tmp_path / "w.h5", image_max_dim=64, image_min_dim=64)[0].image_max_dim == 64
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(file) == ["conv1", "mrcnn_class_logits"]
        assert file.attrs["layer_names"].tolist() == [b"conv1", b"mrcnn_class_logits"]


def test_a_config_of_many_class_names_is_cut_into_pieces(tmp_path):
    names = tuple(f"a rather long name of class number {i}" for i in range(5000))
    config = Config.slim(num_classes=5000, class_names=names)
    save_weights(tmp_path / "w.h5", {"conv1/kernel": np.ones([7, 7, 3, 16])}, config)
    assert resolved(tmp_path / "w.h5") == (config, [])
    with h5py.File(tmp_path / "w.h5") as file:
        assert f"{ATTRIBUTE}1" in file.attrs


def test_a_config_beside_the_file_is_used_if_there_is_none_inside(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS)
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    assert resolved(tmp_path / "w.h5") == (CONFIG, [])


def test_without_a_config_the_assumed_numbers_are_named(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS)
    config, (note,) = resolved(tmp_path / "w.h5")
    assert (config.num_classes, config.backbone_width, config.class_names) == (4, 16, ())
    assert "w.h5 came without its config" in note
    assert "class_names" in note and "image_max_dim 1024" in note and "rpn_anchor_scales" in note
    assert "\n" not in note and len(note) < 300
    _, (note,) = resolved(tmp_path / "w.h5", image_max_dim=512, image_min_dim=512)
    assert "image_max_dim" not in note
    every = {name: getattr(config, name) for name in vars(config)}
    assert resolved(tmp_path / "w.h5", **every)[1] == []  # --config FILE: nothing is assumed


def test_two_configs_that_differ_are_reported_and_the_inner_one_is_used(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS, CONFIG)
    (tmp_path / "config.json").write_text(CONFIG.replace(image_max_dim=512).to_json())
    config, (note,) = resolved(tmp_path / "w.h5")
    assert config == CONFIG
    assert "image_max_dim 512 beside, 640 inside" in note
    (tmp_path / "config.json").write_text("{")
    config, (note,) = resolved(tmp_path / "w.h5")
    assert config == CONFIG and "is not JSON" in note


def test_a_config_of_other_weights_beside_the_file_is_not_used(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS)
    (tmp_path / "config.json").write_text(Config.coco().to_json())
    config, notes = resolved(tmp_path / "w.h5")
    assert config.num_classes == 4
    assert "belongs to other weights" in notes[0] and "num_classes 81" in notes[0]
    assert "came without its config" in notes[1]


def test_a_file_that_contradicts_itself_is_refused(tmp_path):
    save_weights(tmp_path / "w.h5", WEIGHTS, Config.slim(num_classes=9))
    with pytest.raises(WeightFileError, match="num_classes 9, its weights say 4"):
        config_of_file(tmp_path / "w.h5")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.bytes_(b"{"), "is not JSON"),
        (np.bytes_(b"[1]"), "holds a list"),
        (np.bytes_(b'{"mood": 1}'), "not fields of Config: mood"),
        (np.bytes_(b'{"num_classes": "4"}'), "num_classes is '4'"),
        (np.bytes_(b"[" * 50_000), "is not JSON"),
        (np.zeros(3), "is not text"),
    ],
)
def test_a_damaged_config_inside_is_refused_in_words(tmp_path, value, words):
    save_weights(tmp_path / "w.h5", WEIGHTS)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file.attrs[f"{ATTRIBUTE}0"] = value
    with pytest.raises((WeightFileError, ConfigError), match=words) as caught:
        weights_and_config(str(tmp_path / "w.h5"), {})
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_the_report_of_weights_says_where_the_config_differs(tmp_path):
    model = make_tiny_model()
    weights = {name: v.numpy() for name, v in model.weights.items()}
    path = tmp_path / "w.h5"
    save_weights(path, weights, model.config)
    assert model.load_weights(path).note == ""
    other = model.with_config(image_max_dim=192, image_min_dim=192)
    note = other.load_weights(path).note
    assert "image_min_dim 128, the model has 192" in note and note in str(other.load_weights(path))
    save_weights(path, weights)
    assert "came without its config" in model.load_weights(path).note


def test_the_shapes_preset_agrees_with_its_config(tmp_path):
    config, weights = read_preset("shapes")
    save_weights(tmp_path / "w.h5", weights, config)
    assert config_of_file(tmp_path / "w.h5").fields == json.loads(config.to_json())
    assert issubclass(AssumedConfigWarning, UserWarning) and issubclass(ConfigError, InputError)
    variables = {}
    with pytest.raises(WeightFileError):
        load_into(variables, tmp_path / "w.h5")
