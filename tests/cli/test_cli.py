"""The command line: what it writes and prints, and how it refuses wrong input."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mrcnn_explained.cli import app as cli
from mrcnn_explained.cli import options as cli_options
from mrcnn_explained.errors import AssumedConfigWarning, InputError
from mrcnn_explained.explain.rois import COLUMNS
from mrcnn_explained.weights.resolve import weights_and_config

TINY = ["--weights", "random", "--size", "128", "--proposals", "20"]


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("in") / "a <b>bold & cat.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def explained(image, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "deep" / "er"
    result = run("explain", image, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    return out, result.output


# What it writes


@pytest.mark.slow
def test_explain_writes_one_image_per_stage_and_the_rest(explained):
    out, text = explained
    names = {path.name for path in out.iterdir()}
    main = "image backbone pyramid anchors rpn proposals levels crops reorder box_head detections"
    for number, stage in enumerate([*main.split(), "mask_head", "instances"], 1):
        assert f"{number:02}_{stage}.png" in names
    assert {"rois.csv", "trace.npz", "index.html"} <= names
    assert not [name for name in names if name.startswith(".")]  # no temporary file left
    for name in names:
        assert str(out / name) in text.replace("\n", "")
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 100


@pytest.mark.slow
def test_the_table_of_rois_agrees_with_the_trace(explained):
    from mrcnn_explained import Trace

    out, _ = explained
    rows = list(csv.DictReader((out / "rois.csv").read_text().splitlines()))
    trace = Trace.load(out / "trace.npz")
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == trace.proposals.valid[0].sum()
    for field, result in (
        ("level", trace.levels.roi_level),
        ("side", trace.levels.side),
        ("class_id", trace.detections.class_ids),
        ("probability", trace.detections.class_scores),
    ):
        np.testing.assert_allclose(
            [float(r[field]) for r in rows], result[0][: len(rows)], rtol=1e-5
        )
    found = [row for row in rows if row["fate"] == "detection"]
    assert len(found) == trace.detections.valid[0].sum()
    for row in found:
        assert trace.detections.detection_roi[0, int(row["fate_row"])] == int(row["roi"])
    nms = trace.detections.nms
    for row in rows:
        if row["fate"] == "suppressed":
            roi = int(row["roi"])
            assert int(row["fate_row"]) == nms.suppressed_by[0, roi]
            assert float(row["fate_iou"]) == pytest.approx(nms.suppressed_iou[0, roi], rel=1e-5)
        else:
            assert row["fate_iou"] == ""


@pytest.mark.slow
def test_the_page_is_one_file_without_network_and_escapes_names(explained):
    out, _ = explained
    page = (out / "index.html").read_text()
    assert "a &lt;b&gt;bold &amp; cat.png" in page
    assert "<b>bold" not in page
    assert page.count("<script") == 5  # data, and the two scripts that may run
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "default-src 'none'" in page
    assert "random weights" in page
    for number in range(1, 14):
        assert f"<h2>{number}. " in page


@pytest.mark.slow
def test_random_weights_are_reported(explained):
    assert "random weights" in explained[1].replace("\n", " ")


@pytest.mark.slow
def test_by_default_the_trained_preset_finds_what_is_on_the_demo_image(tmp_path):
    from mrcnn_explained import Trace
    from mrcnn_explained.data.objects import extract_boxes
    from mrcnn_explained.data.shapes import ShapesDataset
    from mrcnn_explained.evaluation.evaluate import match

    result = run("explain", "--out", tmp_path)
    assert result.exit_code == 0 and "random weights" not in result.output
    found = Trace.load(tmp_path / "trace.npz")
    masks, class_ids = ShapesDataset(98, seed=1000).load_mask(97)  # tools/demo_scene.py
    hits, _ = match(
        extract_boxes(masks), class_ids, found.instances.rois[0], found.instances.class_ids[0]
    )
    assert (hits >= 0).all() and len(class_ids) == 8
    assert set(np.unique(found.mask_levels.roi_level[0][found.detections.valid[0]])) == {2, 3, 4, 5}


def test_a_preset_has_the_backbone_that_it_has(tmp_path):
    result = run("explain", "--out", tmp_path, "--backbone", "resnet50")
    assert "preset shapes has the backbone resnet26, not resnet50" in str(result.exception)


@pytest.mark.slow
def test_one_stage_alone(image, tmp_path):
    result = run("explain", image, "--out", tmp_path, "--stage", "levels", *TINY)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["07_levels.png", "07_levels_image.png", "07_levels_sizes.png"]


@pytest.mark.slow
def test_levels_prints_every_roi_and_the_histogram(image):
    result = run("levels", image, "--rows", 0, *TINY)
    assert result.exit_code == 0
    assert "of 20, best first" in result.output
    counts = re.findall(r"P(\d)\s+(\d+)\s+[\d.]+%", result.output)
    assert [int(level) for level, _ in counts] == [2, 3, 4, 5]
    assert sum(int(count) for _, count in counts) == 20


def test_only_options_that_were_given_change_the_config():
    # An option's default once replaced the rounding that a preset had been trained with.
    groups = (
        cli_options.ModelOptions,
        cli_options.DetectOptions,
        cli_options.LevelOptions,
        cli_options.ExplainOptions,
    )
    for group in groups:
        assert group().changes() == {} and group().given() == []
    some = cli_options.ExplainOptions(
        rounding=cli_options.Rounding.floor, size=1024, backbone=cli_options.Backbone.auto
    )
    assert some.changes() == {
        "level_rounding": "floor",
        "image_max_dim": 1024,
        "image_min_dim": 800,
    }
    every = cli_options.ExplainOptions(
        backbone=cli_options.Backbone.resnet50, proposals=20, rpn_nms=0.6, min_confidence=0.0,
        detection_nms=0.4,
    )  # fmt: skip
    assert every.changes() == {
        "backbone": "resnet50", "post_nms_rois_inference": 20, "rpn_nms_threshold": 0.6,
        "detection_min_confidence": 0.0, "detection_nms_threshold": 0.4,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", ["explain", "levels", "detect", "lineage", "papers"])
def test_a_preset_keeps_its_own_settings(command, tmp_path, monkeypatch):
    """A preset whose every option of the command line has another value than usual."""
    from conftest import make_tiny_model

    from mrcnn_explained.detector import open as detector_open
    from mrcnn_explained.weights.presets import save_preset

    model = make_tiny_model(
        level_rounding="floor", detection_nms_threshold=0.45, detection_min_confidence=0.05
    )
    save_preset(tmp_path / "p.npz", model.config, {n: v.numpy() for n, v in model.weights.items()})
    seen = []
    make_model = detector_open.make_model

    def make_and_see(weights, config):
        seen.append(config)
        return make_model(weights, config)

    monkeypatch.setattr(detector_open, "make_model", make_and_see)
    more = {
        "explain": ["--out", tmp_path / "out", "--stage", "levels"],
        "detect": ["--out", tmp_path / "d.json"],
        "lineage": ["--roi", 0],
    }
    result = run(command, "--weights", tmp_path / "p.npz", *more.get(command, []))
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert seen == [model.config]


def test_weights_prints_every_tensor_and_draws_their_histograms(tmp_path):
    from weight_layouts import write
    from weights.test_load import SMALL, numbered

    path = write(tmp_path / "w.h5", SMALL, numbered)
    result = run("weights", path, "--histograms", tmp_path / "h.png")
    assert result.exit_code == 0, result.output
    for name in ("conv1/kernel", "rpn_conv_shared/kernel", "bn_conv1/moving_variance"):
        assert name in result.output
    assert "7x7x3x4" in result.output
    with Image.open(tmp_path / "h.png") as image:
        assert min(image.size) > 100


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1, 3), (10_000, 10, 3)])
def test_the_smallest_and_the_longest_image(tmp_path, shape):
    Image.fromarray(np.full(shape, 90, np.uint8)).save(tmp_path / "x.png")
    result = run("explain", tmp_path / "x.png", "--out", tmp_path / "out", *TINY)
    assert result.exit_code == 0, result.output


def test_stages_prints_every_field():
    from mrcnn_explained.stages.catalog import STAGES

    output = run("stages").output
    for stage in STAGES:
        for field in stage.result._fields:
            assert field in output


def test_doctor_shows_versions_and_devices():
    import tensorflow as tf

    output = run("doctor").output
    assert tf.__version__ in output
    assert "computes on" in output
    assert "mask_rcnn_coco.h5" in output


# Wrong input: a message, exit code 2, no traceback, nothing written


def refused(*arguments):
    """Run as a user does; the message on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "mrcnn_explained", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


