"""The rules of the house: which room may import which, and how long and how plain its code is."""

import ast

import pytest
from house import (
    IMPORTS,
    MODULES,
    PACKAGE,
    ROOMS,
    circles,
    is_complete,
    metadata_reads,
    place,
    positional_reads,
    private_functions_without_types_or_docstring,
    reads_by_position,
    room_of,
)

#: Arrows run down this list: a room imports rooms of lower lines, and the leaves.
FLOORS = (
    ("cli",),
    ("report",),
    ("explorers", "lessons"),
    ("scenes",),
    ("plots",),
    ("survey",),
    ("evaluation",),
    ("explain",),
    ("training",),
    ("detector",),
    ("weights",),
    ("data",),
    ("stages",),
    ("media",),
    ("system",),
)
#: Modules of the package's root, and the leaves that each may import. Files, folders and the
#: process are handled below them, in system/.
LEAVES = {
    "boxes": set(),
    "coco_classes": set(),
    "config": {"coco_classes", "config_checks", "errors", "inputs", "matterport_config", "system"},
    "config_checks": {"errors"},
    "errors": set(),
    "inputs": {"errors"},
    "matterport_config": {"config_checks", "errors"},
}
#: Rooms that may import less than their place in FLOORS allows. Stages take tensors and plain
#: values: they know no config, no model and no plot.
STRICTER = {"stages": {"boxes", "errors"}, "system": {"errors"}}
#: What a room may import from the package itself. A trace asks its questions by public names.
PUBLIC_NAMES = {"detector.trace": {"", "check", "lineage", "why_missed"}}

#: Limits of the house.
MOST_ROOT_MODULES = 8
MOST_LINES = 350
MOST_FORMAT_SKIPS = 10

LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def may_import(importer: str, imported: str) -> bool:
    """Whether a room or leaf may import another room or leaf."""
    if importer == imported:
        return True
    if importer in LEAVES:
        return imported in LEAVES[importer]
    if importer in STRICTER:
        return imported in STRICTER[importer]
    return imported in LEAVES or LEVEL[imported] > LEVEL[importer]


def test_the_table_lists_every_room_and_leaf():
    assert sorted(LEVEL) == sorted(ROOMS)
    root = {module for module in MODULES if "." not in module} - ROOMS - {"", "__main__"}
    assert sorted(LEAVES) == sorted(root)
    assert len(LEAVES) <= MOST_ROOT_MODULES


def test_arrows_run_down():
    upward = {
        f"{found.importer} imports {found.imported}"
        for found in IMPORTS
        if found.importer not in ("", "__main__") and found.imported
        if not may_import(room_of(found.importer), room_of(found.imported))
    }
    assert upward == set()


def test_a_room_imports_nothing_but_the_version_from_the_package_itself():
    names = {
        (found.importer, found.name)
        for found in IMPORTS
        if not found.imported and found.importer != "__main__"
        if found.name not in {"__version__"} | PUBLIC_NAMES.get(found.importer, set())
    }
    assert names == set()


def test_no_module_imports_itself_by_way_of_others():
    assert circles() == set()


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_is_imported_for_free(room):
    assert (PACKAGE / room / "__init__.py").read_bytes() == b""


def test_no_file_is_too_long():
    long = {
        place(path)
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".pyi", ".js", ".css", ".html")
        if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES
    }
    assert long == set()


def test_code_is_formatted_but_for_a_few_tables():
    skips = [place(path) for path in PACKAGE.rglob("*.py") for _ in _skips(path)]
    assert len(skips) <= MOST_FORMAT_SKIPS, skips


def _skips(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if "fmt: skip" in line]


def test_private_functions_have_types_and_a_sentence():
    assert private_functions_without_types_or_docstring() == set()


def test_results_are_read_by_name():
    assert positional_reads() == set()
    # unpack_meta is where the numbers have their names
    assert {
        read for read in metadata_reads() if not read.startswith("stages/image_meta.py")
    } == set()


# The rules notice a fault ---------------------------------------------------------------------


def test_the_table_notices_an_upward_arrow():
    assert may_import("report", "stages") and may_import("plots", "boxes")
    assert not may_import("stages", "config") and not may_import("detector", "explain")
    assert not may_import("lessons", "explorers") and not may_import("boxes", "errors")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("results[2]", True),
        ("backbone[1:]", True),
        ("second_stage[5]", True),
        ("*_, detections, _, _, _ = results", True),
        ("results[0]", False),
        ("levels[2]", False),
        ("trace.backbone.c2", False),
        ("_, width, _ = image.shape", False),
    ],
)
def test_reads_by_position_are_noticed(code, found):
    assert any(map(reads_by_position, ast.walk(ast.parse(code)))) is found


@pytest.mark.parametrize(
    ("code", "complete"),
    [
        ("def _f(a: int) -> int:\n    'Doc.'\n    b = a\n    return b", True),
        ("def _f(a): return a", True),
        ("def _f(a) -> int:\n    'Doc.'\n    b = a\n    return b", False),
        ("def _f(a: int):\n    'Doc.'\n    b = a\n    return b", False),
        ("def _f(a: int) -> int:\n    b = a\n    return b", False),
    ],
)
def test_private_functions_without_types_are_noticed(code, complete):
    assert is_complete(ast.parse(code).body[0]) is complete
