"""docs/debugging.md: its code runs from top to bottom, and its own asserts hold."""

import re
from pathlib import Path

import pytest
import typer

from mrcnn_explained.cli.app import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "debugging.md"


@pytest.mark.slow
def test_the_walk_ends_at_the_planted_fault(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 7 and sum("assert" in block for block in blocks) >= 6
    there = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), there)
    told = capsys.readouterr().out
    assert "never reached" in told and "The first difference is at anchors." in told


def test_commands_on_the_page_exist():
    known = typer.main.get_command(app).commands
    named = re.findall(r"`mrcnn-explained ([\w-]+)", PAGE.read_text("utf-8"))
    assert named and set(named) <= set(known)


def test_causes_on_the_page_are_those_that_why_missed_tells():
    module = PAGE.parent.parent / "mrcnn_explained" / "explain" / "why_missed.py"
    source = module.read_text("utf-8")
    for row in re.findall(r"^\| (`\w+: .+?) \|", PAGE.read_text("utf-8"), re.MULTILINE):
        stage, first = re.match(r"`(\w+): ([\w-]+)`", row).groups()
        for cause in [first, *re.findall(r", `([\w-]+)`", row)]:
            assert f'"{stage}"' in source and f'"{cause}"' in source, row
