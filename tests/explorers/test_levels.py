"""The explorer of levels: a box that is drawn, typed, moved and resized; the clamp; the chart."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import noise_image

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explorers.crops import CropsExplorer
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.explorers.levels import LevelsExplorer
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.stages.levels import assign_levels, level_boundaries


def test_levels_are_the_stage_functions(trace):
    explorer = LevelsExplorer(trace, image=1)
    explorer.settings["rounding"].value = "floor"
    explorer.settings["canonical_side"].value = 112
    explorer.view.drawn_box = [10.0, 20.0, 60.0, 100.0]
    shape = explorer.pixels.shape[:2]
    own = norm_boxes(tf.constant([[10.0, 20.0, 60.0, 100.0]]), shape)
    rois = tf.concat([trace.proposals.rpn_rois[1], own], 0)[None]
    expected = assign_levels(
        rois, tf.constant(shape, tf.float32), rounding="floor", canonical_side=112.0
    )
    np.testing.assert_array_equal(explorer.result.roi_level, expected.roi_level)
    k = int(expected.roi_level[0, -1])
    assert f"reads P{k}." in explorer.text[-1] and explorer.text[-1].startswith("Your box")


def test_a_box_can_be_typed_and_described_as_an_roi_is(trace):
    selection = Selection()
    explorer = LevelsExplorer(trace, selection=selection)
    explorer.view.drawn_box = [10.0, 20.0, 60.0, 100.0]
    assert explorer.settings["box"].value == "10, 20, 60, 100"
    drawn = explorer.text
    explorer.settings["box"].value = ""
    explorer.settings["box"].value = "10,20,60,1e2"
    assert explorer.text == drawn and drawn[-1].startswith("Your box")
    assert selection.roi == -1  # it is no ROI of the run
    explorer.view.selected = 1
    assert explorer.text[-1].startswith("ROI 1: ") and selection.roi == 1
    for wrong in ("10, 20, 60", "a, b, c, d", "60, 20, 10, 100", "nan, 1, 2, 3"):
        explorer.settings["box"].value = wrong
        assert "expected" in explorer.text[-1] and explorer.view.scene["panels"]
    explorer.view.drawn_box = [5.0, 5.0, 5.0, 9.0]  # begun, without area yet
    assert explorer.settings["box"].value == "nan, 1, 2, 3"


@pytest.mark.slow
def test_levels_without_rois_are_drawn_and_counted(tiny_model):
    trace = tiny_model.trace(noise_image(128, 128), rois=[[0, 0, 127, 127]])
    assert set(trace.levels.roi_level[0].numpy()) == {3}
    levels = LevelsExplorer(trace)
    assert levels.text[:4] == ["P2: 0 ROIs", "P3: 1 ROIs", "P4: 0 ROIs", "P5: 0 ROIs"]
    crops = CropsExplorer(trace)
    assert sorted(crops.result) == [2, 3, 4, 5] and "P3, its level" in [
        panel["title"] for panel in crops.view.scene["panels"]
    ]


@pytest.mark.parametrize(
    ("box", "words", "level"),
    [
        ("0, 0, 100, 100", "rounded to -1: k = 4 - 1 = 3, so it reads P3.", 3),
        ("0, 0, 8, 8", "rounded to -5: k = 4 - 5 = -1, clamped to the lowest level of ROIs", 2),
        ("0, 0, 128, 128", "rounded to -1: k = 4 - 1 = 3, so it reads P3.", 3),
    ],
)
def test_rounding_and_clamp_are_said(trace, box, words, level):
    explorer = LevelsExplorer(trace)
    explorer.settings["box"].value = box
    assert words in explorer.text[-1] and explorer.result.roi_level[0, -1] == level


def test_no_level_is_rounded_to_minus_zero(trace):
    explorer = LevelsExplorer(trace)
    explorer.settings["canonical_side"].value = 128
    explorer.settings["box"].value = "0, 0, 110, 110"
    assert np.signbit(explorer.result.rounded_octaves[0, -1])
    assert "rounded to 0: k = 4 + 0 = 4, so it reads P4." in explorer.text[-1]
    explorer.settings["canonical_side"].value = 56
    explorer.settings["box"].value = "0, 0, 128, 128"
    assert "= 5, so it reads P5" in explorer.text[-1]


def test_a_box_ends_at_the_image(trace):
    explorer = LevelsExplorer(trace)
    explorer.settings["box"].value = "20, 30, 640, 640"
    assert explorer.text[-1] == (
        "The box ends outside the image: it was clipped to 20, 30, 128, 128."
    )
    inside = LevelsExplorer(trace)
    inside.settings["box"].value = "20, 30, 128, 128"
    np.testing.assert_array_equal(explorer.result.side, inside.result.side)
    explorer.settings["box"].value = "200, 300, 640, 640"
    assert "lies outside the image" in explorer.text[-1]
    assert not explorer.view.scene["panels"][0].get("movable")


@pytest.mark.parametrize("canonical", [56, 224, 896])
def test_every_dot_lies_on_the_chart(canonical):
    side = np.float32([0, 8, 30, 100, 300, 512, 1000])
    found = assign_levels(
        tf.constant(np.stack([side * 0, side * 0, side, side], 1)[None] / 1024),
        tf.constant([1024.0, 1024.0]),
        canonical_side=float(canonical),
    )
    real = np.arange(1, len(side))
    chart = level_chart(
        found.side[0].numpy(),
        found.exact_level[0].numpy(),
        found.roi_level[0].numpy(),
        real,
        level_boundaries(canonical_side=float(canonical)),
        canonical_side=canonical,
    )
    left, top, right, bottom = chart["extent"]
    dots = np.frombuffer(chart["points"][0]["data"], np.float32).reshape(-1, 2)
    assert (dots > [left, top]).all() and (dots < [right, bottom]).all()
    np.testing.assert_allclose(dots[:, 1], -found.exact_level[0].numpy()[real], rtol=1e-5)
    named = {text["text"] for text in chart["labels"]}
    assert {"P2", "P5"} <= named
    clamped = {f"{k} → P2" for k in (-2, -1, 0, 1)} | {f"{k} → P5" for k in (6, 7, 8)}
    assert named & clamped  # levels outside the pyramid name the one that is read


@pytest.mark.slow
def test_a_box_is_drawn_moved_and_resized_within_the_image(trace, on_page):
    explorer = LevelsExplorer(trace, image=1)  # padded to 128 x 128
    explorer.settings["shown"].value = 0
    bench = on_page(explorer)
    bench.drag(0, (20, 30), (70, 90))
    bench.drag(0, (45, 60), (999, 60))  # the whole of it
    np.testing.assert_allclose(box_of(explorer), [30, 78, 90, 128], atol=0.7)
    bench.drag(0, (78, 30), (-50, -50))  # a corner
    np.testing.assert_allclose(box_of(explorer), [0, 0, 90, 128], atol=0.7)
    drawn = explorer.view.scene["panels"][0]["movable"][0]
    np.testing.assert_allclose(drawn["box"], box_of(explorer), atol=0.1)
    bench.press_box("your box", "Control+Shift+ArrowUp")
    np.testing.assert_allclose(box_of(explorer), [0, 0, 80, 128], atol=0.7)
    shown = bench.page.locator(".mx-line").last.text_content()
    assert shown == explorer.text[-1] and f"reads P{explorer.result.roi_level[0, -1]}" in shown


def box_of(explorer):
    return [float(value) for value in explorer.settings["box"].value.split(",")]
