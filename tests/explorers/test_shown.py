"""What all explorers share: twelve boxes at first, one grid, a sign while they compute."""

import numpy as np
import pytest

from explorers.test_explorers import make
from mrcnn_explained.explorers.explorer import BEST, Explorer, boxes_shown, hidden_line
from mrcnn_explained.scenes.scene import boxes, panel

MANY = ("rpn", "levels", "crops", "box_head", "detections")


def drawn(explorer):
    """The rows of boxes on all panels."""
    layers = [b for p in explorer.view.scene["panels"] for b in p.get("boxes", [])]
    return {row for layer in layers for row in np.frombuffer(layer["rows"], np.int32).tolist()}


@pytest.mark.parametrize("name", MANY)
def test_the_best_twelve_are_drawn_until_more_are_asked_for(trace, name):
    explorer = make(name, trace)
    (control,) = (c for c in explorer.settings.values() if c.description == "boxes shown")
    most = control.max
    assert control.value == BEST == 12 < most
    if name == "rpn":
        explorer.settings["score"].value = 0.0
    few = drawn(explorer)
    assert len(few - {explorer.view.selected}) <= BEST
    (words,) = (text for text in explorer.text if "boxes shown" in text)
    assert words.startswith("The best 12 of ") and " are not: see " in words
    control.value = most
    assert few < drawn(explorer)
    control.value = 0
    assert len(drawn(explorer)) <= 1  # the selected one


def test_a_line_says_how_many_boxes_are_hidden():
    assert hidden_line(12, 40, "ROIs")["text"] == (
        'The best 12 of 40 ROIs are drawn, 28 are not: see "boxes shown".'
    )
    assert hidden_line(5, 5, "ROIs")["text"] == "All 5 ROIs are drawn."
    assert (boxes_shown(5).value, boxes_shown(5).max, boxes_shown(50).value) == (5, 5, 12)


class Probe(Explorer):
    """It records whether the view says that Python computes."""

    def draw(self, fail):
        self.busy = self.view.busy
        if fail:
            raise RuntimeError("a fault of the stage")
        return {
            "panels": [panel("", (0, 0, 1, 1), boxes=[boxes([[0, 0, 1, 1]], "ink")])],
            "text": [],
        }


def test_the_view_is_busy_while_python_computes_and_only_then():
    control = boxes_shown(1)
    control.value = 0
    probe = Probe(np.zeros([8, 8, 3], np.uint8), {"fail": control})
    assert probe.busy and not probe.view.busy
    with pytest.raises(RuntimeError, match="a fault"):
        control.value = 1
    assert probe.busy and not probe.view.busy


def test_controls_stand_in_one_column_of_the_grid_of_the_view(trace):
    explorer = make("levels", trace)
    (grid,) = explorer.children
    column, view = grid.children
    assert view is explorer.view
    assert list(column.children)[: len(explorer.settings)] == list(explorer.settings.values())
    for widget, name in ((explorer, "room"), (grid, "explorer"), (column, "controls")):
        assert f"mx-{name}" in widget._dom_classes
    assert {c.style.description_width for c in explorer.settings.values()} == {"44%"}
