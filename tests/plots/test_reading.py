"""What makes a figure readable: numbers that follow a box, signs between maps, frames, ticks."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import ConnectionPatch, Rectangle

from mrcnn_explained.plots.levels import plot_levels
from mrcnn_explained.plots.palette import GOOD, LOST
from mrcnn_explained.plots.proposals import plot_refinement, plot_suppression
from mrcnn_explained.plots.pyramid import plot_pyramid
from mrcnn_explained.plots.style import to_pixels


@pytest.fixture(scope="module")
def pixels(golden_trace):
    return golden_trace.image.resized[0]


def rectangles(ax, color):
    return [
        (r.get_y(), r.get_x(), r.get_y() + r.get_height(), r.get_x() + r.get_width())
        for r in ax.patches
        if isinstance(r, Rectangle)
        and to_hex(r.get_edgecolor()) == color.lower()
        and r.get_linewidth() > 2  # those with a number
    ]


def test_numbered_candidates_keep_their_number_in_all_panels(golden_trace, pixels):
    p = golden_trace.proposals
    axes = plot_refinement(p, pixels).axes
    numbers = [[int(text.get_text()) for text in ax.texts] for ax in axes]
    assert numbers[0] == numbers[1] == numbers[2] == numbers[3] and len(numbers[0]) >= 4
    places = (p.pre_nms_anchors, p.refined_anchors, p.refined_anchors_clipped)
    for ax, boxes in zip(axes[:3], places, strict=False):
        wanted = to_pixels(np.asarray(boxes[0])[numbers[0]], pixels)
        np.testing.assert_allclose(rectangles(ax, GOOD), wanted, atol=1e-3)
    lost = [n for n in numbers[0] if p.nms.suppressed_by[0, n] >= 0]
    assert len(lost) == 1 and int(p.nms.suppressed_by[0, lost[0]]) in numbers[0]
    assert all(p.nms.rank[0, n] >= 0 for n in numbers[0] if n not in lost)
    after = rectangles(axes[3], LOST)
    np.testing.assert_allclose(
        after, to_pixels(np.asarray(p.refined_anchors_clipped[0])[lost], pixels), atol=1e-3
    )
    assert len(rectangles(axes[3], GOOD)) == len(numbers[0]) - 1


def test_the_enlarged_part_stays_in_the_image(golden_trace, pixels):
    p = golden_trace.proposals
    boxes = np.asarray(p.refined_anchors_clipped[0])
    height, width = pixels.shape[:2]
    for kept in {int(i) for i in p.nms.suppressed_by[0] if i >= 0}:
        ax = plot_suppression(p, pixels, kept=kept)
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        assert left >= 0 and top >= 0 and right <= width and bottom <= height
        y1, x1, y2, x2 = to_pixels(boxes[kept], pixels)[0]
        assert top <= y1 + 0.01 and y2 <= bottom + 0.01
        assert left <= x1 + 0.01 and x2 <= right + 0.01


def test_one_suppressed_box_is_one_other(golden_trace, pixels):
    by = np.asarray(golden_trace.proposals.nms.suppressed_by[0])
    counts = np.bincount(by[by >= 0])
    ax = plot_suppression(golden_trace.proposals, pixels, kept=int(np.flatnonzero(counts == 1)[0]))
    assert ax.get_title(loc="left").endswith("suppresses 1 other")


def test_signs_between_the_maps_of_the_pyramid(golden_trace):
    figure = plot_pyramid(golden_trace.pyramid)
    signs = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert [signs.count(sign) for sign in ("+", "=", "x2", "3x3 ↓")] == [3, 3, 3, 4]
    arrows = [a for a in figure.artists if isinstance(a, ConnectionPatch)]
    assert len(arrows) == 5  # three times x2, the lateral of level 5, P6


def test_powers_of_two_are_ticks_below_the_boundaries(golden_trace):
    ax = plot_levels(golden_trace.levels)
    assert {64, 128, 256, 512} <= set(ax.get_xticks(minor=True))
