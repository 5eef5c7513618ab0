"""Anchors: the fixed boxes of the RPN, from the shape of the image alone."""

import numpy as np
import pytest
import witness
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.anchors import pyramid_anchors


def test_the_first_anchors_by_hand():
    # P2, scale 32, cell (0, 0), so the centre is (0, 0).
    # Ratio 1: 32 x 32. Ratio 0.5: 32 / sqrt(0.5) = 45.25 high, 22.63 wide: tall.
    found = pyramid_anchors((64, 64))
    np.testing.assert_allclose(found.boxes_px[1], [-16, -16, 16, 16])
    np.testing.assert_allclose(found.boxes_px[0], [-22.627, -11.314, 22.627, 11.314], atol=1e-3)
    np.testing.assert_allclose(found.boxes_px[2], [-11.314, -22.627, 11.314, 22.627], atol=1e-3)
    # The fourth anchor is the next column: 4 pixels to the right, not down.
    np.testing.assert_allclose(found.boxes_px[4], [-16, -12, 16, 20])
    # Normalised: y2 - 1 by H - 1.
    np.testing.assert_allclose(found.boxes[1], [-16 / 63, -16 / 63, 15 / 63, 15 / 63], rtol=1e-6)


def test_how_many_there_are():
    # 1024: 256^2 + 128^2 + 64^2 + 32^2 + 16^2 cells with three anchors each.
    assert pyramid_anchors((1024, 1024)).boxes.shape == (261_888, 4)
    # Every second cell: a quarter of them.
    assert pyramid_anchors((1024, 1024), anchor_stride=2).boxes.shape == (65_472, 4)


@pytest.mark.parametrize(
    ("shape", "setting"),
    [
        ((64, 128), {}),
        ((128, 64), {"anchor_stride": 2}),
        ((64, 64), {"scales": (8, 16, 32, 64, 128), "ratios": (0.3, 1.7)}),
        ((100, 70), {}),  # not a multiple of 64: the last cells are cut, so ceil counts them
        ((64, 64), {"scales": (10,), "strides": (16,), "ratios": (1,)}),
    ],
)
def test_anchors_match_their_witness(shape, setting):
    defaults = {
        "scales": (32, 64, 128, 256, 512),
        "ratios": (0.5, 1, 2),
        "strides": (4, 8, 16, 32, 64),
    }
    found = pyramid_anchors(shape, **setting)
    boxes, *origin = zip(*witness.anchors(shape, **{**defaults, **setting}), strict=True)
    np.testing.assert_allclose(found.boxes_px, boxes, atol=1e-3)
    columns = (found.level, found.row, found.column, found.scale, found.ratio)
    for column, expected in zip(columns, origin, strict=True):
        np.testing.assert_allclose(column, expected, rtol=1e-6)
    expected = [witness.normalised(box, *shape) for box in boxes]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-5)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(4, 500), st.floats(0.1, 10))
def test_area_and_shape_of_an_anchor(scale, ratio):
    found = pyramid_anchors((64, 64), scales=(scale,), ratios=(ratio,), strides=(32,))
    y1, x1, y2, x2 = found.boxes_px.numpy().astype(float).T
    np.testing.assert_allclose((y2 - y1) * (x2 - x1), scale**2, rtol=1e-3)
    np.testing.assert_allclose((x2 - x1) / (y2 - y1), ratio, rtol=1e-3)
    # The centre is the cell's corner: row and column times the stride.
    np.testing.assert_allclose((y1 + y2) / 2, 32 * found.row.numpy(), atol=1e-3)
    np.testing.assert_allclose((x1 + x2) / 2, 32 * found.column.numpy(), atol=1e-3)


def test_each_level_needs_a_scale():
    with pytest.raises(ValueError, match="shorter|longer"):
        pyramid_anchors((64, 64), scales=(32, 64))


def test_goldens(goldens):
    found = pyramid_anchors((448, 448))
    assert len(found.boxes) == goldens["anchors_count"]
    np.testing.assert_array_equal(found.boxes[::7], goldens["anchors_every7"])
    np.testing.assert_array_equal(found.boxes[-300:], goldens["anchors_last300"])
    np.testing.assert_array_equal(found.boxes_px[::7], goldens["anchors_px_every7"])
