"""The explorer of a training step: a clicked cell of the loss map, its target and its term."""

import numpy as np
import pytest

from mrcnn_explained.explorers.training import DECADES, TrainingExplorer


@pytest.fixture(scope="module")
def step(tiny_model):
    from mrcnn_explained.data.pipeline import batches
    from mrcnn_explained.data.shapes import ShapesDataset
    from mrcnn_explained.detector.model import MaskRCNN

    config = tiny_model.config.replace(
        num_classes=10, class_names=tuple(ShapesDataset(0).class_names)
    )
    model = MaskRCNN(config)
    batch = next(iter(batches(ShapesDataset(2, size=128), config, batch_size=2)))
    return model.training_trace(batch), config


@pytest.mark.slow
@pytest.mark.parametrize("what", ["anchors", "ROIs"])
@pytest.mark.parametrize("loss", ["class", "box"])
def test_terms_are_the_losses(step, what, loss):
    explorer = TrainingExplorer(*step, image=1)
    explorer.settings["what"].value, explorer.settings["loss"].value = what, loss
    name = ("rpn" if what == "anchors" else "mrcnn") + (
        "_class_loss" if loss == "class" else "_bbox_loss"
    )
    found = getattr(step[0].losses, name)
    terms = found.terms[1].numpy().reshape(len(found.counted[1]), -1).sum(axis=1)
    for row, term in explorer.result.items():
        assert term == pytest.approx(terms[row], abs=1e-6)
    assert explorer.text[0] == f"{name}: {float(found.loss):.4f}"


@pytest.mark.slow
def test_a_training_step_with_full_size_masks(tiny_model):
    from mrcnn_explained.data.pipeline import batches
    from mrcnn_explained.data.shapes import ShapesDataset
    from mrcnn_explained.detector.model import MaskRCNN

    config = tiny_model.config.replace(
        num_classes=10, class_names=tuple(ShapesDataset(0).class_names), use_mini_mask=False
    )
    batch = next(iter(batches(ShapesDataset(2, size=128), config, batch_size=2)))
    explorer = TrainingExplorer(MaskRCNN(config).training_trace(batch), config)
    explorer.settings["what"].value = "ROIs"
    assert explorer.view.scene["panels"] and explorer.result


def ints(layer):
    return np.frombuffer(layer["rows"], np.int32).tolist()


@pytest.fixture
def explorer(step):
    return TrainingExplorer(*step, image=1)


def click(explorer, x, y):
    event = explorer.view.clicked.get("event", 0) + 1
    explorer.view.clicked = {"panel": "map", "x": x, "y": y, "event": event}


@pytest.mark.slow
def test_a_clicked_cell_shows_its_hardest_anchor_with_target_and_term(explorer):
    step, targets = explorer.trace, explorer.trace.rpn_targets
    a = step.anchors
    positive = np.flatnonzero(targets.rpn_match[1].numpy() == 1)
    anchor = int(positive[0])
    explorer.settings["level"].value = int(a.level[anchor])
    stride = 2 ** int(a.level[anchor])
    click(explorer, (int(a.column[anchor]) + 0.5) * stride, (int(a.row[anchor]) + 0.5) * stride)
    chosen = explorer.view.selected
    here = np.flatnonzero(
        (a.level == a.level[anchor]) & (a.row == a.row[anchor]) & (a.column == a.column[anchor])
    )
    assert explorer.result[chosen] == max(explorer.result.get(int(i), -1) for i in here)
    terms = step.losses.rpn_class_loss.terms[1].numpy()
    assert f"Its term is {terms[chosen]:.4f}" in explorer.text[2]
    assert f"{np.exp(-terms[chosen]):.4f}" in explorer.text[2]
    gt = int(targets.matched_gt[1, chosen])
    name = explorer.config.class_name(int(step.batch.gt_class_ids[1, gt])) if gt >= 0 else "backgr"
    assert f"anchor {chosen}, P{int(a.level[chosen])}, target: {name}" in explorer.text[1]
    map_panel = explorer.view.scene["panels"][1]
    cell = np.frombuffer(map_panel["boxes"][0]["data"], np.float32)
    row, column = int(a.row[anchor]), int(a.column[anchor])
    np.testing.assert_allclose(cell, np.multiply([row, column, row + 1, column + 1], stride))
    assert chosen in ints(explorer.view.scene["panels"][0]["boxes"][-1]) or gt >= 0


