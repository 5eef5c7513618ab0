"""TRAIN_BN, as Matterport has it: False, None and True, while detecting and while training."""

import numpy as np
import pytest
from conftest import make_tiny_model, noise_image

from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset

pytestmark = pytest.mark.filterwarnings("ignore::mrcnn_explained.errors.RandomWeightsWarning")
CLASSES = 10


def statistics_of(model):
    """Every stored mean and variance."""
    names = [name for name in model.weights if "moving" in name]
    return {name: np.array(model.weights[name]) for name in names}


def equal(ours, theirs):
    return all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="module")
def models():
    """One model for each value; they share no weights, but have the same."""
    return {
        value: make_tiny_model(train_bn=value, num_classes=CLASSES) for value in (False, None, True)
    }


@pytest.fixture(scope="module")
def batch(models):
    data = ShapesDataset(2, seed=2, size=128)
    return next(iter(batches(data, models[False].config, batch_size=2)))


def test_detecting_uses_the_statistics_of_the_images_with_true_alone(models):
    image = noise_image(128, 128)
    c5 = {value: model.trace(image).backbone.c5.numpy() for value, model in models.items()}
    np.testing.assert_array_equal(c5[False], c5[None])
    assert np.abs(c5[True] - c5[False]).max() > 1e-3


def test_by_hand_the_stem_has_mean_zero_over_the_batch(models):
    # gamma and beta are noise, so undo them: what is left has mean 0 and variance 1.
    model = models[True]
    molded = model.trace(noise_image(128, 128)).image.molded
    stem = dict(model.backbone.walk(molded, True))["bn_conv1"].numpy()
    gamma, beta = (np.array(model.weights[f"bn_conv1/{name}"]) for name in ("gamma", "beta"))
    plain = (stem - beta) / gamma
    np.testing.assert_allclose(plain.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(plain.std((0, 1, 2)), 1, atol=1e-2)


@pytest.mark.parametrize("value", [False, None, True])
def test_neither_detecting_nor_tracing_moves_a_stored_statistic(models, batch, value):
    model, image = models[value], noise_image(128, 128)
    before = statistics_of(model)
    trace = model.trace(image)
    model.detect(image)
    model.resume(trace, after="image")
    model.training_trace(batch)
    model.training_trace(batch, with_gradients=True)
    assert equal(statistics_of(model), before)


def test_a_training_step_uses_the_batch_with_none_and_true(models, batch):
    c5 = {value: model.training_trace(batch).backbone.c5.numpy() for value, model in models.items()}
    np.testing.assert_allclose(c5[None], c5[True], atol=1e-4)
    assert np.abs(c5[None] - c5[False]).max() > 1e-3
