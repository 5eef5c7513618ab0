"""Command lines with absurd values: every option and argument of every command, one at a time.

`python -m tests.fuzz.command_lines` tries all of them, in a process that stops where the detector
would run; some of them are also run as a user runs them. A command line is right if it ends
with exit code 0 or 2, no traceback, in TIME seconds.
"""

import argparse
import collections
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import typer.main
from PIL import Image
from typer.testing import CliRunner

from mrcnn_explained.cli.app import app
from mrcnn_explained.errors import InputError

TIME = 20  # seconds that a command line may take

NUMBERS = (
    "0", "1", "-1", "-0.0", "0.5", "7", "64", "100", "16384", "65536", "2147483647", "-2147483648",
    "4294967296", "9" * 400, "9" * 5000, "1e308", "1e400", "-1e308", "nan", "-nan", "inf", "-inf",
    "0x10", "1_000", "½", "٣", "１２", "1,2", "0.1,0.2,nan,3", "5,5,9999999999,1e300",
)  # fmt: skip
TEXTS = (
    "a" * 200, "a" * 5000, "käfer 写真 🐞", "\u202eabc", "\udcff", "e\u0301", "a\nb", "a\tb", " ",
    "[red]x[/red]",
    "[/red]", ":bug:", "{}", "{0}", "%s", "$x^2$", "=1+1", "-", "--", "None", "true",
    "shapes", "random", "imagenet", "../..", "*", "a.json", "a.csv", "a.png", "a.npz",
    "a.h5", "a.mp4",
    "(((((", "a{99999999999}", "(" * 3000 + ")" * 3000, "gpu:99999999999999999999",
    "gpu:²", "cpu:1",
)  # fmt: skip
PATHS = (
    "pipe", "pipe.png", "pipe.npz", "pipe.h5", "pipe.json", "pipe.mp4", "loop", "loop.png",
    "loop.npz", "loop.json", "nowhere/loop", "folder", "folder.json", "image.png", "empty",
    "empty.png", "empty.npz", "empty.json", "empty.h5", "text.png", "text.npz", "text.json",
    "text.h5", "/dev/null", "/dev/zero", "image.png/x", "deep.json", "config.json",
)  # fmt: skip

#: Commands that work for minutes once they are accepted.
LONG = ("train", "evaluate", "oracle")

#: What a command needs beside the option that is tried.
NEEDED: dict[str, list[str]] = {
    "weights": ["text.h5"],
    "lineage": ["--roi", "0"],
    "why-missed": ["--box", "1,1,9,9"],
    "compare": ["text.npz", "text.npz"],
    "check": ["text.npz"],
    "data": ["text.json"],
}


class StoppedHere(InputError):
    """Raised where the detector would run: the command line was accepted."""


class Answer(NamedTuple):
    """What became of a command line."""

    line: list[str]
    wrong: str  # "": nothing
    seconds: float
    accepted: bool = False  # the detector would have run

    def __str__(self) -> str:
        shown = [word if len(word) < 40 else f"{word[:20]}… ({len(word)})" for word in self.line]
        return f"{shown}: {self.wrong or 'right'} in {self.seconds:.1f} s"


def command_lines() -> Iterator[list[str]]:
    """Yield every command with each of its options and arguments at every absurd value."""
    for name, command in typer.main.get_command(app).commands.items():
        for parameter in command.params:
            option = parameter.opts[-1]
            if not option.startswith("-"):
                yield from ([name, *_others(name, 1), value] for value in (*TEXTS, *PATHS))
            elif parameter.is_flag:
                yield from ([name, *NEEDED.get(name, []), *[option] * n] for n in (1, 2))
            else:
                count = max(1, getattr(parameter, "nargs", 1))
                for value in (*NUMBERS, *TEXTS, *PATHS):
                    yield [name, *_without(name, option), option, *[value] * count]


def _others(name: str, arguments: int) -> list[str]:
    """Return what a command needs, without its last arguments."""
    needed = NEEDED.get(name, [])
    return needed if needed and needed[0].startswith("-") else needed[:-arguments]


