"""docs/matterport-map.md: every row names a notebook's cell, a plot or a command that exists."""

import importlib
import json
import re
from pathlib import Path

import pytest
import typer

from mrcnn_explained.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$")
COUNTS = {"A1": 5, "A2": 12, "A3": 18, "A4": 9, "A5": 27, "A6": 2, "A7": 6, "A8": 2, "A9": 6}


def sections():
    """A1 … A9, each with its rows (number, there, here)."""
    text = (ROOT / "docs" / "matterport-map.md").read_text(encoding="utf-8")
    for part in re.split(r"(?m)^## ", text)[1:]:
        rows = [match.groups() for match in map(ROW.match, part.splitlines()) if match]
        yield part.split(".")[0], rows


ROWS = [(name, *row) for name, rows in sections() for row in rows]


def places(here):
    """The places of a row: ("18_evaluation", words of a cell), or ("", a plot or command)."""
    found = re.findall(r"`(\d\d_\w+)`: `([^`]+)`|`([^`]+)`", here)
    return [(notebook, words or other) for notebook, words, other in found]


def source_of(notebook):
    """The cells of a notebook, without imports: a name that is only imported shows nothing."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    return [re.sub(r"(?m)^from .*\n?", "", source) for source in sources]


def is_in(notebook, words):
    """Whether a cell of a notebook has these words."""
    return any(words in cell for cell in source_of(notebook))


def test_a_place_that_a_notebook_lacks_is_noticed():
    assert is_in("05_rpn", "RpnExplorer(trace)")
    assert not is_in("05_rpn", "plot_corners(p, image)")
    assert not is_in("05_rpn", "import RpnExplorer")


def commands():
    found = typer.main.get_command(app).commands
    return {name: {o for p in c.params for o in p.opts} for name, c in found.items()}


def test_no_row_is_missing():
    assert {name: len(rows) for name, rows in sections() if name != "A10"} == COUNTS
    for _, rows in sections():
        assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(("section", "number", "there", "here"), ROWS)
def test_what_a_row_names_exists(section, number, there, here):
    assert places(here), f"{section}.{number} names nothing"
    for notebook, words in places(here):
        if notebook:
            assert is_in(notebook, words), f"{notebook}: {words}"
        elif words.startswith("plots/"):
            module, name = words[6:].split(".py:")
            assert callable(
                getattr(importlib.import_module(f"mrcnn_explained.plots.{module}"), name)
            )
        else:
            program, command, *options = words.split()
            assert program == "mrcnn-explained" and command in commands(), words
            flags = {option for option in options if option.startswith("--")}
            assert flags <= commands()[command], words
