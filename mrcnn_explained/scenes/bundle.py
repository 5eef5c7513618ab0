"""Bundle the viewer's modules into one script, as an anywidget and a self-contained page need it.

The modules in viewer/ import only from each other and from `./palette.js`, which is no file: it
is written here from the project's palette. To bundle means to drop the imports and the `export`
keywords and to join the modules, those first that the others import from.
"""

import json
import re
from functools import cache
from importlib.resources import files

from mrcnn_explained.plots.palette import CASING, DARK, INK, WHITE

MODULES = (
    "layers.js",
    "pixels.js",
    "surface.js",
    "drawing.js",
    "labels.js",
    "movable.js",
    "divider.js",
    "panel.js",
    "player.js",
    "layout.js",
    "style.js",
    "view.js",
)  # each imports only from those before it

_IMPORT = re.compile(r'^import \{[^}]*\} from "[^"]+";.*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:class|const|async function|function) )", re.MULTILINE)


@cache
def viewer_script() -> str:
    """Return the viewer as one script without imports and exports; it declares `render`."""
    folder = files("mrcnn_explained.scenes") / "viewer"
    sources = [(folder / name).read_text("utf-8") for name in MODULES]
    return "\n".join([_palette(), *map(without_imports, sources)])


def widget_module() -> str:
    """Return the ES module that anywidget loads: the viewer's script and its default export."""
    return f"{viewer_script()}\nexport default {{ render }};\n"


def without_imports(source: str) -> str:
    """Return a module's source without imports and `export` keywords."""
    return _EXPORT.sub("", _IMPORT.sub("", source))


def _palette() -> str:
    """Return the colours and the width of casings that the viewer itself needs, as JavaScript."""
    colors = {"INK": INK, "WHITE": WHITE, "DARK": DARK, "CASING": CASING}
    constants = [f"const {name} = {json.dumps(color)};" for name, color in colors.items()]
    return "\n".join(["// The project's palette, from plots/palette.py.", *constants]) + "\n"
