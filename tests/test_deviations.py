"""docs/differences.md: each deviation has an anchor, and every mention of one opens its row."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
ANCHORS = set(re.findall(r'<a id="(deviation-[\w-]+)"></a>', TABLE))
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*differences\.md)(?:#([\w-]+))?\)")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def prose(path: Path) -> str:
    """The text that a reader of a page or notebook sees, without its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_every_row_has_an_anchor_of_its_own():
    rows = re.findall(r"(?m)^\| (.*?)([\d, -]+) \|", TABLE)
    numbers = [n for _, cell in rows for n in re.findall(r"\d+", cell)]
    assert len(set(numbers)) >= 50
    for anchors, cell in rows:
        for number in re.findall(r"\d+", cell):
            assert f'id="deviation-{number}' in anchors, cell
    everywhere = re.findall(r'<a id="(deviation-[\w-]+)"></a>', TABLE)
    assert len(everywhere) == len(set(everywhere))
    assert {f"deviation-{number}" for number in numbers} <= ANCHORS


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_a_mention_is_a_link_to_its_row(path):
    text = prose(path)
    for words, _, anchor in LINK.findall(text):
        assert not anchor or anchor in ANCHORS, f"{words}: no {anchor}"
        for number in re.findall(r"\d+", words):
            assert re.fullmatch(rf"deviation-{number}(-training)?", anchor), f"{words} → #{anchor}"
    left = LINK.sub("", text)
    bare = re.findall(r"\b[Dd]eviations?\s+\d+", left)
    assert not bare, bare


def test_code_cites_rows_that_exist():
    package = ROOT / "mrcnn_explained"
    for path in package.rglob("*.py"):
        for number in re.findall(r"\bdeviations? (\d+)", path.read_text(encoding="utf-8")):
            assert f"deviation-{number}" in ANCHORS, f"{path.name}: deviation {number}"
