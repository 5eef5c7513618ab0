"""docs/debugging.md: the causes in its table are those that why_missed returns.

tests/test_docs.py runs its snippets.
"""

import re
from pathlib import Path

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
