"""How training learns: the view shows what the story holds."""

import numpy as np
import pytest

from mrcnn_explained.explorers.progress import AVERAGED, TrainingProgress
from mrcnn_explained.training.story import read_story


@pytest.fixture(scope="module")
def story():
    return read_story()


@pytest.fixture
def explorer(story):
    return TrainingProgress(story)


def values(layer, size=4):
    return np.frombuffer(layer["data"], np.float32).reshape(-1, size)


@pytest.mark.parametrize("scene", [0, 1, 2])
def test_boxes_and_masks_are_those_of_the_step(explorer, story, scene):
    explorer.settings["scene"].value = scene
    for snapshot in story.snapshots:
        explorer.settings["step"].value = snapshot.step
        kept = snapshot.scenes[scene]
        assert explorer.result is kept
        proposals, detections, _ = explorer.view.scene["panels"]
        assert proposals["images"][0]["name"] == f"image {scene}"
        np.testing.assert_allclose(values(proposals["boxes"][1]), kept.rois[:12])
        _missed, *frames = detections["boxes"]
        rows = [int(np.frombuffer(frame["rows"], np.int32)[0]) for frame in frames]
        assert sorted(rows) == list(range(len(kept.boxes)))
        for row, layer in zip(rows, detections["images"][1:], strict=True):
            shown = np.frombuffer(layer["data"], np.uint8)
            assert (shown > 0).sum() == kept.masks[..., row].sum()
    image = explorer.view.images[f"image {scene}"]["data"]
    assert image == story.images[scene].tobytes()


def test_the_text_counts_what_is_found(explorer, story):
    assert "the weights are random" in explorer.text[0]
    last = story.snapshots[-1].step
    explorer.settings["step"].value = last
    mean = story.losses["loss"][-AVERAGED:].mean()
    assert (
        f"After step {last:,} of {story.planned_steps:,}, the loss is {mean:.2f}."
        in (explorer.text[0])
    )
    assert f"of {len(story.truth[0].boxes)} objects" in explorer.text[0]


def test_a_click_on_the_chart_goes_to_the_nearest_step(explorer, story):
    steps = [snapshot.step for snapshot in story.snapshots]
    for step in (steps[-1], steps[2], 0):
        explorer.view.clicked = {"panel": "losses", "x": step**0.5 + 0.1, "y": 0.0, "event": step}
        assert explorer.settings["step"].value == step
    chart = explorer.view.scene["panels"][2]
    assert chart["clickable"] and chart["cursor"][0] == 0


def test_curves_are_running_means(explorer, story):
    loss = story.losses["mrcnn_class_loss"]
    curve = explorer.curves["mrcnn_class_loss"]
    assert curve[0] == pytest.approx(loss[0])
    assert curve[AVERAGED + 5] == pytest.approx(loss[6 : AVERAGED + 6].mean(), rel=1e-5)
    drawn = values(explorer.view.scene["panels"][2]["lines"][2])
    np.testing.assert_allclose(10.0 ** -drawn[:, 3], curve[1:], rtol=1e-4)
