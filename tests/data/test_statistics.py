"""Statistics of a dataset, and their plots: they report what was drawn."""

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import to_hex

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import Sample
from mrcnn_explained.data.dataset import Dataset
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.data.statistics import dataset_statistics
from mrcnn_explained.plots.dataset import (
    plot_dataset,
    plot_mini_masks,
    plot_objects,
    plot_top_masks,
)
from mrcnn_explained.plots.palette import LEVEL_COLORS, class_color
from mrcnn_explained.stages.levels import assign_levels


class Squares(Dataset):
    """Two images: 100 x 200 with squares of 20 and 50 px, one a crowd; 64 x 64 with nothing."""

    def __init__(self):
        super().__init__()
        self.add_class("squares", 1, "square")
        self.add_image("squares", 0, None)
        self.add_image("squares", 1, None)
        self.prepare()

    def load_image(self, image_id):
        image = np.zeros([100, 200, 3] if image_id == 0 else [64, 64, 3], np.uint8)
        image[..., 1] = 40 if image_id == 0 else 80
        return image

    def load_mask(self, image_id):
        if image_id == 1:
            return np.zeros([64, 64, 0], bool), np.zeros(0, np.int32)
        masks = np.zeros([100, 200, 3], bool)
        masks[10:30, 10:30, 0] = masks[40:90, 100:150, 1] = masks[0:9, 0:9, 2] = True
        return masks, np.array([1, 1, -1], np.int32)


@pytest.fixture(scope="module")
def found():
    config = Config(num_classes=2, image_min_dim=512, image_max_dim=1024, backbone="resnet26")
    return dataset_statistics(Squares(), config)


def test_by_hand(found):
    """100 x 200 grows to 512 x 1024, 5.12 times: sides of 102.4 and 256 px, less one pixel of
    the normalised box's rounding (deviation 10)."""
    assert found.shape.tolist() == [[100, 200], [64, 64]]
    np.testing.assert_allclose(found.mean_color, [[0, 40, 0], [0, 80, 0]])
    assert found.image.tolist() == [0, 0] and found.class_ids.tolist() == [1, 1]  # no crowd
    assert found.size.tolist() == [[20, 20], [50, 50]]
    np.testing.assert_allclose(found.side, [102.4, 256.0], rtol=0.012)
    assert found.level.tolist() == [3, 4]


def test_rounding_is_the_configs():
    config = Config(num_classes=2, image_min_dim=512, image_max_dim=1024, level_rounding="floor")
    assert dataset_statistics(Squares(), config).level.tolist() == [2, 4]


def test_chosen_images_and_progress(found):
    seen = []
    one = dataset_statistics(
        Squares(), Config(num_classes=2), image_ids=[1], progress=lambda *a: seen.append(a)
    )
    assert one.shape.tolist() == [[64, 64]] and len(one.level) == 0 and seen == [(0, 1)]


def test_levels_are_those_of_the_stage():
    """A witness: boxes scaled by hand, side by side with the stage's own answer."""
    dataset, config = ShapesDataset(3, seed=5, size=256), Config.slim(num_classes=10)
    found = dataset_statistics(dataset, config)
    boxes = np.concatenate([extract_boxes(dataset.load_mask(i)[0]) for i in range(3)])
    size = config.image_max_dim
    scaled = (boxes * (size / 256) - [0, 0, 1, 1]) / (size - 1)
    expected = assign_levels(tf.constant(scaled[None], tf.float32), tf.constant([size, size]))
    np.testing.assert_array_equal(found.level, expected.roi_level[0])
    np.testing.assert_allclose(found.side, expected.side[0], rtol=1e-5)


# Plots


def test_histograms_count_every_image_and_object(found):
    figure = plot_dataset(found, ["BG", "square"])
    images, in_each, sides, _, _, classes, _bar = figure.axes
    assert sum(bar.get_height() for bar in images.patches) == 2
    heights = [bar.get_height() for bar in in_each.patches]
    assert heights == [1, 0, 1]  # one image without any, none with one, one with two
    by_color = {}
    for bar in sides.patches:
        color = to_hex(bar.get_facecolor()).upper()
        by_color[color] = by_color.get(color, 0) + bar.get_height()
    assert by_color == {LEVEL_COLORS[3]: 1, LEVEL_COLORS[4]: 1}
    assert [text.get_text() for text in sides.texts] == ["P3", "P4"]
    assert [bar.get_width() for bar in classes.patches] == [2]
    assert [tick.get_text() for tick in classes.get_yticklabels()] == ["square"]


def test_a_dataset_without_objects_is_drawn():
    found = dataset_statistics(Squares(), Config(num_classes=2), image_ids=[1])
    figure = plot_dataset(found)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 1
    assert [ax.texts[0].get_text() for ax in figure.axes[2:]] == ["no object"] * 4


def test_objects_are_painted_where_they_are():
    masks, class_ids = Squares().load_mask(0)
    ax = plot_objects(Squares().load_image(0), masks, class_ids, ["BG", "square"])
    frames = [(r.get_y(), r.get_x(), r.get_height(), r.get_width()) for r in ax.patches]
    assert frames == [(10, 10, 20, 20), (40, 100, 50, 50), (0, 0, 9, 9)]
    assert [text.get_text() for text in ax.texts] == ["square"] * 3
    painted = ax.images[0].get_array()
    assert painted[20, 20].tolist() != painted[35, 35].tolist() == [0, 40, 0]
    assert to_hex(ax.patches[0].get_edgecolor()).upper() == class_color(1)


def test_top_masks_shade_the_objects_of_a_class_apart():
    masks, class_ids = Squares().load_mask(0)
    figure = plot_top_masks(Squares().load_image(0), masks, np.abs(class_ids), limit=2)
    shades = figure.axes[1].images[0].get_array()
    assert [shades[20, 20], shades[60, 120], shades[5, 5], shades[35, 35]] == [1, 2, 3, 0]
    assert figure.axes[1].get_title() == "3 class 1" and len(figure.axes) == 3


def test_mini_masks_are_those_of_the_sample():
    masks = np.arange(2 * 56 * 56).reshape(56, 56, 2) % 3 == 0
    fields = dict.fromkeys(Sample._fields)
    sample = Sample(**{**fields, "gt_class_ids": np.array([1, -1]), "gt_masks": masks})
    figure = plot_mini_masks(sample, ["BG", "square"])
    for i, ax in enumerate(figure.axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), masks[..., i])
        assert ax.get_title() == "square"


class EmptyMask(Squares):
    """The same images, with a second class 1 object whose mask is empty."""

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        empty = np.zeros([*masks.shape[:2], 1], bool)
        return np.concatenate([masks, empty], axis=2), np.append(class_ids, np.int32(1))


def test_an_object_without_a_mask_is_not_counted(found):
    # It was measured as an object of 0 x 0 pixels that reads P2.
    config = Config(num_classes=2, image_min_dim=512, image_max_dim=1024, backbone="resnet26")
    for ours, expected in zip(dataset_statistics(EmptyMask(), config), found, strict=True):
        np.testing.assert_array_equal(ours, expected)
