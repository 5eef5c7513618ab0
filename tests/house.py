"""What `test_contract.py` asks about the package's source: imports, lengths, private functions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent.parent / "mrcnn_explained"
PATHS = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PATHS}


def module_name(path: Path) -> str:
    """`detector.trace` of mrcnn_explained/detector/trace.py; "" of the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path) for path in PATHS}
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def room_of(module: str) -> str:
    """The room that a module lies in; a module of the package's root is its own room."""
    return module.split(".")[0]


class Import(NamedTuple):
    """One import of the package by itself, wherever in a file it is written."""

    importer: str  # a module, as module_name has it
    imported: str
    name: str  # imported from it; "" for the module itself


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of this package in a file, those in functions and for type checkers too."""
    importer = module_name(path)
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}: relative import"
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for module, name in found:
            package, _, inner = module.partition(".")
            if package != PACKAGE.name:
                continue
            whole = ".".join(filter(None, (inner, name)))
            yield Import(importer, whole, "") if whole in MODULES else Import(importer, inner, name)


IMPORTS = [found for path in PATHS for found in imports_of(path)]


def circles() -> set[str]:
    """Modules that import themselves by way of others, `a → b → a`."""
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        if found.imported:  # the package's own __init__ imports names when they are used
            graph.setdefault(found.importer, set()).add(found.imported)
    circles, done = set(), set()

    def follow(module: str, way: list[str]) -> None:
        if module in way:
            circle = way[way.index(module) :]
            first = circle.index(min(circle))
            circles.add(" → ".join([*circle[first:], *circle[:first], circle[first]]))
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                follow(other, [*way, module])
            done.add(module)

    for module in sorted(graph):
        follow(module, [])
    return circles


def place(path: Path, thing: str | None = None) -> str:
    """`detector/trace.py`, and what in it."""
    return ": ".join(filter(None, (path.relative_to(PACKAGE).as_posix(), thing)))


def private_functions_without_types_or_docstring() -> set[str]:
    """Private functions of more than one line that lack an annotation or a docstring."""
    return {
        place(path, node.name)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and re.match("_(?!_)", node.name)
        if not is_complete(node)
    }


def is_complete(function: ast.FunctionDef) -> bool:
    """Whether a function has types and a docstring, or is too short to need them."""
    return _is_short(function) or (_has_types(function) and bool(ast.get_docstring(function)))


def _is_short(function: ast.FunctionDef) -> bool:
    """Whether a function is one statement of a line or two."""
    is_text = lambda node: isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # noqa: E731
    statements = [node for node in function.body if not is_text(node)]
    return len(statements) < 2 and function.end_lineno - function.lineno < 4


def _has_types(function: ast.FunctionDef) -> bool:
    """Whether all arguments and the result are annotated."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    typed = (a.annotation is not None for a in named if a.arg not in ("self", "cls"))
    return function.returns is not None and all(typed)


RESULT = re.compile(r"(^|_)(results?|stage|stages|outputs?|inference|backbone|detections|step)$")


def positional_reads() -> set[str]:
    """Stage results that are read by position: `results[2]`, `backbone[1:]`, `*_, d, _, _ = …`.

    A name is all that the source shows, so that this finds the habit, not every instance.
    """
    return {
        place(path, ast.unparse(node))
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if reads_by_position(node)
    }


def reads_by_position(node: ast.AST) -> bool:
    """Whether a subscript, or the left side of an assignment, picks fields by their number."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
        name = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
        key = node.slice
        number = isinstance(key, ast.Constant) and isinstance(key.value, int) and key.value > 1
        return bool(RESULT.search(name)) and (number or isinstance(key, ast.Slice))
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
        dropped = [name for name in map(ast.unparse, node.elts) if name in ("_", "*_")]
        return len(dropped) > 2
    return False


def metadata_reads() -> set[str]:
    """`meta[0, 4:6]` and the like: image_meta is read by name, with `unpack_meta`."""
    return {
        place(path, ast.unparse(node))
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value).endswith("meta")
        and any(isinstance(part, ast.Slice) for part in ast.walk(node.slice))
        and re.search(r"\d", ast.unparse(node.slice))
    }
