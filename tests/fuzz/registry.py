"""The loaders that the fuzz reads broken files with. Each `loaders_*.py` here registers its own.

@loader("coco", samples=coco_files, mutate=mutate_json, suffix=".json")
def read_coco(path: Path) -> None:
    '''Read all that a user would read of the file.'''
"""

import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: (rng, sound file) → broken file.
Mutate = Callable[[random.Random, bytes], bytes]
#: Folder → sound files. The folder stays: images that the files name can lie in it.
Samples = Callable[[Path], list[bytes]]


@dataclass(frozen=True)
class Loader:
    """How one kind of file is made, broken and read."""

    name: str
    samples: Samples
    mutate: Mutate
    suffix: str
    read: Callable[[Path], None]


LOADERS: dict[str, Loader] = {}


def loader(name: str, *, samples: Samples, mutate: Mutate, suffix: str) -> Callable:
    """Register a function that reads a file.

    It returns for a file that it reads, and raises the project's own error (InputError, and not
    OutOfMemoryError) for one that it refuses, within 10 s and 1 GB.

    samples    makes sound files; called once, in the worker
    mutate     one of mutations.py, or of your own
    suffix     of the file's name
    """

    def register(read: Callable[[Path], None]) -> Callable[[Path], None]:
        LOADERS[name] = Loader(name, samples, mutate, suffix, read)
        return read

    return register


def load_all() -> dict[str, Loader]:
    """Return all loaders by name; imports every `loaders_*.py` beside this file."""
    for path in sorted(Path(__file__).parent.glob("loaders_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    return LOADERS
