"""The commands train and evaluate, from arguments to files."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import make_tiny_model

from cli.test_cli import run
from mrcnn_explained.cli.training import TrainingOptions
from mrcnn_explained.training.checkpoint import check_run, read_checkpoint
from mrcnn_explained.weights.presets import save_preset

SMALL = {
    "backbone_width": 4, "top_down_pyramid_size": 8, "rpn_channels": 8,
    "fpn_classif_fc_layers_size": 16, "mask_channels": 8, "pre_nms_limit": 200,
    "post_nms_rois_training": 40, "post_nms_rois_inference": 20, "train_rois_per_image": 12,
    "rpn_train_anchors_per_image": 32,
}  # fmt: skip
FAST = ["--size", 128, "--batch", 2, "--count", 40, "--checkpoint-every", 2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.json").write_text(json.dumps(SMALL))
    out = folder / "out"
    arguments = ["train", *FAST, "--config", folder / "small.json", "--out", out]
    result = run(
        *arguments, "--steps", 2, "--tensorboard", "--images-every", 2, "--validation", 2,
        "--validate-every", 2,
    )  # fmt: skip
    assert result.exit_code == 0, result.output + repr(result.exception)
    return out, arguments, result.output


@pytest.mark.slow
def test_train_writes_a_run(trained):
    out, _, text = trained
    for name in ("checkpoint.npz", "log.csv", "config.json", "weights.h5"):
        assert (out / name).is_file() and name in text
    assert (out / "step-000002.png").is_file() and list((out / "tensorboard").iterdir())
    lines = (out / "log.csv").read_text().splitlines()
    assert len(lines) == 3 and "val_mrcnn_mask_loss" in lines[0]
    assert json.loads((out / "config.json").read_text())["num_classes"] == 10


@pytest.mark.slow
def test_deterministic_runs_agree_to_the_last_bit(tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    for name in ("first", "second"):  # each in a process of its own: it holds for the whole one
        subprocess.run(
            [sys.executable, "-m", "mrcnn_explained", "train", *map(str, FAST), "--config",
             tmp_path / "small.json", "--out", tmp_path / name, "--steps", "2",
             "--deterministic"],
            check=True, capture_output=True,
        )  # fmt: skip
    first, second = (np.load(tmp_path / n / "checkpoint.npz") for n in ("first", "second"))
    assert first.files == second.files
    for key in first.files:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    call = [
        *(sys.executable, "-m", "mrcnn_explained", "train", *map(str, FAST), "--deterministic"),
        *("--config", tmp_path / "small.json", "--steps", "12", "--out"),
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*call, whole], check=True, capture_output=True)
    child = subprocess.Popen([*call, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 120
    while not (killed / "checkpoint.npz").exists() and child.poll() is None and time.time() < end:
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert read_checkpoint(killed / "checkpoint.npz").step < 12
    assert not (killed / "weights.h5").exists()
    subprocess.run([*call, killed, "--resume"], check=True, capture_output=True)
    first, second = (np.load(run / "checkpoint.npz") for run in (whole, killed))
    assert first.files == second.files
    for key in first.files:
        np.testing.assert_array_equal(first[key], second[key], err_msg=key)
    assert (whole / "log.csv").read_bytes() == (killed / "log.csv").read_bytes()
    assert not list(killed.glob(".mrcnn-explained-*"))  # what the killed run left is gone


@pytest.mark.slow
def test_a_run_is_not_overwritten_and_goes_on_only_as_it_was(trained):
    _out, arguments, _ = trained
    for more, message in (
        (["--steps", 2], "already holds a run"),
        (["--steps", 4, "--resume"], "another plan: steps 2 in the checkpoint, 4 now"),
    ):
        result = run(*arguments, *more)
        assert result.exit_code and re.search(message, str(result.exception))
    assert run(*arguments, "--steps", 2, "--resume").exit_code == 0


@pytest.mark.slow
def test_evaluate_measures_what_was_trained(trained, tmp_path):
    out, _, _ = trained
    result = run(
        "evaluate", "--weights", out / "weights.h5", "--count", 2, "--json", tmp_path / "a.json",
        "--curve", tmp_path / "a.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "proposals find" in result.output and (tmp_path / "a.png").is_file()
    assert json.loads((tmp_path / "a.json").read_text())["images"] == 2


@pytest.mark.slow
def test_training_goes_on_from_a_preset(tmp_path):
    model = make_tiny_model(num_classes=10, train_rois_per_image=12)
    save_preset(tmp_path / "p.npz", model.config, {n: v.numpy() for n, v in model.weights.items()})
    result = run(
        "train", *FAST, "--weights", tmp_path / "p.npz", "--steps", 1, "--out", tmp_path / "run",
        "--layers", "heads",
    )  # fmt: skip
    assert result.exit_code == 0, result.output + repr(result.exception)
    checkpoint = read_checkpoint(tmp_path / "run" / "checkpoint.npz")
    kernel = model.weights["res2a_branch2a/kernel"].numpy().astype(np.float16)
    np.testing.assert_array_equal(checkpoint.weights["res2a_branch2a/kernel"], kernel)


def test_size_is_set_only_if_it_was_given(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"image_min_dim": 256, "image_max_dim": 256}))
    assert TrainingOptions().settings() == {}
    assert TrainingOptions(config=tmp_path / "c.json").settings()["image_max_dim"] == 256
    both = TrainingOptions(config=tmp_path / "c.json", size=128)
    assert both.settings() == {"image_min_dim": 128, "image_max_dim": 128}


def test_folders_of_runs(tmp_path):
    check_run(tmp_path / "new", resume=False)
    with pytest.raises(ValueError, match="holds no checkpoint to resume"):
        check_run(tmp_path, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; --out must be a folder"):
        check_run(tmp_path / "file", resume=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--dataset", "coco"], "needs the folder of annotations/"),
        (["train", "--dataset", "via", "no.json"], "no.json cannot be read"),
        (["evaluate", "--dataset", "shapes", "x"], "takes no source"),
    ],
)
def test_what_cannot_be_opened_is_refused_before_tensorflow(arguments, message):
    result = run(*arguments)
    assert result.exit_code and message in str(result.exception)
