"""The explorer of TimeDistributed: tiles that fold and unfold, and what each way costs."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.explorers.time_distributed import (
    FOLD,
    KERAS,
    LOOP,
    TimeDistributedExplorer,
    apply_three_ways,
)


def rows(layer):
    return np.frombuffer(layer["rows"], np.int32)


def bar(panel, row):
    """The length of a bar, as a share of the full length."""
    return float(np.frombuffer(panel["lines"][2 * row + 1]["data"], np.float32)[2])


def test_three_ways_give_the_same_and_their_calls_are_counted():
    x = tf.random.stateless_normal([2, 5, 8], [1, 2])
    found = apply_three_ways(x, 3)
    assert {way: run.calls for way, run in found.items()} == {FOLD: 1, LOOP: 5, KERAS: 5}
    for run in found.values():
        np.testing.assert_allclose(run.output, found[FOLD].output, atol=1e-5)
        assert run.output.shape == (2, 5, 3) and run.milliseconds > 0


def test_bars_grow_with_the_number_of_rois_as_it_was_counted(trace):
    explorer = TimeDistributedExplorer(trace)
    most = explorer.settings["count"].max
    for count in (2, 7):
        explorer.settings["count"].value = count
        calls, times = explorer.view.scene["panels"][1:]
        assert bar(calls, 0) == pytest.approx(max(1 / most, 0.003))
        assert bar(calls, 1) == pytest.approx(count / most) == bar(calls, 2)
        longest = max(explorer.longest, *(run.milliseconds for run in explorer.result.values()))
        for row, run in enumerate(explorer.result.values()):
            assert bar(times, row) == pytest.approx(max(run.milliseconds / longest, 0.003), 1e-4)


def test_a_tile_is_found_at_every_step(trace):
    explorer = TimeDistributedExplorer(trace)
    explorer.set_controls(count=4, images=2)
    tiles = explorer.view.scene["panels"][0]["boxes"][0]
    place = np.frombuffer(tiles["data"], np.float32).reshape(4, 8, 4)
    np.testing.assert_array_equal(rows(tiles).reshape(4, 8), np.tile(np.arange(8), [4, 1]))
    grid, folded, called, unfolded = place
    # In the grids image 1 lies below image 0; while folded, its tiles come after all of image 0.
    np.testing.assert_allclose(grid[4:, 1], grid[:4, 1])
    assert (grid[4:, 0] > grid[:4, 0]).all()
    assert (np.diff(folded[:, 1]) > 0).all() and len(set(folded[:, 0])) == 1
    np.testing.assert_allclose(called[:, [1, 3]], folded[:, [1, 3]])
    np.testing.assert_allclose(unfolded[:, [1, 3]], grid[:, [1, 3]])
    before = explorer.result
    explorer.view.selected = 6
    assert explorer.text[-1].startswith("Tile (1, 2) is row 1 x 4 + 2 = 6 while folded")
    assert explorer.result is before  # a click measures nothing again
    assert explorer.selection.roi == -1  # image 1 repeats the ROIs


def test_the_selected_roi_is_a_tile_of_the_first_image(trace):
    explorer = TimeDistributedExplorer(trace)
    explorer.selection.roi = 2
    assert explorer.view.selected == 2 and "Tile (0, 2)" in explorer.text[-1]


@pytest.mark.slow
def test_tiles_are_clicked(trace, on_page):
    explorer = TimeDistributedExplorer(trace)
    explorer.set_controls(count=3, images=2)
    bench = on_page(explorer)
    tiles = explorer.view.scene["panels"][0]["boxes"][0]
    place = np.frombuffer(tiles["data"], np.float32).reshape(-1, 4)
    for tile in (1, 6 + 4, 18 + 5):
        y1, x1, y2, x2 = place[tile]
        bench.click(0, (x1 + x2) / 2, (y1 + y2) / 2)
        assert explorer.view.selected == tile % 6
