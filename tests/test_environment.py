"""pyproject.toml, requirements.lock and environment.yml agree; the wheel is complete."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("lab", "train", "ray", "video", "dev")


def wanted() -> dict[str, Requirement]:
    lines = PROJECT["dependencies"] + [
        line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]
    ]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pins() -> dict[str, list[str]]:
    """Every version that the lock pins for a package; markers may ask for several."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_conda_gets_the_same_requirements_as_pip():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[0] == f"python {PROJECT['requires-python']}"
    assert conda[1] == "pip"
    theirs = {canonicalize_name(r.name): r for r in map(Requirement, conda[2]["pip"])}
    assert theirs == wanted()


@pytest.mark.parametrize("name", sorted(wanted()))
def test_the_lock_pins_a_version_that_pyproject_allows(name):
    versions = pins()[name]
    assert all(wanted()[name].specifier.contains(version) for version in versions)


def test_every_pin_has_a_hash_and_no_line_names_a_place():
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?:|file:|--index|--find-links|^-", text, re.MULTILINE)


def test_the_wheel_leaves_out_no_file_of_the_package():
    """Hatchling packs the package's folder, but nothing that .gitignore names."""
    package = ROOT / "mrcnn_explained"
    files = [path for path in package.rglob("*") if path.is_file()]
    files = [path for path in files if path.parent.name != "__pycache__"]
    read_at_run_time = {
        "__init__.pyi",
        "media/assets/demo.png",
        "report/page.html",
        "report/page.js",
        "report/survey.html",
        "scenes/viewer/view.js",
        "weights/assets/shapes.npz",
    }
    assert read_at_run_time <= {path.relative_to(package).as_posix() for path in files}
    command = ["git", "check-ignore", "--no-index", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("not a git checkout: .gitignore cannot be asked")
    assert done.stdout == ""
