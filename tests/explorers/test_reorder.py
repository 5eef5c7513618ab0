"""The explorer of the reorder: one crop followed through all columns, wrong crops in red."""

import numpy as np
import pytest

from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.explorers.reorder import HOME as LAST_COLUMN
from mrcnn_explained.explorers.reorder import ROI, STACK, ReorderExplorer
from mrcnn_explained.plots.palette import WRONG

HOME = "Every crop is at its own ROI."


def rows(layer):
    return np.frombuffer(layer["rows"], np.int32)


def panel_of(explorer):
    return explorer.view.scene["panels"][0]


def test_the_reorder_breaks_where_the_keys_run_out(trace):
    explorer = ReorderExplorer(trace)
    explorer.settings["images"].value = 2
    assert explorer.result.home.numpy().all() and HOME in explorer.text
    explorer.settings["gap"].value = 50_000
    assert explorer.result.home.numpy().sum() > 0 and HOME in explorer.text
    explorer.settings["gap"].value = 100_000
    assert "crops came to a wrong ROI" in explorer.text[2]
    explorer.settings["images"].value = 1
    assert HOME in explorer.text


@pytest.fixture
def broken(trace):
    explorer = ReorderExplorer(trace)
    explorer.set_controls(shown=12, images=2, gap=100_000)
    return explorer


def test_wrong_crops_are_red(broken):
    # `home` would also count places whose ROI was only numbered higher.
    arrived = broken.result.pooled.numpy().reshape(-1)
    home = arrived == np.arange(len(arrived))
    assert 0 < home.sum() < len(home)
    dots = panel_of(broken)["points"][2]
    np.testing.assert_array_equal(np.array(dots["color"]) == WRONG, ~home)
    red = [layer for layer in panel_of(broken)["lines"] if layer["color"] == WRONG]
    (layer,) = red
    places = np.frombuffer(layer["data"], np.float32).reshape(-1, 4)[:, 3]
    np.testing.assert_array_equal(places, np.flatnonzero(~home))
    assert f"{(~home).sum()} of {len(home)} crops came to a wrong ROI" in broken.text[2]


def test_a_chosen_crop_is_lit_through_all_columns(broken):
    arrived = broken.result.pooled.numpy().reshape(-1).astype(int)
    chosen = int(np.flatnonzero(arrived != np.arange(len(arrived)))[0])  # gets a wrong crop
    broken.view.selected = chosen
    into, out = np.frombuffer(panel_of(broken)["lines"][-1]["data"], np.float32).reshape(-1, 4)
    row, place = int(into[3]), int(out[3])
    assert (into[0], into[1], into[2], out[2]) == (ROI, chosen, STACK, np.float32(LAST_COLUMN))
    assert int(out[1]) == row and arrived[place] == chosen
    ix = broken.result.box_to_level.numpy()
    assert chosen // 12 == ix[row, 0]
    assert (
        f"is row {row} of the stack, with key {broken.result.sorting_tensor[row]:,}"
        in (broken.text[-1])
    )
    assert "a wrong place" in broken.text[-1]
    # One row of each column, although the images have the same ROIs.
    for layer in panel_of(broken)["points"]:
        assert (rows(layer) == chosen).sum() == 1


def test_images_are_divided_and_rois_numbered(broken):
    divider = np.frombuffer(panel_of(broken)["lines"][0]["data"], np.float32).reshape(-1, 4)
    assert divider[:, 1].tolist() == divider[:, 3].tolist() == [11.5, 11.5]
    texts = [label["text"] for label in panel_of(broken)["labels"]]
    assert "1: 11" in texts and "image: ROI" in texts
    broken.settings["images"].value = 1
    assert panel_of(broken)["lines"][0]["data"] == b""
    texts = [label["text"] for label in panel_of(broken)["labels"]]
    assert texts.count("11") == 2 and "ROI" in texts  # beside the ROI and beside its crop
    assert min(label.get("size", 12) for label in panel_of(broken)["labels"]) >= 11


def test_only_the_first_image_shares_its_rois(trace):
    selection = Selection()
    explorer = ReorderExplorer(trace, selection=selection)
    explorer.set_controls(shown=10, images=2)
    explorer.view.selected = 13
    assert selection.roi == -1 and explorer.text[-1].startswith("ROI 3 of image 1: ")
    selection.roi = 4
    assert explorer.view.selected == 4 and explorer.text[-1].startswith("ROI 4 of image 0: ")
    selection.roi = 10  # of the run, but not shown
    assert explorer.view.selected == -1


def test_numbers_that_are_not_written_are_mentioned(trace):
    explorer = ReorderExplorer(trace)
    explorer.set_controls(shown=explorer.settings["shown"].max, images=3)
    assert len(explorer.result.sorted_ix) > 60
    assert "Numbers are written for up to 60 rows" in explorer.text[3]
    assert len(panel_of(explorer)["labels"]) == 3


@pytest.mark.slow
def test_a_dot_of_any_column_is_clicked(trace, on_page):
    explorer = ReorderExplorer(trace)
    bench = on_page(explorer)
    row = 6
    for x in (ROI, STACK, LAST_COLUMN):
        bench.click(0, x, row)
        stacked = int(explorer.result.box_to_level[row, 1])
        assert explorer.view.selected == (stacked if x == STACK else row)
        assert bench.page.locator(".mx-line").last.text_content() == explorer.text[-1]
        bench.press(0, "Escape")
