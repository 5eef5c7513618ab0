"""Scenes drawn by rule: the same from the same seed, honest about what is visible."""

import numpy as np
import pytest

from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.records import DatasetError
from mrcnn_explained.data.shape_outlines import SHAPES
from mrcnn_explained.data.shapes import OCCLUSION, SMALLEST, ShapesDataset, draw_scene


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([2, i]), 256) for i in range(60)]


def test_the_same_seed_draws_the_same_scene_and_another_another():
    one, again, other = (ShapesDataset(2, seed, 128) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.load_image(1), again.load_image(1))
    np.testing.assert_array_equal(one.load_mask(1)[0], again.load_mask(1)[0])
    assert (one.load_image(1) != other.load_image(1)).any()
    assert (one.load_image(0) != one.load_image(1)).any()


def test_scenes_are_those_that_the_preset_was_trained_on():
    """The order of the random draws is part of every scene; its numbers were written down."""
    scene = draw_scene(np.random.default_rng([0, 7]), 128)
    assert scene.class_ids.tolist() == [9, 7, 4, 3, 7, 1, 5, 8, 6, 9]
    areas = [2376, 1656, 1745, 625, 359, 856, 274, 226, 266, 222]
    np.testing.assert_allclose(scene.masks.sum((0, 1)), areas, atol=2)
    np.testing.assert_allclose(scene.image.mean((0, 1)), [100.253, 148.369, 132.083], atol=0.05)


def test_every_class_and_every_pyramid_level_occurs():
    masks, classes = zip(
        *(draw_scene(np.random.default_rng([3, i]))[1:] for i in range(25)), strict=True
    )
    assert set(np.concatenate(classes)) == set(range(1, len(SHAPES) + 1))
    boxes = np.concatenate([extract_boxes(m) for m in masks])
    side = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    assert (np.histogram(side, [0, 79.2, 158.4, 316.8, 513])[0] > 0).all()
    assert side.min() >= SMALLEST / 2


def test_masks_do_not_overlap_and_enough_of_every_object_shows(scenes):
    for _, masks, classes in scenes:
        assert masks.shape[2] == len(classes) > 0
        assert masks.sum(axis=2).max() <= 1  # a pixel shows one object
        assert masks.any(axis=(0, 1)).all()


def area_of(shape, side, ratio=1.0):
    """Pixels of a shape, counted on a fine grid: an independent look at its distance."""
    axis = np.arange(-side, side, 0.25)
    x, y = np.meshgrid(axis, axis)
    return (SHAPES[shape].distance(x, y, side / 2, ratio) < 0).sum() / 16


@pytest.mark.parametrize(
    ("shape", "ratio", "expected"),
    [
        ("square", 1, (0.85 * 40) ** 2),
        ("rectangle", 2, 40 * 20),
        ("diamond", 1.25, 40 * 32 / 2),
        ("circle", 1, np.pi * 20**2),
        ("ellipse", 2, np.pi * 20 * 10),
        ("ring", 2, np.pi * (20**2 - 10**2)),
        ("triangle", 1, 3 * np.sqrt(3) / 4 * 20**2),
        ("star", 2, 5 * 20 * 10 * np.sin(np.pi / 5)),
        ("cross", 2.5, 2 * 40 * 16 - 16**2),
    ],
)
def test_shapes_have_the_area_that_geometry_says(shape, ratio, expected):
    np.testing.assert_allclose(area_of(shape, 40, ratio), expected, rtol=0.02)


def test_the_law_of_occlusion_holds(monkeypatch):
    """Draw again, keeping what each object covered before others came."""
    from mrcnn_explained.data import shapes

    whole = {}
    real = shapes.fill

    def spy(rng, below, mask, side):
        colors = real(rng, below, mask, side)
        if colors is not None:
            whole[len(whole)] = int(mask.sum())
        return colors

    monkeypatch.setattr(shapes, "fill", spy)
    for i in range(20):
        whole.clear()
        _, masks, classes = draw_scene(np.random.default_rng([4, i]), 256)
        for k in range(len(classes)):
            assert masks[..., k].sum() >= (1 - OCCLUSION) * whole[k] - 1


def test_scenes_that_would_take_minutes_are_refused():
    with pytest.raises(DatasetError, match="16384 x 16384 pixels are too large .*: at most 4096"):
        ShapesDataset(1, size=16384)
