"""The plot of one ROI read three ways shows what the three functions read."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from mrcnn_explained.plots.palette import WHITE
from mrcnn_explained.plots.pooling import plot_pooling
from mrcnn_explained.stages.crops import crop_levels, roi_align, roi_pool

CELLS, SIDE = 32, 256  # a map of stride 8
BOX = (0.21, 0.31, 0.52, 0.67)  # normalised


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(3).normal(size=(1, CELLS, CELLS, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def panels(features):
    return plot_pooling(features, BOX, (SIDE, SIDE), pool_size=5).axes[:6]


def read(features):
    boxes, images = np.array([BOX], np.float32), np.array([0], np.int32)
    shape = (SIDE, SIDE)
    return (
        roi_pool(features, boxes, images, shape, pool_size=5),
        roi_align(features, boxes, images, shape, pool_size=5),
        crop_levels(boxes[np.newaxis], np.array([[2]]), [features], pool_size=5),
    )


def dots(ax):
    (x, y) = np.concatenate([np.array(line.get_data()) for line in ax.lines], axis=1)
    return np.unique(y), np.unique(x)


def test_the_crops_are_those_of_the_functions(features, panels):
    pooled, aligned, sampled = read(features)
    crops = (pooled.pooled[0], aligned.pooled[0], sampled.pooled[0][0])
    for ax, crop in zip(panels[3:], crops, strict=True):
        drawn = ax.images[0].get_array()
        np.testing.assert_allclose(drawn, np.abs(crop).mean(axis=-1), rtol=1e-5)


def test_samples_are_where_the_functions_took_them(features, panels):
    _, aligned, sampled = read(features)
    for ax, ys, xs in (
        (panels[1], aligned.sample_y[0], aligned.sample_x[0]),
        (panels[2], sampled.sample_y[0][0], sampled.sample_x[0][0]),
    ):
        for drawn, wanted in zip(dots(ax), (ys, xs), strict=True):
            np.testing.assert_allclose(drawn, wanted, rtol=1e-5)


def test_roi_pooling_is_framed_by_the_cells_that_it_reads(features, panels):
    pooled, _, _ = read(features)
    frames = [
        (r.get_y(), r.get_x(), r.get_y() + r.get_height(), r.get_x() + r.get_width())
        for r in panels[0].patches
        if isinstance(r, Rectangle) and r.get_edgecolor()[:3] == (1.0, 1.0, 1.0)
    ]
    first, last = pooled.first[0].numpy(), pooled.last[0].numpy()
    wanted = (*(first - 0.5), *(last + 0.5))  # a cell reaches half a cell around its centre
    np.testing.assert_allclose(frames[-1], wanted)
    assert WHITE == "#FFFFFF"
    rows, columns = last - first + 1
    assert f"{rows} x {columns} whole cells" in panels[0].get_title()


def test_the_roi_is_drawn_without_rounding(panels):
    start = np.array(BOX) * (SIDE - 1) + [0, 0, 1, 1]  # pixels, as denorm_boxes has them
    wanted = start / 8 - 0.5
    dashed = [r for r in panels[2].patches if isinstance(r, Rectangle)][-1]
    drawn = (
        dashed.get_y(),
        dashed.get_x(),
        dashed.get_y() + dashed.get_height(),
        dashed.get_x() + dashed.get_width(),
    )
    np.testing.assert_allclose(drawn, wanted, rtol=1e-4)
