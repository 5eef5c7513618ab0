"""The command `lab`: the notebooks for whoever installed the package without a clone of it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.errors import InputError

NEEDED = ("jupyterlab", "ipykernel", "ipywidgets", "anywidget")  # the extra lab


def lab(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to copy the notebooks to.")
    ] = Path("mrcnn_explained_notebooks"),
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Copy the notebooks and stop.")
    ] = False,
) -> None:
    """Copy the notebooks, never over those that you changed, and open them in JupyterLab."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and not no_open:
        raise InputError(
            f"{', '.join(missing)} is not installed: run pip install 'mrcnn-explained[lab]', or "
            "copy the notebooks with --no-open and open them elsewhere"
        )
    from mrcnn_explained.lessons.course import FIRST, copy_course

    found = copy_course(folder)
    print(
        f"{folder}: {len(found.copied)} files copied, {len(found.updated)} updated, "
        f"{len(found.kept)} kept as they are"
    )
    for name in found.changed:
        print(f"left alone, because you changed it: {folder / name}")
    if no_open:
        print(f"open {folder / FIRST}, with {folder} as JupyterLab's root so that links work")
        return
    raise typer.Exit(run_command(lab_command(folder, FIRST)))


def lab_command(folder: Path, first: str) -> list[str]:
    """Return the command line that opens a notebook in JupyterLab, with a folder as its root."""
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{first}",
    ]


def run_command(command: list[str]) -> int:
    """Run a command until it ends; Ctrl-C is its own, which may ask before it ends."""
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
