"""Configs of one and four channels: detect, trace, train, and what the report draws."""

import numpy as np
import pytest
from conftest import make_tiny_model

from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.errors import ImageError
from mrcnn_explained.media.pixels import as_image
from mrcnn_explained.plots.instances import plot_color_splash, plot_instances
from mrcnn_explained.report.page import render

pytestmark = pytest.mark.filterwarnings(
    "ignore::mrcnn_explained.errors.RandomWeightsWarning",
)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "mean"), [(1, (120,)), (4, (120, 110, 100, 0))])
def test_a_model_of_one_and_of_four_channels(channels, mean):
    model = make_tiny_model(image_channel_count=channels, mean_pixel=mean, num_classes=10)
    for shape in ((60, 90), (60, 90, 3), (60, 90, 4)):
        model.detect([noise(*shape)])
        trace = model.trace(noise(*shape))
        assert trace.image.molded.shape == (1, 128, 128, channels) and trace.check() == []
    trace = trace.numpy()
    plot_instances(trace.instances, trace.image.original[0])
    plot_color_splash(trace.instances, trace.image.original[0])
    assert "data:image/jpeg" in render(trace, "x", [])
    batch = next(iter(batches(ShapesDataset(4, size=128), config=model.config, batch_size=2)))
    assert batch.molded.shape == (2, 128, 128, channels)
    model.training_trace(batch)


def test_the_channels_by_hand():
    rgba = np.array([[[255, 0, 0, 7], [10, 20, 30, 200]]], np.uint8)
    assert as_image(rgba, channels=4).tolist() == rgba.tolist()
    assert as_image(rgba, channels=1).tolist() == [[[76], [18]]]
    assert as_image(rgba[..., :3], channels=4)[..., 3].tolist() == [[255, 255]]
    assert as_image(rgba[..., 0], channels=1).tolist() == [[[255], [10]]]
    with pytest.raises(ImageError, match="5 channels"):
        as_image(rgba, channels=5)
