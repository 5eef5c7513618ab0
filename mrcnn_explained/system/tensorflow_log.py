"""Keep TensorFlow's log off the screen, unless MRCNN_EXPLAINED_TF_LOG=1 asks for it.

TensorFlow reports on stderr which libraries it found and which costs it could not estimate. A
Jupyter notebook shows that in a red box, as if something had failed. Real errors are Python
exceptions and are not affected.
"""

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

#: TensorFlow's own setting: 0 logs everything, 1 warnings, 2 errors, 3 only what ends the process.
LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def silence() -> None:
    """Set TensorFlow's log level to 3.

    Does nothing if MRCNN_EXPLAINED_TF_LOG is set to anything but 0, and keeps a level that the
    user set. What TensorFlow logs while it is imported can only be held back if this package is
    imported first.
    """
    if os.environ.get("MRCNN_EXPLAINED_TF_LOG", "0") not in ("", "0"):
        return
    imported = "tensorflow" in sys.modules
    if imported and LEVEL not in os.environ:
        _set_level_of_imported_tensorflow()
    if os.environ.setdefault(LEVEL, "3") == "3" and not imported:
        sys.meta_path.insert(0, _QuietFinder)


class _QuietFinder:
    """Find TensorFlow as Python does, and import it with stderr held back."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import TensorFlow; None for any other module."""
        if name != "tensorflow":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _QuietLoader(name, spec.loader.path)
        return spec


class _QuietLoader(SourceFileLoader):
    """Import a module with stderr held back: TensorFlow logs before it reads its log level."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        with _stderr_held_back():
            super().exec_module(module)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Collect what is written to file descriptor 2; show it only if an exception is raised."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # no stderr, for example under pythonw: nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _set_level_of_imported_tensorflow() -> None:
    """Set the level in TensorFlow's library itself, which reads the environment only once.

    Abseil, its log, has the version in the function's name; TensorFlow's headers name it.
    """
    folder = Path(sys.modules["tensorflow"].__file__ or "").parent
    with contextlib.suppress(
        OSError, AttributeError, IndexError, StopIteration
    ):  # built in another way
        options = (folder / "include" / "absl" / "base" / "options.h").read_text()
        version = re.findall(r"#define ABSL_OPTION_INLINE_NAMESPACE_NAME (\w+)", options)[0]
        library = ctypes.CDLL(str(next(folder.glob("libtensorflow_cc.*"))))
        function = f"_ZN4absl{len(version)}{version}14SetMinLogLevelENS0_18LogSeverityAtLeastE"
        library[function](3)
