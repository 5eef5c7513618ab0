"""The explorer of crops: a bin that is clicked anywhere lights up everywhere."""

import numpy as np
import pytest

from mrcnn_explained.explorers.crops import WAYS, CropsExplorer
from mrcnn_explained.plots.style import cells_to_pixels, to_pixels


def floats(layer, size=4):
    return np.frombuffer(layer["data"], np.float32).reshape(-1, size)


def panels_of(explorer):
    return {panel["key"]: panel for panel in explorer.view.scene["panels"] if "key" in panel}


def click(explorer, panel, x, y):
    event = explorer.view.clicked.get("event", 0) + 1
    explorer.view.clicked = {"panel": panel, "x": float(x), "y": float(y), "event": event}


def chosen(explorer):
    return explorer.settings["row"].value, explorer.settings["column"].value


def test_a_crop_is_that_of_the_model_on_its_own_level(trace):
    explorer = CropsExplorer(trace)
    level = int(trace.levels.roi_level[0, 3])
    explorer.view.selected = 3
    assert explorer.settings["roi"].value == 3
    got = explorer.result[level].pooled[0][0]
    np.testing.assert_allclose(got, trace.reordered.pooled[0, 3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", ["crop_and_resize", "ROIAlign 1 sample", "ROIAlign 2x2 samples"])
def test_a_bin_is_the_sum_that_is_shown(trace, way):
    explorer = CropsExplorer(trace)
    explorer.settings["way"].value = way
    explorer.settings["channel"].value = 0
    explorer.set_controls(row=0, column=6)
    for k in range(2, 6):
        crop = explorer.aligned[k].pooled[0] if "ROI" in way else explorer.result[k].pooled[0][0]
        value = float(crop[0, -1, 0])
        assert f"= {value:.3f}" in explorer.text[k - 2] and "bin (0, 6)" in explorer.text[k - 2]


@pytest.mark.parametrize("way", WAYS)
def test_a_clicked_bin_lights_up_on_image_map_and_crop(trace, way):
    explorer = CropsExplorer(trace)
    explorer.settings["way"].value = way
    per_bin = 2 if "2x2" in way else 1
    own = int(trace.levels.roi_level[0, 0])
    found = explorer.aligned[3] if explorer.aligned else explorer.result[3]
    ys, xs = (getattr(found, name) for name in ("sample_y", "sample_x"))
    ys, xs = (np.asarray(x[0] if not explorer.aligned else x).reshape(-1) for x in (ys, xs))
    click(explorer, "map 3", xs[5 * per_bin], ys[2 * per_bin])
    assert chosen(explorer) == (2, 5)
    panels = panels_of(explorer)
    for level in range(2, 6):
        np.testing.assert_array_equal(floats(panels[f"bins {level}"]["boxes"][0]), [[2, 5, 3, 6]])
        assert "bin (2, 5) is " in explorer.text[level - 2]
    y, x = ys[2 * per_bin : 3 * per_bin], xs[5 * per_bin : 6 * per_bin]
    around = {
        (int(row), int(column))
        for row in np.r_[np.floor(y), np.ceil(y)]
        for column in np.r_[np.floor(x), np.ceil(x)]
    }
    framed = floats(panels["map 3"]["boxes"][1]) + 0.5
    assert {(int(row), int(column)) for row, column in framed[:, :2]} == around
    click(explorer, "bins 5", 0.2, 6.9)
    assert chosen(explorer) == (6, 0)
    click(explorer, f"image {own}", -500, 9999)
    assert chosen(explorer) == (6, 0)
    y1, _, _, x2 = to_pixels(trace.proposals.rpn_rois[0, 0], explorer.pixels)[0]
    click(explorer, f"image {own}", x2, y1)
    assert chosen(explorer) == (0, 6)
    assert f"Bin (0, 6) and the cells of P{own}" in panels_of(explorer)[f"image {own}"]["title"]


def test_a_click_keeps_the_roi(trace):
    explorer = CropsExplorer(trace)
    explorer.view.selected = 3
    for panel in list(panels_of(explorer)):
        click(explorer, panel, 1, 1)
        assert explorer.view.selected == 3 and explorer.settings["roi"].value == 3


def test_another_size_of_the_crop_keeps_the_place_of_the_bin(trace):
    explorer = CropsExplorer(trace)
    explorer.set_controls(row=6, column=3)
    explorer.settings["pool_size"].value = 14
    assert chosen(explorer) == (13, 7) and explorer.settings["row"].max == 13
    explorer.settings["pool_size"].value = 1
    assert chosen(explorer) == (0, 0)


def test_differences_have_one_scale(trace):
    explorer = CropsExplorer(trace)
    explorer.settings["way"].value = WAYS[1]
    shown, most = {}, 0.0
    for panel in explorer.view.scene["panels"]:
        if panel["title"].startswith("difference"):
            layer = panel["images"][0]
            shown[panel["title"]] = max(shown.get(panel["title"], 0), max(layer["data"]))
    for level in range(2, 6):
        aligned = explorer.aligned[level].pooled[0].numpy().mean(-1)
        plain = explorer.result[level].pooled[0][0].numpy().mean(-1)
        most = max(most, np.abs(aligned - plain).max())
    assert shown == {f"difference, bright {most:.3f}": 255}


def test_samples_lie_on_the_same_pixels_of_every_map(trace):
    explorer = CropsExplorer(trace)
    y1, _, y2, _ = to_pixels(trace.proposals.rpn_rois[0, 0], explorer.pixels)[0]
    for level in range(2, 6):
        ys = explorer.result[level].sample_y[0][0].numpy()
        cells = explorer.maps[level - 2].shape[1]
        # Pixels of a box: y2 lies one outside.
        np.testing.assert_allclose(
            cells_to_pixels(ys[[0, -1]], cells, 128), [y1 + 0.5, y2 - 0.5], atol=1e-3
        )
    assert cells_to_pixels(np.array([0.0]), 8, 128, aligned_corners=False) == 8


@pytest.mark.slow
def test_bins_are_clicked(trace, on_page):
    explorer = CropsExplorer(trace)
    explorer.view.selected = 3
    bench = on_page(explorer)
    bench.click("bins 4", 1.5, 3.5)
    assert chosen(explorer) == (3, 1)
    place = panels_of(explorer)["map 2"]["cursor"]
    bench.press("map 2", "ArrowDown")
    bench.press("map 2", "ArrowRight")
    assert chosen(explorer) == (4, 2)
    bench.click("map 2", *place)
    assert chosen(explorer) == (3, 1)
    key = next(key for key in panels_of(explorer) if key.startswith("image"))
    bench.press(key, "ArrowLeft", times=3)
    assert chosen(explorer) == (3, 0) and explorer.view.selected == 3
