"""Plots show what the stages' results hold."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mrcnn_explained.plots import (
    anchors,
    box_head,
    crops,
    detections,
    image,
    instances,
    levels,
    mask_head,
    proposals,
    reorder,
    rpn,
    weights,
)
from mrcnn_explained.plots.palette import (
    GOOD,
    LEVEL_COLORS,
    LOST,
)
from mrcnn_explained.plots.save import save_figure
from mrcnn_explained.plots.style import axes, draw_boxes, figure, label_boxes, show_image, to_pixels
from mrcnn_explained.report.figures import FIGURES
from mrcnn_explained.stages.catalog import STAGES
from mrcnn_explained.stages.levels import level_boundaries


@pytest.fixture(scope="module")
def pixels(golden_trace):
    return golden_trace.image.resized[0]


def boxes_drawn(ax, color=None):
    """Boxes (y1, x1, y2, x2) of the rectangles in some axes."""
    return [
        (r.get_y(), r.get_x(), r.get_y() + r.get_height(), r.get_x() + r.get_width())
        for r in ax.patches
        if isinstance(r, Rectangle)
        and (color is None or to_hex(r.get_edgecolor()) == color.lower())
    ]


def words(ax):
    return " | ".join(text.get_text() for text in ax.texts) + " | " + ax.get_title()


# All of them


def test_every_stage_has_a_figure_and_figures_are_in_the_order_of_stages():
    order = [stage.module for stage in STAGES]
    stages = [figure.stage for figure in FIGURES]
    assert sorted(set(stages), key=order.index) == order
    assert stages == sorted(stages, key=order.index)
    for number, name in enumerate(order, 1):
        assert f"{number:02}_{name}.png" in [figure.file for figure in FIGURES]
    assert len({figure.file for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize("drawn", FIGURES, ids=lambda drawn: drawn.file)
def test_it_can_be_drawn(golden_trace, drawn, tmp_path):
    result = drawn.draw(golden_trace)
    assert isinstance(result, Figure | Axes)
    save_figure(result, tmp_path / "x.png")


@pytest.fixture(scope="module")
def poor_traces(golden_model, goldens):
    """A run that finds nothing, and one on three boxes of the caller's own."""
    shown = goldens["img0_original_uint8"]
    nothing = golden_model.with_config(detection_min_confidence=1.0).trace(shown)
    own = golden_model.trace(shown, rois=[[10, 10, 50, 60], [0, 0, 300, 420], [5, 5, 9, 9]])
    return nothing.numpy(), own.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("drawn", FIGURES, ids=lambda drawn: drawn.file)
def test_it_can_be_drawn_without_detections_and_without_candidates(poor_traces, drawn, tmp_path):
    for trace in poor_traces:
        result = drawn.draw(trace)
        if result is not None:
            save_figure(result, tmp_path / "x.png")


def test_a_level_has_the_same_colour_everywhere(golden_trace, pixels):
    assert len(set(LEVEL_COLORS.values())) == 5
    ax = levels.plot_levels_on_image(
        golden_trace.levels, golden_trace.proposals.rpn_rois, pixels, count=1000
    )
    for level, color in list(LEVEL_COLORS.items())[:4]:
        assert len(boxes_drawn(ax, color)) == (golden_trace.levels.roi_level[0] == level).sum()
    ax = anchors.plot_cell_anchors(golden_trace.anchors, pixels)
    for color in LEVEL_COLORS.values():
        assert len(boxes_drawn(ax, color)) == 3


def test_boxes_in_pixels_undo_the_normalisation():
    # The whole image: (0, 0, 1, 1) is (0, 0, H, W).
    whole = to_pixels([[0, 0, 1, 1], [0.5, 0, 0.5, 0]], np.zeros([101, 201, 3]))
    np.testing.assert_allclose(whole, [[0, 0, 101, 201], [50, 0, 51, 1]])
    ax = figure().subplots()
    draw_boxes(ax, whole, GOOD)
    assert boxes_drawn(ax)[0] == (0, 0, 101, 201)


# One by one


def test_molding_shows_the_window(golden_trace):
    panels = image.plot_molding(golden_trace.image).axes
    assert boxes_drawn(panels[1]) == [tuple(golden_trace.image.window[0])]
    assert "scale 1.067" in words(panels[1])


