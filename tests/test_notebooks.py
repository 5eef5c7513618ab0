"""Notebooks: how they lie in git, and that they run from top to bottom (`make notebooks`)."""

import json
import os
import re
import time
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from system.test_tensorflow_log import clean_environment

from mrcnn_explained.lessons.check import QUESTIONS
from mrcnn_explained.lessons.contents import NOTEBOOKS as CONTENTS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EACH = 60  # seconds that a notebook may take


def test_they_are_numbered_without_a_gap():
    numbers = [path.stem.split("_")[0] for path in NOTEBOOKS]
    numbers.remove("03b")  # what the numbered ones need: it came later
    assert numbers == [f"{i:02}" for i in range(len(numbers))]


def test_the_contents_list_them():
    assert [entry.file for entry in CONTENTS] == [path.name for path in NOTEBOOKS]
    assert all(entry.file.startswith(f"{entry.number}_") for entry in CONTENTS)


def test_links_lead_to_files_of_the_repository():
    cells = [c for path in NOTEBOOKS for c in json.loads(path.read_text("utf-8"))["cells"]]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    targets = {t for text in texts for t in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in t}
    assert len(targets) > len(NOTEBOOKS) and any("#" in target for target in targets)
    dead = {target for target in targets if not is_alive(target)}
    assert not dead


def is_alive(target):
    """Whether a link of a notebook leads to a file of the repository, and to an anchor in it."""
    name, _, anchor = target.partition("#")
    path = (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER.parent) or not path.exists():
        return False
    return not anchor or anchor in anchors_of(path)


@cache
def anchors_of(path):
    """The anchors of a page: those that it sets, and those that JupyterLab makes of headings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {*re.findall(r'<a id="([^"]+)"', text), *(h.replace(" ", "-") for h in headings)}


def test_a_dead_link_is_noticed():
    assert is_alive("07_levels.ipynb") and is_alive("../docs/glossary.md#iou")
    assert not is_alive("77_none.ipynb") and not is_alive("../docs/glossary.md#none")
    assert not is_alive("../../elsewhere")


def test_the_folder_that_make_lab_serves_holds_what_notebooks_link_to():
    # Lab answers 404 for everything above its root: docs/ is beside notebooks/.
    makefile = (FOLDER.parent / "Makefile").read_text(encoding="utf-8")
    (command,) = re.findall(r"jupyter lab (.*)", makefile)
    assert "--ServerApp.root_dir=." in command.split()
    (first,) = re.findall(r"default_url=/lab/tree/(\S+)", command)
    assert (FOLDER.parent / first) == NOTEBOOKS[0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_a_kernel_a_title_asserts_and_three_questions(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    number = path.stem.split("_")[0]
    title = f"# {number} "
    assert "".join(cells[0]["source"]).startswith(title), f"the first cell begins with {title!r}"
    text = "\n".join("".join(cell["source"]) for cell in code)
    asked = re.findall(r'check_answer\(\s*"(\d\db?\.\d)",\s*None', text)
    assert sorted(asked) == [name for name in QUESTIONS if name.split(".")[0] == number]
    assert [name[-1] for name in sorted(asked)[:3]] == ["1", "2", "3"]
    assert f'you_are_here("{number}", ' in "".join(code[0]["source"])
    assert "case = open_case(" in "".join(code[0]["source"])
    assert "assert " in text or "np.testing." in text
    assert "interactive(" not in text and "plt.show" not in text  # the runner would wait for them


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_in_a_plain_kernel_and_writes_nothing_to_stderr(path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=EACH, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    start = time.monotonic()
    client.execute(env=clean_environment())
    assert time.monotonic() - start < EACH
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert outputs
    assert not [output.text for output in outputs if output.get("name") == "stderr"]


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """A folder of notebooks whose case is an image without any object."""
    folder = tmp_path_factory.mktemp("grey")
    Image.fromarray(np.full((400, 400, 3), 110, np.uint8)).save(folder / "grey.png")
    (folder / "case.toml").write_text('image = "grey.png"')
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", ["11", "12", "13", "19", "20"])
def test_it_runs_on_an_image_without_a_detection(number, grey, monkeypatch, capsys):
    (path,) = FOLDER.glob(f"{number}_*.ipynb")
    monkeypatch.chdir(grey)
    for variable in ("MRCNN_EXPLAINED_IMAGE", "MRCNN_EXPLAINED_WEIGHTS"):
        monkeypatch.delitem(os.environ, variable, raising=False)
    names = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":  # in this process: a kernel would import TensorFlow again
            exec(compile(cell.source, path.name, "exec"), names)
    assert names["case"].name == "grey.png" and not len(names["case"].trace.instances.class_ids[0])
    printed = capsys.readouterr()
    assert ("Why is it no detection?" in printed.out) == (number != "11") and not printed.err
