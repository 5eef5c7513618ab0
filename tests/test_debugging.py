"""docs/debugging.md: the causes in its table are those that why_missed returns.

tests/test_docs.py runs its snippets. Its level report is the one that the command prints.
"""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mrcnn_explained.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "debugging.md"


def test_causes_on_the_page_are_those_that_why_missed_returns():
    source = (ROOT / "mrcnn_explained" / "explain" / "why_missed.py").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+: .+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) >= 10
    for row in rows:
        stage, first = re.match(r"`(\w+): ([\w-]+)`", row).groups()
        for cause in [first, *re.findall(r", `([\w-]+)`", row)]:
            assert f'"{stage}"' in source and f'"{cause}"' in source, row


@pytest.mark.slow
def test_the_level_report_on_the_page_is_what_the_command_prints(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = PAGE.read_text("utf-8")
    (command,) = re.findall(r"`mrcnn-explained (levels --dataset shapes --limit \d+)`", text)
    ran = CliRunner().invoke(app, [*command.split(), "--out", str(tmp_path / "survey")])
    assert ran.exit_code == 0, ran.output
    (shown,) = re.findall(r"```text\n(- .*?)```", text, re.DOTALL)
    printed = [line for line in ran.output.splitlines() if line.startswith("- ")]
    assert shown.splitlines() == printed
