"""open_case: where image and weights come from, and what happens if nothing is detected."""

import numpy as np
import pytest
from PIL import Image

from mrcnn_explained import InputError, open_case
from mrcnn_explained.lessons import case as module

ROUGH = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)


@pytest.fixture(scope="module")
def demo():
    return open_case()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in module.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    for name in ("argument", "variable", "file"):
        Image.fromarray(ROUGH).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def quick(demo, monkeypatch):
    """open_case without a run: the model that every kind of weights would be."""
    opened = []
    monkeypatch.setattr(module, "open_model", lambda name: opened.append(name) or demo.model)
    monkeypatch.setattr(type(demo.model), "trace", lambda self, image: demo.trace)
    return opened


def test_without_a_choice_it_is_the_demo_image_with_the_preset(demo, capsys):
    assert demo.is_demo and demo.weights == "shapes" and demo.name == "the demo image"
    assert demo.image.shape == (512, 512, 3)
    assert demo.trace.run.preset == "shapes"
    assert str(demo) == (
        "image: the demo image (included), 512 x 512 pixels; weights: shapes (included); "
        "detections: 8"
    )


def test_arguments_come_first_then_variables_then_the_file(folder, quick, monkeypatch, capsys):
    (folder / "case.toml").write_text('image = "file.png"\nweights = "mine.h5"\n')
    case = open_case()
    assert (case.name, case.image_from) == ("file.png", "image in case.toml")
    assert quick.pop() == "mine.h5" and case.weights_from == "weights in case.toml"
    monkeypatch.setenv("MRCNN_EXPLAINED_IMAGE", str(folder / "variable.png"))
    case = open_case(weights="random")
    assert (case.name, case.image_from) == ("variable.png", "MRCNN_EXPLAINED_IMAGE")
    assert quick.pop() == "random" and case.weights_from == "the argument weights"
    case = open_case("argument.png")
    assert (case.name, case.image_from) == ("argument.png", "the argument image")
    assert not case.is_demo
    np.testing.assert_array_equal(case.image, ROUGH)
    assert "argument.png (the argument image), 60 x 90 pixels" in capsys.readouterr().out


def test_a_photo_with_the_preset_is_told_what_the_weights_know(quick):
    note = "know nine shapes only: square, rectangle, diamond"
    assert note in str(open_case("argument.png"))
    assert note not in str(open_case("argument.png", "coco")) and note not in str(open_case())


def test_paths_in_the_file_are_relative_to_it_and_names_of_weights_are_no_paths(
    folder, quick, demo, monkeypatch
):
    inner = folder / "inner"
    inner.mkdir()
    monkeypatch.setattr(module, "CASE_FILE", str(inner / "case.toml"))
    Image.fromarray(ROUGH).save(inner / "here.png")
    for weights, expected in (("shapes", "shapes"), ("coco", "coco"), ("w.h5", inner / "w.h5")):
        (inner / "case.toml").write_text(f'image = "here.png"\nweights = "{weights}"')
        assert open_case().name == "here.png"
        assert quick.pop() == str(expected)


def test_a_file_of_a_preset_is_a_path(folder, quick, monkeypatch):
    monkeypatch.setattr(module, "CASE_FILE", str(folder / "case.toml"))
    (folder / "case.toml").write_text('weights = "own.npz"')
    open_case()
    assert quick == [str(folder / "own.npz")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('image = "file.png', "case.toml is not TOML"),
        ('picture = "file.png"', "case.toml: unknown key 'picture'; known are image, weights"),
        ("image = 3", "case.toml: image is 3; expected text"),
        ('image = ""', "case.toml: image is ''; expected text"),
        ('image = "none.png"', "image in case.toml: none.png does not exist"),
        ('weights = "none.h5"', "weights in case.toml: none.h5 does not exist"),
    ],
)
def test_errors_name_the_file_and_the_key(folder, text, message):
    (folder / "case.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_case()


def test_errors_name_the_variable_or_the_argument(monkeypatch):
    monkeypatch.setenv("MRCNN_EXPLAINED_IMAGE", "none.png")
    with pytest.raises(InputError, match="MRCNN_EXPLAINED_IMAGE: none.png does not exist"):
        open_case()
    with pytest.raises(InputError, match="the argument image: other.png does not exist"):
        open_case("other.png")


def test_a_run_with_detections_is_followed_as_it_is(demo, capsys):
    assert demo.with_detection() is demo.trace and not capsys.readouterr().out


@pytest.mark.slow
def test_without_a_detection_the_best_roi_is_kept_and_it_is_said_why_it_was_lost(folder, capsys):
    Image.fromarray(np.full((400, 400, 3), 110, np.uint8)).save(folder / "grey.png")
    case = open_case("grey.png")
    assert len(case.trace.instances.class_ids[0]) == 0
    trace = case.with_detection()
    text = capsys.readouterr().out
    assert "Nothing was detected. The best ROI is" in text and "Why is it no detection?" in text
    assert len(trace.instances.class_ids[0]) == 1
    roi = int(trace.detections.detection_roi[0, 0])
    scores = case.trace.box_head.mrcnn_class.numpy()[0, :, 1:]
    assert roi == scores.max(axis=1).argmax()
    assert trace.detections.class_ids[0, roi] == scores[roi].argmax() + 1
    assert trace.proposals is case.trace.proposals
    assert np.flatnonzero(trace.box_head.mrcnn_class[0, :, 0] == 0).tolist() == [roi]
    np.testing.assert_array_equal(trace.box_head.mrcnn_class[0, :, 1:], scores)
    assert case.trace.box_head.mrcnn_class.numpy()[0, roi, 0] > 0  # the run itself is as it was
