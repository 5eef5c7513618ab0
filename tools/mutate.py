"""Test the tests: plant one-line faults in the stages and see which ones the tests catch.

    python tools/mutate.py                  all faults
    python tools/mutate.py nms levels       faults whose file or reason contains one of the words
    python tools/mutate.py --list           only check that every fault can be planted

Each fault is planted in a copy of the package; the files of the project are not changed. A
fault that survives either changes no result, or shows that a test is missing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mrcnn_explained"


class Fault(NamedTuple):
    """One line of the package, and the wrong line that replaces it."""

    file: str  # in mrcnn_explained
    old: str  # occurs exactly once
    new: str
    why: str
    tests: str = ""  # files below tests/, separated by blanks; "": the file of the same room


def read_faults(path: Path = ROOT / "tools" / "faults.txt") -> list[Fault]:
    """Read blocks of three lines: `file | why [| test files]`, `- right`, `+ wrong`."""
    text = "\n".join(line for line in path.read_text("utf-8").splitlines() if line[:1] != "#")
    blocks = (block.strip("\n").split("\n") for block in text.split("\n\n") if block.strip())
    faults = []
    for head, old, new in blocks:
        file, why, *tests = head.split(" | ")
        faults.append(Fault(file, old[2:], new[2:], why, *tests))
    return faults


def tests_of(fault: Fault) -> list[str]:
    """Return the test files that should catch a fault."""
    file = Path(fault.file)
    names = fault.tests.split() or [f"{file.parent}/test_{file.stem}"]
    return [f"tests/{name}.py" for name in names]


def check(faults: list[Fault]) -> None:
    """End the program if a fault cannot be planted, or could be planted in two places."""
    for fault in faults:
        found = (PACKAGE / fault.file).read_text(encoding="utf-8").count(fault.old)
        if found != 1:
            sys.exit(f"{fault.file}: {fault.old!r} occurs {found} times; it must occur once")


def copy_project(folder: Path) -> None:
    """Copy the package and its tests into a folder; goldens, notebooks and docs are linked."""
    ignore = shutil.ignore_patterns("__pycache__", "*.h5", "goldens")
    shutil.copytree(PACKAGE, folder / "mrcnn_explained", ignore=ignore)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignore)
    for linked in ("tests/goldens", "notebooks", "docs"):
        (folder / linked).symlink_to(ROOT / linked)
    if (ROOT / "pyproject.toml").exists():
        shutil.copy(ROOT / "pyproject.toml", folder)


def run(folder: Path, tests: list[str]) -> tuple[bool, str]:
    """Run tests; return whether they pass, and the name of the first one that fails."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # pytest itself failed, not a test
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-1000:]}")
    first = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, first[0].split("::")[-1].split(" - ")[0] if first else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only faults whose file or reason contains one")
    parser.add_argument("--list", action="store_true", help="plant no fault, only list them")
    options = parser.parse_args()
    every = read_faults()
    check(every)
    faults = [
        fault
        for fault in every
        if not options.words or any(w in f"{fault.file} {fault.why}" for w in options.words)
    ]
    if options.list:
        print(*(f"{fault.file:24}{fault.why}" for fault in faults), sep="\n")
        print(f"{len(faults)} faults")
        return

    survivors, started = [], time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_project(folder)
        for fault in faults:
            path = folder / "mrcnn_explained" / fault.file
            right = path.read_text(encoding="utf-8")
            path.write_text(right.replace(fault.old, fault.new), encoding="utf-8")
            passed, name = run(folder, tests_of(fault))
            path.write_text(right, encoding="utf-8")
            survivors += [fault] if passed else []
            outcome = "SURVIVED" if passed else f"caught by {name}"
            print(f"{fault.file:24}{fault.why:48}{outcome}", flush=True)
    caught = len(faults) - len(survivors)
    print(f"\n{caught} of {len(faults)} faults caught in {time.time() - started:.0f} s")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