def test_anchors_are_drawn_where_the_stage_puts_them(golden_trace, pixels):
    ax = anchors.plot_cell_anchors(golden_trace.anchors, pixels, at=(0, 0))
    a = golden_trace.anchors
    corner = np.asarray(a.boxes_px)[(np.asarray(a.row) == 0) & (np.asarray(a.column) == 0)]
    np.testing.assert_allclose(sorted(boxes_drawn(ax)), sorted(map(tuple, corner)), atol=1e-4)
    assert "P2: 37,632 anchors of 32 px" in words(ax)


def test_score_maps_share_one_scale(golden_trace, pixels):
    shown, *axes = rpn.plot_score_maps(golden_trace.rpn, pixels).axes[:6]
    maps = [ax.images[0] for ax in axes]
    np.testing.assert_array_equal(shown.images[0].get_array(), pixels)
    assert len({drawn.get_clim() for drawn in maps}) == 1
    for drawn, level in zip(maps, golden_trace.rpn.level_class, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), level[0, ..., 1].max(axis=-1))
        assert drawn.get_alpha() is None  # its colours are the bar's


def test_delta_histograms_have_the_right_names(golden_trace):
    # In Matterport's notebook dh and dw are swapped.
    scores = golden_trace.rpn.rpn_class[0, :, 1]
    for least in (0.0, 0.5, 0.9):
        figure = rpn.plot_delta_histograms(golden_trace.rpn, min_score=least)
        drawn = scores >= least
        means = golden_trace.rpn.rpn_bbox[0][drawn].mean(axis=0)
        for ax, name, mean in zip(figure.axes, ("dy", "dx", "dh", "dw"), means, strict=True):
            assert ax.get_title().startswith(f"{name}: {mean:.2f} ")
            assert ax.get_xlabel() == "delta / RPN_BBOX_STD_DEV"
        assert figure.get_suptitle().startswith(f"{drawn.sum():,} of {len(drawn):,} anchors")
    none = rpn.plot_delta_histograms(golden_trace.rpn, min_score=1.1)
    assert none.get_suptitle().startswith("0 of ")


def test_the_kept_box_is_drawn_with_the_candidates_it_suppressed(golden_trace, pixels):
    ax = proposals.plot_suppression(golden_trace.proposals, pixels, count=99)
    by = golden_trace.proposals.nms.suppressed_by[0]
    kept = int(np.bincount(by[by >= 0]).argmax())
    boxes = to_pixels(golden_trace.proposals.refined_anchors_clipped[0], pixels)
    np.testing.assert_allclose(boxes_drawn(ax, GOOD), boxes[[kept]], rtol=1e-5)
    np.testing.assert_allclose(boxes_drawn(ax, LOST), boxes[by == kept], rtol=1e-5)
    overlap = golden_trace.proposals.nms.suppressed_iou[0]
    for suppressed in np.flatnonzero(by == kept):
        assert f"candidate {suppressed}, " in words(ax)
        assert f"IoU {overlap[suppressed]:.2f}" in words(ax)


def test_fates_are_counted(golden_trace):
    ax = proposals.plot_fates(golden_trace.proposals)
    nms = golden_trace.proposals.nms
    counts = [(nms.rank[0] >= 0).sum(), (nms.suppressed_by[0] >= 0).sum(), (~nms.reached[0]).sum()]
    assert sum(counts) == 2000
    names = [text.get_text() for text in ax.get_yticklabels()]
    expected = zip(counts, ("kept", "suppressed", "never reached"), strict=True)
    assert names == [f"{count:,} {name}" for count, name in expected]
    lanes = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [len(lane.get_segments()) for lane in lanes] == counts


@pytest.mark.parametrize("rounding", ["round", "floor"])
def test_the_level_equation_has_its_ticks_at_the_boundaries(golden_trace, rounding):
    ax = levels.plot_levels(golden_trace.levels, rounding=rounding)
    np.testing.assert_allclose(ax.get_xticks(), level_boundaries(rounding=rounding))
    marks = [c for c in ax.collections if isinstance(c, PathCollection)]
    assert [len(m.get_offsets()) for m in marks] == [94, 25, 26, 5]
    drawn = np.concatenate([m.get_offsets() for m in marks])
    expected = np.stack([golden_trace.levels.side[0], golden_trace.levels.exact_level[0]], axis=1)
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0), rtol=1e-6)
    assert "P4: 26 ROIs" in words(ax)


