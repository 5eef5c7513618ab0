"""The command `lab`: it copies the notebooks, never over changed ones, and opens JupyterLab."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mrcnn_explained.cli import app as cli
from mrcnn_explained.cli import lab
from mrcnn_explained.errors import InputError
from mrcnn_explained.lessons import course

ROOT = Path(__file__).resolve().parent.parent.parent
OLD, NEW = "notebooks/01_image.ipynb", "notebooks/02_backbone.ipynb"


def run(*arguments):
    return CliRunner().invoke(cli.app, ["lab", *map(str, arguments)])


def prose_of(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    assert run(folder, "--no-open").exit_code == 0
    return folder


def test_every_link_of_the_copy_leads_to_a_file_in_it(folder):
    for path in [*folder.glob("notebooks/*.ipynb"), *folder.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", prose_of(path)):
            if "://" not in target:
                assert (path.parent / target).is_file(), f"{path.name}: {target}"
    copied = {path.relative_to(folder).as_posix() for path in folder.glob("notebooks/*")}
    assert copied == {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_a_second_copy_keeps_all_and_replaces_what_only_the_package_changed(
    folder, tmp_path, monkeypatch
):
    files = course.course_files()
    assert re.search(
        rf"0 files copied, 0 updated, {len(files)} kept", run(folder, "--no-open").output
    )
    (folder / OLD).write_text("mine")
    newer = tmp_path / "newer.ipynb"
    newer.write_text("a new version")
    monkeypatch.setattr(course, "course_files", lambda: {**files, OLD: newer, NEW: newer})
    result = run(folder, "--no-open")
    assert "0 files copied, 1 updated" in result.output
    assert f"because you changed it: {folder / OLD}" in result.output.replace("\n", "")
    assert (folder / OLD).read_text() == "mine" and (folder / NEW).read_text() == "a new version"
    again = course.copy_course(folder)  # a changed file is still not what was copied
    assert again.changed == [OLD] and not again.updated and not again.copied
    (folder / OLD).unlink()
    assert course.copy_course(folder).copied == [OLD]


def test_a_file_that_was_there_before_the_first_copy_stays(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / OLD).write_text("not ours")
    assert course.copy_course(tmp_path).changed == [OLD]
    assert (tmp_path / OLD).read_text() == "not ours"


def test_it_opens_the_first_notebook_with_the_copy_as_root(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(lab, "run_command", lambda command: commands.append(command) or 3)
    monkeypatch.chdir(tmp_path)
    assert run().exit_code == 3  # JupyterLab's own
    (command,) = commands
    root = tmp_path / "mrcnn_explained_notebooks"
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={root}" in command
    (first,) = [part.split("/lab/tree/")[1] for part in command if "default_url" in part]
    assert (root / first).is_file() and first.endswith("00_overview.ipynb")


def test_a_missing_extra_is_named_and_nothing_is_copied(tmp_path, monkeypatch):
    find = lab.find_spec
    monkeypatch.setattr(lab, "find_spec", lambda name: None if name == "anywidget" else find(name))
    result = run(tmp_path / "mine")
    assert isinstance(result.exception, InputError)  # main() ends with exit code 2
    assert "anywidget is not installed: run pip install 'mrcnn-explained[lab]'" in str(
        result.exception
    )
    assert not (tmp_path / "mine").exists()
    assert run(tmp_path / "mine", "--no-open").exit_code == 0  # without the extra


def test_what_cannot_be_copied_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        course.copy_course(tmp_path / "file")
    (tmp_path / course.RECORD).write_text("[]")
    with pytest.raises(InputError, match="not the record of a copy"):
        course.copy_course(tmp_path)
    monkeypatch.setattr(course, "PACKAGE", tmp_path / "package")
    with pytest.raises(InputError, match="has no notebooks"):
        course.course_files()


def test_it_imports_neither_tensorflow_nor_numpy(tmp_path):
    code = (
        "import sys; from mrcnn_explained.cli.app import main\n"
        f"sys.argv = ['mrcnn-explained', 'lab', {str(tmp_path)!r}, '--no-open']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert json.loads((tmp_path / course.RECORD).read_text())


def test_the_wheel_holds_what_a_clone_would_copy():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    inside = course.IN_WHEEL.relative_to(ROOT).as_posix()
    assert included == {name: f"{inside}/{name}" for name in included}
    for name in course.course_files():
        assert name in included or name.split("/")[0] in (*included, "mrcnn_explained"), name