def _without(name: str, option: str) -> list[str]:
    """Return what a command needs, without an option and its value."""
    needed = NEEDED.get(name, [])
    return needed[2:] if needed[:1] == [option] else needed


def make_files(folder: Path) -> None:
    """Make the files that PATHS names: pipes, loops, empty and broken files."""
    for suffix in ("", ".png", ".npz", ".h5", ".json", ".mp4"):
        os.mkfifo(folder / f"pipe{suffix}")
    for suffix in ("", ".png", ".npz", ".json"):
        os.symlink(f"loop{suffix}", folder / f"loop{suffix}")
        (folder / f"empty{suffix}").touch()
    (folder / "empty.h5").touch()
    for suffix in (".png", ".npz", ".json", ".h5"):
        (folder / f"text{suffix}").write_text("no such thing")
    (folder / "folder").mkdir()
    (folder / "folder.json").mkdir()
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "config.json").write_text('{"image_max_dim": 1e400, "num_classes": NaN}')
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(folder / "image.png")


def ask(line: list[str], folder: Path) -> Answer:
    """Run a command line within this process, in a folder, up to the detector."""
    start, before = time.monotonic(), os.getcwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(app, line)
    finally:
        os.chdir(before)
    seconds, error = time.monotonic() - start, result.exception
    wrong = ""
    if seconds > TIME:
        wrong = "too slow"
    elif isinstance(error, SystemExit) or error is None:
        if result.exit_code not in (0, 2):
            wrong = f"exit code {result.exit_code}: {result.output[-200:]}"
    elif not isinstance(error, InputError | OSError):  # those two, main() turns into words
        wrong = f"{type(error).__name__}: {str(error)[:200]}"
    return Answer(line, wrong, seconds, isinstance(error, StoppedHere))


def as_user(line: list[str], folder: Path) -> Answer:
    """Run a command line as a user does; it may find and draw what the demo image shows."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mrcnn_explained", *map(os.fsencode, line)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            timeout=TIME * 3,
        )
    except subprocess.TimeoutExpired:
        return Answer(line, "too slow", time.monotonic() - start)
    shown = done.stderr.decode(errors="replace")
    fine = done.returncode in (0, 2) and "Traceback" not in shown
    wrong = "" if fine else f"exit code {done.returncode}: {shown[-200:]}"
    return Answer(line, wrong, time.monotonic() - start)


def without_detector() -> contextlib.ExitStack:
    """Return a context in which a command ends where a model would be made or run."""
    stack = contextlib.ExitStack()
    from mrcnn_explained.cli import lab
    from mrcnn_explained.detector import open as opening
    from mrcnn_explained.survey import on_ray, surveyor
    from mrcnn_explained.system import devices
    from mrcnn_explained.training import run

    def stop(*given: Any, **named: Any) -> Any:
        raise StoppedHere("the command line was accepted")

    places = ((opening, "make_model"), (surveyor, "run_here"), (on_ray, "run_on_ray"))
    places = (*places, (run, "MaskRCNN"), (devices, "be_deterministic"), (lab, "run_command"))
    for module, name in places:
        stack.enter_context(mock.patch.object(module, name, stop))
    return stack


def main() -> None:
    """Try all command lines; print what was wrong, then how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-user", type=int, default=100, help="so many also as a user does")
    parser.add_argument("--every", type=int, default=1, help="only one in so many")
    options = parser.parse_args()
    lines = list(command_lines())[:: options.every]
    counts: collections.Counter[bool] = collections.Counter()
    slowest = 0.0

    def count(answer: Answer) -> None:
        nonlocal slowest
        counts[bool(answer.wrong)] += 1
        slowest = max(slowest, answer.seconds)
        if answer.wrong:
            print(answer, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        with without_detector():
            answers = [ask(line, folder) for line in lines]
        for answer in answers:
            count(answer)
        ends = [a.line for a in answers if not (a.accepted and a.line[0] in LONG)]
        for line in random.Random(0).sample(ends, options.as_user):
            count(as_user(line, folder))
    print(f"{sum(counts.values())} command lines, {counts[True]} wrong, slowest {slowest:.1f} s")
    sys.exit(bool(counts[True]))


if __name__ == "__main__":
    main()