def test_rois_without_area_are_counted_and_not_drawn(golden_trace):
    ax = levels.plot_levels(golden_trace.mask_levels)
    marks = [c for c in ax.collections if isinstance(c, PathCollection)]
    assert sum(len(m.get_offsets()) for m in marks) == 34
    assert "6 ROIs without area" in ax.get_xlabel()


def test_sampling_dots_lie_on_the_samples(golden_trace, pixels):
    for roi in range(0, 150, 15):
        level, row = crops.find_roi(golden_trace.crops, roi)
        assert level == golden_trace.levels.roi_level[0, roi]
        on_image, on_map, crop, *_ = crops.plot_sampling(
            golden_trace.crops, golden_trace.pyramid.roi_maps, pixels, roi
        ).axes
        (dots,) = on_map.lines[:1]
        assert set(np.ravel(dots.get_ydata())) == set(golden_trace.crops.sample_y[level - 2][row])
        box = to_pixels(golden_trace.proposals.rpn_rois[0, roi], pixels)
        np.testing.assert_allclose(boxes_drawn(on_image), box, rtol=1e-5)
        pooled = np.abs(golden_trace.reordered.pooled[0, roi]).mean(axis=-1)
        np.testing.assert_allclose(crop.images[0].get_array(), pooled, rtol=1e-6)
    with pytest.raises(ValueError, match="0…149"):
        crops.find_roi(golden_trace.crops, 150)


def test_every_line_of_the_reorder_arrives_at_its_roi(golden_trace):
    for image_index in range(2):
        ax = reorder.plot_reorder(
            golden_trace.reordered, golden_trace.crops.ix, image_index, count=150
        )
        came, lines = (c for c in ax.collections if isinstance(c, LineCollection))
        level = golden_trace.levels.roi_level[image_index]
        for roi, color in enumerate(lines.get_colors()):
            assert to_hex(color).lower() == LEVEL_COLORS[level[roi]].lower()
        starts = [segment[0][1] for segment in lines.get_segments()]
        assert sorted(starts) == list(range(150))
        assert (np.diff(level[np.argsort(starts)]) >= 0).all()  # the stack lies level by level
        assert "every crop is back at its ROI" in words(ax)
        # An ROI enters the stack where its crop leaves it.
        there = {segment[0][1]: segment[1][1] for segment in came.get_segments()}
        assert [there[roi] for roi in range(150)] == starts


def test_the_first_rois_of_the_reorder_have_their_rows_and_keys(golden_trace):
    ax = reorder.plot_reorder(golden_trace.reordered, golden_trace.crops.ix, 1, count=24)
    stack = np.concatenate(golden_trace.crops.ix)
    keys = golden_trace.reordered.sorting_tensor
    for row in np.flatnonzero((stack[:, 0] == 1) & (stack[:, 1] < 24)):
        assert f"| {row}: {keys[row]} |" in words(ax)
    assert "the first 24 of 150 ROIs" in words(ax)


def test_a_crop_that_is_not_home_is_black(golden_trace):
    broken = golden_trace.reordered._replace(home=golden_trace.reordered.home.copy())
    broken.home[0, 7] = False
    ax = reorder.plot_reorder(broken, golden_trace.crops.ix)
    _, lines = (c for c in ax.collections if isinstance(c, LineCollection))
    assert [to_hex(c) for c in lines.get_colors()].count("#000000") == 1
    assert "1 crops are at a wrong ROI" in words(ax)


def test_the_best_class_is_in_colour(golden_trace):
    ax = box_head.plot_probabilities(golden_trace.box_head, 3, tuple("abcdefg"))
    values = golden_trace.box_head.mrcnn_class[0, 3]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], values)
    coloured = [to_hex(bar.get_facecolor()).upper() == GOOD for bar in ax.patches]
    assert np.flatnonzero(coloured).tolist() == [values.argmax()]
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abcdefg")


