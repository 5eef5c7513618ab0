"""What a reader sees on stderr of a script and of the command line: nothing of TensorFlow's log."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from mrcnn_explained.system.tensorflow_log import LEVEL, _QuietLoader

DETECT = """
from mrcnn_explained import demo_image, load_image, open_model
print(len(open_model().detect([load_image(demo_image())])[0]["scores"]) > 0)
"""
#: The parts of TensorFlow's log that a run on a CPU shows.
IMPORT_LOG = ("absl::InitializeLog", "oneDNN custom operations")
RUN_LOG = ("PredictCost",)


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment of a user who set nothing for TensorFlow or this package."""
    settings = ("TF_", "MRCNN_EXPLAINED_", "KERAS_", "XLA_", "CUDA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return {**kept, **variables}


def stderr_of(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.slow
def test_a_script_that_detects_writes_nothing_to_stderr():
    assert stderr_of("-c", DETECT) == ""


@pytest.mark.slow
def test_the_command_line_writes_nothing_of_tensorflow_to_stderr(tmp_path):
    out = str(tmp_path / "out")
    assert stderr_of("-m", "mrcnn_explained", "explain", "--stage", "levels", "--out", out) == ""


@pytest.mark.slow
def test_one_variable_brings_the_log_back():
    log = stderr_of("-c", DETECT, MRCNN_EXPLAINED_TF_LOG="1")
    assert all(part in log for part in (*IMPORT_LOG, *RUN_LOG))


@pytest.mark.slow
def test_of_a_tensorflow_that_was_imported_before_only_the_import_is_logged():
    log = stderr_of("-c", "import tensorflow" + DETECT)
    assert all(part in log for part in IMPORT_LOG)
    assert not any(part in log for part in RUN_LOG)


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({}, "3"),
        ({"MRCNN_EXPLAINED_TF_LOG": "0"}, "3"),
        ({"MRCNN_EXPLAINED_TF_LOG": "1"}, "None"),
        ({LEVEL: "1"}, "1"),
    ],
)
def test_a_level_that_the_user_set_is_kept(variables, level):
    code = (
        f"import os, sys, mrcnn_explained; print(os.environ.get('{LEVEL}'));"
        "print(any('Quiet' in getattr(finder, '__name__', '') for finder in sys.meta_path))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [level, str(level == "3")]


def write_and_import(folder: Path, code: str) -> None:
    """Import a module of this code with stderr held back."""
    path = folder / "loud.py"
    path.write_text(f"import os\nos.write(2, b'loud')\n{code}\n")
    loader = _QuietLoader("loud", str(path))
    loader.exec_module(module_from_spec(spec_from_loader("loud", loader)))


def test_stderr_of_an_import_is_shown_only_if_it_fails(tmp_path, capfd):
    write_and_import(tmp_path, "pass")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        write_and_import(tmp_path, "raise ImportError('no driver')")
    assert capfd.readouterr().err == "loud"
    os.write(2, b"again")  # stderr is back in its place
    assert capfd.readouterr().err == "again"
