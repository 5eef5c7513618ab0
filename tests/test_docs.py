"""README, CONTRIBUTING and docs/: snippets run, commands and their options exist, links lead on."""

import re
import typing
from pathlib import Path

import pytest
import tensorflow as tf
import typer
from test_contract import FLOORS

from mrcnn_explained.cli.app import app
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.detector.training_step import TrainingTrace

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text("utf-8") for page in PAGES}
PYTHON = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```(?:bash)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"mrcnn-explained ([a-z][a-z-]*)((?:\\\n|[^`\n#])*)")
WITH_SNIPPETS = [name for name, text in TEXTS.items() if PYTHON.search(text)]


@pytest.fixture
def eager_training():
    """Run training steps without a graph, which takes longer to make than one step takes."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_training")
# tf.data keeps its graphs, and warns that it does.
@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize("name", WITH_SNIPPETS)
def test_snippets_of_a_page_run_in_order(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__page__"}
    for match in PYTHON.finditer(TEXTS[name]):
        line = TEXTS[name].count("\n", 0, match.start()) + 1
        code = "\n" * line + match[2]  # so that an error names the page's own line
        exec(compile(code, name, "exec"), namespace)
    if name == "debugging.md":
        printed = capsys.readouterr().out
        assert "never reached" in printed and "first difference is at anchors" in printed


def test_pages_with_snippets_are_found():
    assert {"README.md", "debugging.md", "questions.md"} <= set(WITH_SNIPPETS)
    assert sum("assert" in match[2] for match in PYTHON.finditer(TEXTS["debugging.md"])) >= 6


def commands():
    """The options of each command of the program."""
    known = typer.main.get_command(app).commands
    return {name: {o for p in c.params for o in p.opts} for name, c in known.items()}


@pytest.mark.parametrize("name", TEXTS)
def test_commands_and_their_options_exist(name):
    known = commands()
    for command, rest in COMMAND.findall(TEXTS[name]):
        assert command in known, f"{name}: mrcnn-explained {command}"
        options = set(re.findall(r"(?<!\w)--[a-z][a-z-]*", rest))
        assert options <= known[command], f"{name}: mrcnn-explained {command}{rest}"


def test_commands_are_found():
    found = {command for text in TEXTS.values() for command, _ in COMMAND.findall(text)}
    assert len(found) >= 12


@pytest.mark.parametrize("name", TEXTS)
def test_options_in_the_text_exist(name):
    known = set().union(*commands().values()) | {"--fix", "--help"}
    own = set(re.findall(r"`(--[a-z][a-z-]*)", TEXTS[name]))
    assert own <= known, own - known


@pytest.mark.parametrize("name", TEXTS)
def test_make_targets_exist(name):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", TEXTS[name], re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name}: make {target}"


@pytest.mark.parametrize("name", TEXTS)
def test_a_link_leads_to_a_file(name):
    page = next(page for page in PAGES if page.name == name)
    for target in re.findall(r"\]\(([^)#\s]+)", TEXTS[name]):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{name}: {target}"


def test_letters_of_shapes_are_in_the_notation():
    shape = re.compile(r'(?:Float\d*|Int\d+|Bool|UInt8)\[[\w.]+, "([^"]*)"\]')
    sources = [path.read_text("utf-8") for path in (ROOT / "mrcnn_explained/stages").glob("*.py")]
    used = {letter for text in sources for found in shape.findall(text) for letter in found.split()}
    used = {letter.strip("*").split("//")[0] for letter in used}
    used = {letter for letter in used if letter.isalpha() and len(letter) <= 2}  # no whole words
    named = set(
        re.findall(r"\w+", " ".join(re.findall(r"(?m)^\| ([^|]+) \|", TEXTS["notation.md"])))
    )
    assert used <= named, used - named


def test_fields_on_the_walkthrough_exist():
    text = TEXTS["build-walkthrough.md"]
    named = re.findall(r"`(trace|step)\.(\w+)\.(\w+)(?:\.\w+)?`", text)
    assert len(named) >= 40
    results = {"trace": typing.get_type_hints(Trace), "step": typing.get_type_hints(TrainingTrace)}
    for root, stage, field in named:
        assert hasattr(results[root][stage], field), f"{root}.{stage}.{field}"


def test_rooms_of_the_pages_are_those_of_the_package():
    package = ROOT / "mrcnn_explained"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    named = re.findall(r"(?m)^\| \[?`(\w+)/`", TEXTS["README.md"])
    assert sorted(named) == sorted(rooms)
    (diagram,) = re.findall(r"```text\n(.*?)```", TEXTS["CONTRIBUTING.md"], re.DOTALL)
    floors = [set(re.findall(r"\w+", floor)) for floor in diagram.split(">")]
    assert floors == [set(floor) for floor in FLOORS]