def test_the_cascade_counts_what_each_filter_removed(golden_trace):
    # About 92 of 150 ROIs are no background: a box that ends at exactly 1.0 may lose its last row
    # or column to rounding (deviation 5), and processors do not round alike.
    d = golden_trace.detections
    ax = detections.plot_cascade(d, golden_trace.proposals.valid)
    some = int((d.class_ids[0] > 0).sum())
    assert 90 <= some <= 94
    expected = f"150 | {some}  (-{150 - some}) | 48  (-{some - 48}) | 34  (-14) | 34 |"
    assert expected in words(ax)  # the last filter removes none, so it shows no number


def test_nms_by_class_adds_up(golden_trace):
    ax = detections.plot_nms_by_class(golden_trace.detections)
    pairs = [tuple(map(int, text.get_text().split("→"))) for text in ax.texts]
    assert np.sum(pairs, axis=0).tolist() == [48, 34]


def test_detections_have_their_boxes_and_scores(golden_trace, pixels):
    ax = detections.plot_detections(golden_trace.detections, pixels)
    found = golden_trace.detections.detections[0, :34]
    np.testing.assert_allclose(boxes_drawn(ax), to_pixels(found[:, :4], pixels), rtol=1e-5)
    for row in found:
        assert f"class {int(row[4])} {row[5]:.2f}" in words(ax)


def test_masks_are_those_of_the_chosen_class(golden_trace):
    drawn = mask_head.plot_masks(golden_trace.mask_head, golden_trace.detections.detections).axes
    for d in range(12):
        np.testing.assert_array_equal(
            drawn[d].images[0].get_array(), golden_trace.mask_head.class_mask[0, d]
        )
    framed = mask_head.plot_class_masks(golden_trace.mask_head, 0, 6).axes
    thick = [ax for ax in framed if ax.spines["left"].get_linewidth() == 3]
    assert [ax.get_title() for ax in thick] == ["class 6"]


def text_boxes(ax):
    """Where texts stand, (y1, x1, y2, x2) in the units of an image's axes."""
    ax.figure.draw_without_rendering()
    back = ax.transData.inverted()
    corners = [back.transform(text.get_window_extent().get_points()) for text in ax.texts]
    return [(c[:, 1].min(), c[:, 0].min(), c[:, 1].max(), c[:, 0].max()) for c in corners]


def test_labels_hide_no_small_box_and_not_each_other():
    # A small box at the edge, one in a large box's corner, and two that share a place.
    boxes = [(2, 10, 12, 20), (100, 100, 400, 400), (104, 104, 120, 120), (300, 10, 312, 22)]
    boxes.append(boxes[-1])
    ax = show_image(axes(None, 7, 7), np.zeros([512, 512, 3], np.uint8))
    label_boxes(ax, boxes, ["square 0.97"] * 5, [GOOD] * 5)
    labels = text_boxes(ax)
    overlap = lambda a, b: (a[0] < b[2] and b[0] < a[2]) and (a[1] < b[3] and b[1] < a[3])  # noqa: E731
    for i, label in enumerate(labels):
        assert not any(overlap(label, other) for other in labels[:i])
        assert not any(overlap(label, boxes[small]) for small in (0, 2, 3))
        assert label[0] >= 0 and label[1] >= 0
    assert labels[0][0] > 12 and labels[3][2] < 300  # below at the edge, above elsewhere


def test_instances_colour_their_masks(golden_trace):
    shown = golden_trace.image.original[0]
    ax = instances.plot_instances(golden_trace.instances, shown)
    assert len(boxes_drawn(ax)) == 34
    changed = (np.asarray(ax.images[0].get_array()) != shown).any(axis=-1)
    inside = golden_trace.instances.masks[0].any(axis=-1)
    assert not (changed & ~inside).any()
    assert changed[inside].mean() > 0.95
    splash = instances.plot_color_splash(golden_trace.instances, shown).images[0].get_array()
    np.testing.assert_array_equal(splash[inside], shown[inside])
    assert (np.ptp(np.asarray(splash)[~inside], axis=-1) == 0).all()


@pytest.mark.slow
def test_weight_histograms_show_the_nested_rpn_too(golden_model):
    # In Matterport's notebook the layers of rpn_model are missing.
    drawn = weights.plot_weight_histograms(golden_model.weights)
    titles = [ax.get_title() for ax in drawn.axes]
    for layer in ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred", "mrcnn_mask_deconv"):
        assert any(title.startswith(f"{layer}/kernel") for title in titles)
        assert any(title.startswith(f"{layer}/bias") for title in titles)
