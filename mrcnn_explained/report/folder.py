"""The folder that a report goes to, checked before the work and filled at its end."""

import os
from pathlib import Path


def check_folder(path: Path) -> None:
    """Make the folder, or raise OSError with its name: a file in the way, no permission."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(20, "a file is in the way of the output folder", str(path))
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(13, "no permission to write into the output folder", str(path))
