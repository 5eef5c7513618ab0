"""Write environment.yml, for conda users, from pyproject.toml.

Python and pip come from conda, everything else from pip, so that there is one list of
requirements. `--check` changes nothing; it fails if the file is out of date.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "environment.yml"
EXTRAS = ("lab", "train", "ray", "video", "dev")


def environment() -> str:
    """Return the text of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pip = project["dependencies"] + [line for extra in EXTRAS for line in extras[extra]]
    lines = [
        "# Generated from pyproject.toml by tools/environment_yml.py; do not edit.",
        "# Then: conda activate mrcnn-explained && pip install --no-deps --editable .",
        f"name: {project['name']}",
        "channels: [conda-forge]",
        "dependencies:",
        f'  - "python {project["requires-python"]}"',
        "  - pip",
        "  - pip:",
        *(f'      - "{line}"' for line in pip),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    if "--check" not in sys.argv:
        TARGET.write_text(environment())
    elif not TARGET.exists() or TARGET.read_text() != environment():
        sys.exit("environment.yml does not agree with pyproject.toml: run `make docs`")


if __name__ == "__main__":
    main()
