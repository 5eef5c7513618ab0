"""docs/glossary.md: complete, alive, and every term is linked where the notebooks first use it."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROW = re.compile(r'(?m)^\| <a id="([\w-]+)"></a>(.*?) \| (.*?) \|(?: (.*?))? \| (.*?) \|$')
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")

#: What a newcomer must be able to look up.
NEEDED = """anchor, cell, stride, box, ROI, proposal, candidate, RPN, FPN, backbone, pyramid level,
lateral map, NMS, IoU, logit, softmax, sigmoid, delta, head, bin, crop, stack, RoIPool,
ROI Pooling, RoIAlign, crop_and_resize, quantisation, receptive field, canonical side,
octave, margin, molded image, normalised, window, crowd, AP, positive, negative,
mini-mask, refined, clipped, suppressed, valid, kept, padded row, TimeDistributed, BatchNorm,
gamma, beta, image_meta, detection, instance, mask, score, threshold, class, background,
trace, stage, sample, bilinear interpolation, ground truth, target, loss, gradient,
precision, recall, box_indices, box_to_level, ProposalLayer, mask_boxes, exact level"""


class Term(NamedTuple):
    """A row of the glossary."""

    anchor: str
    forms: list[str]  # the words that mean it, as the row has them
    code: bool  # written as code
    meaning: str
    explained: str


def read_terms() -> list[Term]:
    """Return the rows of the glossary."""
    rows = []
    for anchor, words, meaning, _, explained in ROW.findall(PAGE):
        code = words.startswith("`")
        forms = [word.strip("*` ") for word in words.split(",")]
        rows.append(Term(anchor, forms, code, meaning, explained))
    return rows


TERMS = read_terms()


class Text(NamedTuple):
    """What a reader of a notebook reads: its prose, with links to the glossary marked."""

    name: str
    prose: str  # without code; a link to the glossary is ⟦anchor⟧ before its words
    spans: str  # the same, but code spans are kept


def read_text(path: Path) -> Text:
    """Return the text of a notebook's Markdown cells, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"(?m)^#.*$", " ", text)  # headings are questions; the text answers them
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)

    def mark(found: re.Match[str]) -> str:
        words, target = found.groups()
        return f"⟦{target.split('#')[1]}⟧{words}" if "glossary.md#" in target else f" {words} "

    text = LINK.sub(mark, text)
    return Text(path.stem, re.sub(r"`[^`]*`", "`", text), text)


TEXTS = [read_text(path) for path in NOTEBOOKS]


def first_use(term: Term, text: Text) -> int | None:
    """Return where a notebook first uses a term; None: nowhere."""
    source = text.spans if term.code else text.prose
    quote = "`" if term.code else ""
    pattern = "|".join(
        rf"{quote}\b{re.escape(form)}{'' if term.code else '(?:e?s)?'}\b{quote}"
        for form in term.forms
    )
    acronym = any(form.isupper() or form == "IoU" for form in term.forms)
    found = re.search(f"(?<!⟦)(?:{pattern})(?!⟧)", source, 0 if acronym else re.IGNORECASE)
    return found.start() if found else None


def test_what_a_newcomer_looks_up_is_there():
    known = {form.lower() for term in TERMS for form in term.forms}
    needed = [" ".join(words.split()).lower() for words in NEEDED.split(",")]
    missing = [words for words in needed if words not in known]
    assert not missing, missing
    anchors = [term.anchor for term in TERMS]
    assert len(anchors) == len(set(anchors)) == PAGE.count("<a id=")


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.anchor)
def test_a_row_is_short_and_names_a_notebook(term):
    sentences = re.findall(r"[.:](?:\s|$)", term.meaning)
    assert term.meaning.endswith((".", ".)")) and 1 <= len(sentences) <= 5
    assert 20 < len(term.meaning) <= 260
    linked = re.findall(r"\]\(\.\./notebooks/([\w.]+)\)", term.explained)
    assert linked
    for name in linked:
        path = ROOT / "notebooks" / name
        assert path.exists(), name
        assert any(first_use(term, text) is not None for text in TEXTS if text.name == path.stem), (
            f"{name} does not mention {term.forms[0]}"
        )


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.anchor)
def test_a_term_is_linked_where_it_is_first_used(term):
    users = [text for text in TEXTS if first_use(term, text) is not None]
    assert users, f"no notebook uses {term.forms}"
    text = users[0]
    source = text.spans if term.code else text.prose
    use, link = first_use(term, text), source.find(f"⟦{term.anchor}⟧")
    around = source[max(use - 60, 0) : use + 60]
    assert 0 <= link <= use, f"{text.name} uses {term.forms[0]!r} before its link: …{around}…"


def test_links_to_the_glossary_are_alive():
    known = {term.anchor for term in TERMS}
    pages = [*NOTEBOOKS, *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    links = [
        (path.name, anchor)
        for path in pages
        for anchor in re.findall(r"glossary\.md#([\w-]+)", path.read_text(encoding="utf-8"))
    ]
    assert len(links) > 60
    assert not [(name, anchor) for name, anchor in links if anchor not in known]
