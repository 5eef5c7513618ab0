"""docs/questions.md: all 35 questions are answered, and name fields that exist.

tests/test_docs.py runs its snippets and checks its links and commands.
"""

import dataclasses
import re
from pathlib import Path

import pytest

from mrcnn_explained.config import Config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "questions.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = re.split(r"(?m)^## ", TEXT)[1:]


def test_all_questions_in_order():
    assert [part.split(".")[0] for part in SECTIONS] == [str(n) for n in range(1, 36)]


@pytest.mark.parametrize("part", SECTIONS, ids=lambda part: part.split(".")[0])
def test_an_answer_and_where_to_look(part):
    _, threads, *answer = part.split("\n\n")
    assert threads.startswith("Threads: ")
    see = next(p for p in answer if p.startswith("See: "))
    assert len("".join(answer)) - len(see) > 120 and ("](" in see or "`" in see)


def test_fields_of_the_config_exist():
    fields = {field.name for field in dataclasses.fields(Config)} | {
        name for name in dir(Config) if not name.startswith("_")
    }
    named = re.findall(r"\bconfig\.(\w+)", TEXT.replace("config.json", "").replace("config.py", ""))
    named += re.findall(r"\b(\w+)=", " ".join(re.findall(r"Config(?:\.\w+)?\(([^()]*)\)", TEXT)))
    assert named and set(named) <= fields, set(named) - fields