@pytest.mark.slow
def test_a_cell_whose_anchors_take_no_part_says_so(explorer):
    taken = {int(explorer.trace.anchors.row[i]) for i in explorer.result}
    a = explorer.trace.anchors
    free = next(
        i
        for i in np.flatnonzero(a.level.numpy() == 3)
        if not any(
            (int(a.level[j]), int(a.row[j]), int(a.column[j]))
            == (3, int(a.row[i]), int(a.column[i]))
            for j in explorer.result
        )
    )
    assert taken
    click(explorer, int(a.column[free]) * 8 + 1, int(a.row[free]) * 8 + 1)
    assert "takes no part in rpn_class_loss" in explorer.text[1]


@pytest.mark.slow
def test_a_clicked_roi_shows_the_name_of_its_class(explorer):
    explorer.settings["what"].value = "ROIs"
    click(explorer, 0.5, 0.5)
    assert explorer.view.selected == 0
    targets = explorer.trace.detection_targets
    gt = int(targets.roi_gt_box_assignment[1, 0])
    name = explorer.config.class_name(int(targets.target_class_ids[1, 0])) if gt >= 0 else "backg"
    assert (
        f"ROI 0, P{int(explorer.trace.levels.roi_level[1, 0])}, target: {name}"
        in (explorer.text[1])
    )
    explorer.settings["loss"].value = "box"
    if gt >= 0:
        terms = explorer.trace.losses.mrcnn_bbox_loss.terms[1, 0].numpy()
        assert f"Its term is {terms.sum():.4f}" in explorer.text[2]
        assert all(f" {value:.4f}" in explorer.text[2] for value in terms)


@pytest.mark.slow
def test_no_padding_is_not_counted(explorer):
    assert not any("padded" in text for text in explorer.text)  # anchors have none
    explorer.settings["what"].value = "ROIs"
    padded = ~(
        explorer.trace.detection_targets.positive[1] | explorer.trace.detection_targets.negative[1]
    ).numpy()
    assert any("padded" in text for text in explorer.text) == padded.any()
    assert not any("0% of it" in text and "0 of them" in text for text in explorer.text)


@pytest.mark.slow
def test_the_maps_are_logarithmic(explorer):
    layer = explorer.view.scene["panels"][1]["images"][-1]
    shown = np.frombuffer(layer["data"], np.uint8).reshape(layer["height"], layer["width"])
    a, terms = explorer.trace.anchors, explorer.trace.losses.rpn_class_loss.terms[1].numpy()
    cells = np.zeros(shown.shape)
    here = a.level.numpy() == 3
    np.maximum.at(cells, (a.row.numpy()[here], a.column.numpy()[here]), terms[here])
    with np.errstate(divide="ignore"):
        expected = np.clip(1 + np.log10(cells / terms.max()) / DECADES, 0, 1) * 255
    np.testing.assert_allclose(shown, expected, atol=1.01)
    assert f"bright {terms.max():.3f}" in explorer.view.scene["panels"][1]["title"]


@pytest.mark.slow
def test_controls_without_an_effect_are_not_offered(explorer):
    assert explorer.settings["most"].max == len(explorer.result)
    explorer.settings["loss"].value = "box"
    assert explorer.settings["most"].max == max(len(explorer.result), 1)
    assert not explorer.settings["level"].disabled
    explorer.settings["what"].value = "ROIs"
    assert explorer.settings["level"].disabled


@pytest.mark.slow
def test_the_loss_map_is_clicked(explorer, on_page):
    bench = on_page(explorer)
    a = explorer.trace.anchors
    anchor = next(i for i in explorer.result if int(a.level[i]) == 3)
    bench.click("map", int(a.column[anchor]) * 8 + 4, int(a.row[anchor]) * 8 + 4)
    chosen = explorer.view.selected
    assert (int(a.row[chosen]), int(a.column[chosen])) == (
        int(a.row[anchor]),
        int(a.column[anchor]),
    )
    assert bench.page.locator(".mx-line").nth(1).text_content() == explorer.text[1]
    bench.press("map", "ArrowDown")
    assert int(a.row[explorer.view.selected]) == int(a.row[anchor]) + 1
