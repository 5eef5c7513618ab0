"""Molding by a config: every number of the config reaches `mold_image`."""

import numpy as np

from mrcnn_explained.config import Config
from mrcnn_explained.data.molding import mold
from mrcnn_explained.stages.image import mold_image

IMAGE = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)


def test_every_number_of_the_config_counts():
    config = Config(
        num_classes=5,
        image_resize_mode="crop",
        image_min_dim=64,
        image_min_scale=3.0,
        mean_pixel=(1.0, 2.0, 3.0),
    )
    numbers = {"min_dim": 64, "max_dim": 1024, "min_scale": 3.0, "mode": "crop"}
    expected = mold_image([IMAGE], **numbers, mean_pixel=(1, 2, 3), num_classes=5, seed=7)
    found = mold([IMAGE], config, seed=7)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_runner_gets_the_name_and_the_stage():
    def run(name, stage, images, **settings):
        assert name == "image" and stage is mold_image and images[0] is IMAGE
        return settings

    settings = mold([IMAGE], Config.slim(), run=run)
    assert set(settings) == {
        *("min_dim", "max_dim", "min_scale", "mode", "mean_pixel", "num_classes"),
    }
