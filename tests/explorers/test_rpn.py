"""The explorer of the RPN: what it computed for an anchor that is clicked."""

import numpy as np
import pytest

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.explorers.rpn import RpnExplorer
from mrcnn_explained.plots.style import to_pixels


@pytest.mark.parametrize("image", [0, 1])
def test_the_text_shows_what_the_rpn_computed_for_the_selected_anchor(trace, image):
    explorer = RpnExplorer(trace, image=image)
    assert explorer.text[0].startswith("Click a box")
    row = 700
    explorer.view.selected = row
    text = " ".join(explorer.text[:4])
    rpn = trace.rpn
    for logit in rpn.rpn_class_logits[image, row].numpy():
        assert f"{logit:.2f} (" in text
    assert f"a score of {rpn.rpn_class[image, row, 1]:.3f}" in text
    deltas = rpn.rpn_bbox[image, row].numpy() * trace.config.rpn_bbox_std_dev
    for name, value in zip(("dy", "dx", "dh", "dw"), deltas, strict=True):
        assert f"{name} {value:+.3f}" in text
    after = apply_box_deltas(trace.anchors.boxes[row], deltas.astype(np.float32))
    shown = ", ".join(f"{v:.1f}" for v in to_pixels(after, explorer.pixels)[0])
    assert f"becomes ({shown}) px" in text


def test_each_fate_of_an_anchor_is_said(trace, nothing_found):
    explorer, p = RpnExplorer(trace), trace.proposals
    top, rank, by = (x[0].numpy() for x in (p.top_ix, p.nms.rank, p.nms.suppressed_by))
    kept, lost = int(np.flatnonzero(rank >= 0)[2]), int(np.flatnonzero(by >= 0)[0])
    explorer.view.selected = int(top[kept])
    assert explorer.text[3] == f"As candidate {kept} it became ROI {rank[kept]}."
    explorer.view.selected = int(top[lost])
    assert explorer.text[3].startswith(f"Candidate {by[lost]} suppressed it, candidate {lost}, ")
    outside = sorted(set(range(len(trace.anchors.boxes))) - set(top.tolist()))
    if outside:
        explorer.view.selected = outside[0]
        assert "not among the" in explorer.text[3]
    never = np.flatnonzero((rank < 0) & (by < 0))
    if len(never):
        explorer.view.selected = int(top[never[0]])
        assert "never reached" in explorer.text[3]
    given = RpnExplorer(nothing_found)
    given.view.selected = 3
    assert "passed by the caller" in given.text[3]


def test_a_cell_of_the_map_selects_its_best_anchor(trace):
    explorer = RpnExplorer(trace)
    explorer.settings["level"].value = 3  # cells of 8 pixels
    explorer.view.clicked = {"panel": "map", "x": 50.0, "y": 20.0, "event": 1}
    a, scores = trace.anchors, trace.rpn.rpn_class[0, :, 1].numpy()
    here = np.flatnonzero((a.level == 3) & (a.row == 2) & (a.column == 6))
    assert explorer.view.selected == here[scores[here].argmax()]
    frame = explorer.view.scene["panels"][0]["boxes"][0]
    np.testing.assert_array_equal(np.frombuffer(frame["data"], np.float32), [16, 48, 24, 56])
    explorer.settings["score"].value = 1.0  # it stays drawn
    layers = explorer.view.scene["panels"][1]["boxes"]
    assert "scores" not in layers[-1]
    assert np.frombuffer(layers[-1]["rows"], np.int32).tolist() == [explorer.view.selected]


@pytest.mark.slow
def test_the_map_and_the_boxes_are_clicked(trace, on_page):
    explorer = RpnExplorer(trace)
    bench = on_page(explorer)
    bench.click("map", 70, 40)
    first = explorer.view.selected
    a = trace.anchors
    assert (int(a.level[first]), int(a.row[first]), int(a.column[first])) == (4, 2, 4)
    assert bench.page.locator(".mx-line").first.text_content().startswith(f"Anchor {first} on P4")
    bench.press("map", "ArrowRight")
    second = explorer.view.selected
    assert (int(a.row[second]), int(a.column[second])) == (2, 5)
    bench.press("map", "Escape")
    assert explorer.view.selected == -1
