"""Absurd values on the command line: refused in words, in time; one writer per folder."""

import subprocess
import sys

import pytest
from fuzz.command_lines import ask, command_lines, make_files, without_detector

from mrcnn_explained.config import Config
from mrcnn_explained.detector.memory import check_run, check_training
from mrcnn_explained.errors import OutOfMemoryError
from mrcnn_explained.system.folders import use_folder

EVERY = 150  # one command line in so many; `python -m tests.fuzz.command_lines` tries all

#: The values of the reports, each with what the message names.
REFUSED = [
    (["detect", "--size", "65536"], "--size"),
    (["levels", "--proposals", "2147483647"], "--proposals"),
    (["train", "--batch", "2147483647"], "--batch"),
    (["evaluate", "--count", "2147483647"], "--count"),
    (["train", "--seed", "-1"], "--seed"),
    (["evaluate", "--limit", "-1"], "--limit"),
    (["train", "--ema", "inf"], "--ema"),
    (["train", "--ema", "1"], "--ema"),
    (["train", "--checkpoint-every", "0"], "--checkpoint-every"),
    (["explain", "--min-confidence", "nan"], "--min-confidence"),
    (["train", "--learning-rate", "nan"], "--learning-rate"),
    (["explain", "--out", ""], "--out"),
    (["explain", "--out="], "--out"),
    (["detect", "--weights", "pipe.h5"], "pipe.h5"),
    (["weights", "loop"], "loop"),
    (["check", "pipe.npz"], "pipe.npz"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_so_many_command_lines(folder):
    with without_detector():
        answers = [ask(line, folder) for line in list(command_lines())[::EVERY]]
    assert not [str(answer) for answer in answers if answer.wrong]


@pytest.mark.parametrize(("line", "named"), REFUSED, ids=lambda x: str(x)[:40])
def test_the_values_of_the_reports_are_refused_by_name(folder, line, named):
    done = subprocess.run(
        [sys.executable, "-m", "mrcnn_explained", *line],
        capture_output=True, cwd=folder, text=True, timeout=20,
    )  # fmt: skip
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_what_needs_more_memory_than_there_is_says_how_much(monkeypatch):
    monkeypatch.setattr("mrcnn_explained.inputs.available_memory", lambda: 2**30)
    monkeypatch.setattr("mrcnn_explained.inputs.GPU_MEMORY", 0)
    check_run(Config.slim(), traced=True)
    check_training(Config.slim(), 2)
    with pytest.raises(OutOfMemoryError, match=r"[\d.]+ GiB .* 1\.0 GiB are free.*--size"):
        check_run(Config.slim(image_max_dim=8192))
    with pytest.raises(OutOfMemoryError, match="--batch"):
        check_training(Config.slim(), 4096)
    with pytest.raises(OutOfMemoryError, match="--proposals"):
        check_run(Config.slim(post_nms_rois_inference=100_000))


@pytest.mark.parametrize("command", ["explain", "levels", "train"])
def test_a_folder_that_is_written_to_is_refused(tmp_path, command):
    more = {"levels": ["--dataset", "shapes"]}
    line = [command, "--out", str(tmp_path), *more.get(command, [])]
    with use_folder(tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "mrcnn_explained", *line],
            capture_output=True, cwd=tmp_path, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2 and "is in use: process" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []
