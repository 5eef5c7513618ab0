"""The public names: `from mrcnn_explained import …` gives all that README and notebooks use."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mrcnn_explained

ROOT = Path(__file__).parent.parent
STUB = ROOT / "mrcnn_explained" / "__init__.pyi"


def stub_names() -> dict[str, str]:
    """Every name that the stub imports, and the module that defines it."""
    return {
        alias.name: f"mrcnn_explained.{node.module}"
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_every_name_of_the_stub_is_what_its_module_defines():
    names = stub_names()
    assert sorted(names) == mrcnn_explained.__all__ == dir(mrcnn_explained)
    for name, module in names.items():
        thing = getattr(mrcnn_explained, name)
        assert thing is getattr(sys.modules[module], name)
        assert getattr(thing, "__module__", module) == module, f"{name} is defined elsewhere"


def test_the_stub_lists_what_it_imports():
    listed = next(
        ast.literal_eval(node.value)
        for node in ast.parse(STUB.read_text()).body
        if isinstance(node, ast.Assign)
    )
    assert sorted(listed) == sorted([*stub_names(), "__version__"])


def test_no_public_name_hides_a_module_or_a_room():
    modules = {path.stem for path in STUB.parent.iterdir()}
    assert not modules & set(stub_names())


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/**/*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_needs_public_names_only(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        code = "\n".join(
            line for line in "".join(cell["source"]).splitlines() if not line.startswith(("%", "!"))
        )
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("mrcnn_explained"):
                assert node.module == "mrcnn_explained", f"{path.name}: from {node.module}"
                assert {alias.name for alias in node.names} <= set(stub_names())


def test_a_name_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="mrcnn_explained"):
        _ = mrcnn_explained.no_such_name


@pytest.mark.parametrize(
    "statement", ["import mrcnn_explained", "from mrcnn_explained import Config"]
)
def test_tensorflow_is_imported_only_when_it_is_needed(statement):
    code = f"import sys; {statement}; print('tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n" and found.stderr == ""
