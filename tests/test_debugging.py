"""docs/debugging.md: the causes in its table are those that why_missed returns.

tests/test_docs.py runs its snippets. Its level report is the one that the command prints.
"""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mrcnn_explained.cli.app import app
from mrcnn_explained.explain.diagnosis import REASONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "debugging.md"


def test_causes_on_the_page_are_those_that_why_missed_returns():
    source = (ROOT / "mrcnn_explained" / "explain" / "why_missed.py").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    places = {int(number): place for number, place, _ in rows}
    assert places == {n: reason.name for n, reason in enumerate(REASONS, 1)}
    for _, _, found in rows:
        causes = re.findall(r"`(\w+): ([\w-]+)`", found)
        assert causes, found
        for stage, cause in causes:
            assert f'"{stage}"' in source and f'"{cause}"' in source, found


@pytest.mark.slow
def test_the_level_reports_on_the_page_are_what_the_commands_print(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = PAGE.read_text("utf-8")
    commands = re.findall(r"`mrcnn-explained (levels --dataset shapes --limit [^`]+)`", text)
    reports = re.findall(r"```text\n(- .*?)```", text, re.DOTALL)
    for number, (command, shown) in enumerate(zip(commands, reports, strict=True)):
        ran = CliRunner().invoke(app, [*command.split(), "--out", str(tmp_path / str(number))])
        assert ran.exit_code == 0, ran.output
        printed = [line for line in ran.output.splitlines() if line.startswith("- ")]
        assert shown.splitlines() == printed