BROKEN = {
    "empty": b"",
    "text": b"no image at all",
    "truncated": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_images(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert str(path) in refused("explain", path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_directory_and_nothing(tmp_path):
    assert "directory" in refused("explain", tmp_path)
    assert "does not exist" in refused("levels", tmp_path / "nothing.png")


def test_bad_options(image, tmp_path):
    assert "--stage is 'pyramids'; expected one of" in refused(
        "explain", image, "--stage", "pyramids"
    )
    assert "multiple of 64" in refused("explain", image, "--size", 100, "--out", tmp_path)
    message = refused("explain", image, "--rpn-nms", 7, "--out", tmp_path)
    assert "--rpn-nms" in message and "1" in message
    assert "backbone" in refused("levels", image, "--backbone", "vgg")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder(image, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "in the way" in refused("explain", image, "--out", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_a_weight_file_that_is_html(image, tmp_path):
    path = tmp_path / "w.h5"
    path.write_text("<!DOCTYPE html>")
    assert "HTML" in refused("weights", path)
    assert "HTML" in refused("explain", image, "--weights", path)


@pytest.mark.slow
def test_a_device_that_the_machine_lacks(image):
    assert "gpu:7" in refused("levels", image, "--device", "gpu:7")


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_there(image, tmp_path, monkeypatch):
    from mrcnn_explained.system import files

    (tmp_path / "rois.csv").write_text("mine")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    result = run("explain", image, "--out", tmp_path, *TINY)
    assert isinstance(result.exception, OSError)  # main() turns it into a message and exit code 2
    assert [path.name for path in tmp_path.iterdir()] == ["rois.csv"]
    assert (tmp_path / "rois.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "error", [InputError("in words"), OSError(28, "No space left on device", "/full/file")]
)
def test_main_ends_with_code_2_and_a_message(monkeypatch, capsys, error):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert re.search("in words|No space left on device: /full/file", capsys.readouterr().err)


# What must not import TensorFlow


@pytest.mark.parametrize(
    "code",
    [
        "import mrcnn_explained",
        "import mrcnn_explained.cli",
        "from mrcnn_explained import Config; Config.coco()",
        "from mrcnn_explained import load_image",
        "import mrcnn_explained.weights.load",
    ],
)
def test_what_needs_no_tensorflow_does_not_import_it(code):
    check = f"{code}; import sys; assert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_help_imports_neither_tensorflow_nor_numpy_nor_rich():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from mrcnn_explained.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'tensorflow', 'keras', 'numpy', 'matplotlib', 'rich', 'skimage'}\n"
        "print('loaded:', slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout and done.stdout.endswith("loaded: set()\n")
    assert done.stderr == ""


def test_the_demo_image_is_part_of_the_package():
    from mrcnn_explained.media.images import demo_image

    assert Path(demo_image()).stat().st_size > 10_000


def test_a_config_beside_the_weights_is_read(tmp_path):
    from weight_layouts import write
    from weights.test_load import SMALL, numbered

    from mrcnn_explained.config import Config

    path = write(tmp_path / "w.h5", SMALL, numbered)
    with pytest.warns(AssumedConfigWarning):
        alone = weights_and_config(str(path), {})[1]
    shown = {"num_classes": 81, "backbone_width": 4, "rpn_channels": 8}  # by the weights' shapes
    own = Config.slim(**shown, rpn_anchor_scales=(8, 16, 32, 64, 128))
    (tmp_path / "config.json").write_text(own.to_json())
    weights, config = weights_and_config(str(path), {"level_rounding": "floor"})
    assert weights == str(path) and alone.rpn_anchor_scales != own.rpn_anchor_scales
    assert config == own.replace(level_rounding="floor")
