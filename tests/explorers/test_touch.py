"""Places that are pointed at and boxes that are drawn, moved and resized, in a real Chromium."""

import numpy as np
import pytest

from mrcnn_explained.explorers.explorer import Explorer
from mrcnn_explained.scenes.scene import boxes, image_panel, movable

pytestmark = pytest.mark.slow


class Probe(Explorer):
    """A place and two boxes on one image, a row on another."""

    def __init__(self):
        self.place, self.boxes = [50.0, 50.0], {"A": [20, 20, 80, 120], "B": [100, 100, 140, 140]}
        super().__init__(np.zeros([150, 200, 3], np.uint8), {})

    def place_clicked(self, panel, x, y):
        assert panel == "map"
        self.place = [x, y]
        self.refresh()

    def box_moved(self, name, box):
        self.boxes[name] = box
        self.refresh()

    def box_drawn(self, box):
        self.boxes["drawn"] = box
        self.refresh()

    def draw(self):
        image = self.pixels
        moved = [movable(name, box) for name, box in self.boxes.items()]
        return {
            "panels": [
                image_panel(
                    "place", image, key="map", clickable=True, cursor=self.place, step=[8, 4]
                ),
                image_panel(
                    "boxes",
                    image,
                    drawable=True,
                    movable=moved,
                    boxes=[boxes([[0, 150, 90, 190]], "#000000", [7])],
                ),
            ],
            "text": [],
        }


@pytest.fixture
def bench(on_page):
    return on_page(Probe())


def test_a_click_and_arrow_keys_report_a_place_and_select_nothing(bench):
    bench.click("map", 30, 40)
    np.testing.assert_allclose(bench.explorer.place, [30, 40], atol=0.3)
    x, y = bench.explorer.place
    bench.press("map", "ArrowRight")
    bench.press("map", "ArrowUp")
    assert bench.explorer.place == [x + 8, y - 4] and bench.explorer.view.selected == -1
    bench.press("map", "ArrowLeft", times=6)
    assert bench.explorer.place[0] == 0  # the edge of the panel


@pytest.mark.parametrize(
    ("handle", "to", "expected"),
    [
        ((70, 50), (90, 60), [30, 40, 90, 140]),  # the whole
        ((20, 20), (30, 5), [5, 30, 80, 120]),  # a corner
        ((120, 50), (90, 140), [20, 20, 80, 90]),  # a side
        ((120, 80), (900, 900), [20, 20, 150, 200]),  # not beyond the image
        ((70, 50), (-900, -900), [0, 0, 60, 100]),
        ((20, 20), (190, 140), [79, 119, 80, 120]),  # not past the opposite corner
    ],
)
def test_a_box_is_moved_and_resized_within_its_image(bench, handle, to, expected):
    bench.drag(1, handle, to)
    np.testing.assert_allclose(bench.explorer.boxes["A"], expected, atol=0.6)
    assert bench.explorer.boxes["B"] == [100, 100, 140, 140]
    assert bench.explorer.view.selected == -1


def test_a_box_obeys_keys(bench):
    bench.press_box("B", "ArrowRight")
    bench.press_box("B", "Control+ArrowUp")
    assert bench.explorer.boxes["B"] == [90, 101, 130, 141]
    bench.press_box("B", "Shift+ArrowDown")
    bench.press_box("B", "Control+Shift+ArrowLeft")
    assert bench.explorer.boxes["B"] == [90, 101, 131, 131]
    label = bench.page.locator("[data-name='B']").get_attribute("aria-label")
    assert "90, 101, 131, 131" in label


def test_beside_the_boxes_a_new_one_is_drawn_and_a_click_selects_a_row(bench):
    bench.click(1, 170, 40)
    assert bench.explorer.view.selected == 7
    bench.drag(1, (150, 5), (900, 60))
    assert bench.explorer.view.drawn_box == pytest.approx([5, 150, 60, 200], abs=0.5)
    assert bench.explorer.view.selected == 7  # a drag selects nothing
    bench.drag(1, (170, 30), (160, 40))  # what was drawn is there to be moved
    assert bench.explorer.boxes["drawn"] == pytest.approx([15, 140, 70, 190], abs=1)
