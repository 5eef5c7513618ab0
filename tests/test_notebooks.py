"""Notebooks: as they are in git, without running them (`make notebooks` does that)."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_they_are_numbered_without_a_gap():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i:02}" for i in range(len(NOTEBOOKS))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_a_kernel_a_title_asserts_and_three_questions(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    title = f"# {path.stem[:2]} "
    assert "".join(cells[0]["source"]).startswith(title), f"the first cell begins with {title!r}"
    text = "\n".join("".join(cell["source"]) for cell in code)
    assert text.count("check(None, ") + text.count("check(\n    None,") == 3
    assert "assert " in text or "np.testing." in text
    assert "interactive(" not in text and "plt.show" not in text  # the runner would wait for them
