"""Outlines become the masks that the field's own code draws; broken ones are refused."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from data.annotation_files import run_counts
from mrcnn_explained.data.fill import fill
from mrcnn_explained.data.outlines import (
    OutlineError,
    Polygon,
    RunLengths,
    box_only,
    check_area,
    ellipse,
    polygon,
    rectangle,
)
from mrcnn_explained.data.rasterize import bounds, draw
from mrcnn_explained.data.rasterize import run_counts as checked_counts

SHAPE = (24, 32)
POINTS = st.lists(
    st.tuples(st.floats(-20, 50), st.floats(-20, 50)), min_size=3, max_size=8, unique=True
)


def by_pycocotools(parts, shape):
    coco = COCO()
    coco.imgs[1] = {"height": shape[0], "width": shape[1]}
    flat = [np.ravel(part).tolist() for part in parts]
    return coco.annToMask({"image_id": 1, "segmentation": flat}).astype(bool)


@given(st.lists(POINTS, min_size=1, max_size=3))
def test_polygons_are_those_of_pycocotools(parts):
    outline = Polygon(tuple(np.array(part) for part in parts), 0.5)
    expected = by_pycocotools(parts, SHAPE)
    if expected.any():
        np.testing.assert_array_equal(draw(outline, SHAPE).mask, expected)
    else:
        with pytest.raises(OutlineError, match=r"covers no pixel|outside of the image"):
            draw(outline, SHAPE)


WHOLE = st.lists(
    st.tuples(st.integers(-5, 40), st.integers(-5, 30)), min_size=3, max_size=9, unique=True
)


def on_an_edge(corners):
    """The pixels whose centre lies on an edge of a polygon, by their distance."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.0
    found = np.zeros(SHAPE, bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = (x2 - x1) ** 2 + (y2 - y1) ** 2
        along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length if length else x * 0
        along = np.clip(along, 0, 1)
        away = np.hypot(x1 + along * (x2 - x1) - x, y1 + along * (y2 - y1) - y)
        found |= away < 1e-7
    return found


@given(st.one_of(WHOLE, POINTS))
def test_filled_polygons_are_those_of_scikit_image(corners):
    """Where edges lie on each other, scikit-image takes some of their pixels and not others."""
    corners = np.array(corners, float)
    filled, edges = fill(corners, SHAPE), on_an_edge(corners)
    expected = polygon2mask(SHAPE, corners[:, ::-1])
    np.testing.assert_array_equal(filled & ~edges, expected & ~edges)
    if (corners == np.round(corners)).all():
        assert filled[edges].all()


def test_polygons_of_many_corners_are_drawn_in_a_moment():
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 20_000))
    corners = (
        1000
        + np.stack([np.cos(angles), np.sin(angles)], 1)
        * rng.uniform(600, 900, 20_000)[:, np.newaxis]
    )
    start = time.perf_counter()
    mask = draw(Polygon((corners,), 0.0), (2000, 2000)).mask
    assert time.perf_counter() - start < 5 and 0.2 < mask.mean() < 0.6
    zigzag = np.stack([np.arange(20_000) % 2 * 1900, np.arange(20_000) / 10], 1)
    with pytest.raises(OutlineError, match="pixels long"):
        draw(Polygon((zigzag,), 0.5), (2000, 2000))


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_run_lengths_are_those_of_pycocotools(mask):
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    for counts in (packed, np.array(run_counts(mask), np.int64)):
        outline = RunLengths(mask.shape, counts)
        assert checked_counts(outline).sum() == mask.size
        if mask.any():
            np.testing.assert_array_equal(draw(outline, mask.shape).mask, mask)
        else:
            with pytest.raises(OutlineError, match="covers no pixel"):
                draw(outline, mask.shape)


def test_large_run_lengths_are_those_of_pycocotools():
    mask = np.zeros([900, 1400], bool)
    mask[100:800:3, 5:1300] = mask[850:, 1100:] = True
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    np.testing.assert_array_equal(draw(RunLengths(mask.shape, packed), mask.shape).mask, mask)


@given(st.binary(max_size=40))
def test_any_bytes_as_run_lengths_are_drawn_or_refused(packed):
    try:
        mask = draw(RunLengths((6, 7), packed), (6, 7)).mask
    except OutlineError:
        return
    assert mask.shape == (6, 7)
    np.testing.assert_array_equal(mask, rle.decode({"size": [6, 7], "counts": packed}))


def test_a_polygon_far_beyond_is_cut_before_it_is_drawn():
    far = np.array([[-9e5, -9e5], [9e5, -9e5], [9e5, 9e5], [-9e5, 9e5]])
    for center in (0.0, 0.5):
        drawn = draw(Polygon((far,), center), SHAPE)
        assert drawn.mask.all() and drawn.is_cut
    outside = np.array([[9e4, 0], [9e5, 0], [9e5, 9e5]])
    with pytest.raises(OutlineError, match="outside of the image of 32x24 pixels"):
        draw(Polygon((outside,), 0.5), SHAPE)


def test_boxes_and_rectangles_by_hand():
    """The first pixel's centre lies at 0.5 in COCO, at 0 in VIA."""
    for outline in (box_only(2, 1, 3, 4), rectangle(2, 1, 3, 4, 0.0), rectangle(2, 1, 3, 4, 0.5)):
        rows, columns = np.nonzero(draw(outline, SHAPE).mask)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 4, 2, 4)
        assert len(rows) == 12 and bounds(outline) == (1, 2, 5, 5)
    half = draw(box_only(1.4, 1.6, 2, 2), SHAPE).mask  # centres 1.5 and 2.5; 2.5 and 3.5
    assert np.argwhere(half).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]


@given(st.floats(1, 9), st.floats(1, 9), st.floats(-4, 4))
def test_an_ellipse_lies_within_its_bounds(rx, ry, theta):
    outline = ellipse(16, 12, rx, ry, theta, 0.5)
    y1, x1, y2, x2 = bounds(outline)
    rows, columns = np.nonzero(draw(outline, SHAPE).mask)
    assert y1 <= rows.min() + 0.5 and rows.max() + 0.5 <= y2
    assert x1 <= columns.min() + 0.5 and columns.max() + 0.5 <= x2
    assert abs(len(rows) - np.pi * rx * ry) < 2 * (rx + ry) + 4


@pytest.mark.parametrize("scale", [1e-3, 1, 1e5])
def test_flat_polygons_are_found_at_every_size(scale):
    line = np.array([[0, 0], [1, 2], [3, 6], [2, 4]]) * scale
    with pytest.raises(OutlineError, match="flat"):
        check_area(line)
    check_area(line + np.array([[0, 0], [0, 0.1], [0, 0], [0, 0]]) * scale)
    with pytest.raises(OutlineError, match="0 different points"):
        polygon([], 0.5)
