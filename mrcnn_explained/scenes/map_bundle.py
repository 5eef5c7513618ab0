"""Bundle the Map's modules into one script, for a widget and for self-contained pages.

As in bundle.py: modules import only from those before them, from `./palette.js` and from
`./style.js`. These two are written here, from the project's palette and from map.css. The entry
is `mountMap(host, payloads, options)`.
"""

import base64
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from mrcnn_explained.plots import palette
from mrcnn_explained.scenes.bundle import without_imports

if TYPE_CHECKING:  # so that a script is bundled without importing TensorFlow
    from mrcnn_explained.scenes.map_data import MapData

FOLDER = files("mrcnn_explained.scenes") / "viewer_map"
DETECTOR_MODULES = ("data.js", "nms.js", "detector.js")  # decisions, without any drawing
MAP_MODULES = (
    *DETECTOR_MODULES,
    "draw.js",
    "layout.js",
    "words.js",
    "stages_pyramid.js",
    "stages_rois.js",
    "stages_heads.js",
    "panels_first.js",
    "panels_rois.js",
    "panels_heads.js",
    "controls.js",
    "details.js",
    "what_if.js",
    "lists.js",
    "path.js",
    "play.js",
    "keys.js",
    "skeleton.js",
    "app.js",
)  # each imports only from those before it
COLORS = ("INK", "QUIET", "FAINT", "WHITE", "DARK", "WRONG", "LEVEL_COLORS", "LEVEL_DASHES")


@cache
def detector_script() -> str:
    """Return what the Map decides, without its drawing; it declares `Detector`."""
    return _joined(DETECTOR_MODULES)


@cache
def map_script() -> str:
    """Return the Map as one script without imports and exports; it declares `mountMap`."""
    style = json.dumps((FOLDER / "map.css").read_text("utf-8"), ensure_ascii=False)
    return f"{_palette()}const MAP_STYLE = {style};\n{_joined(MAP_MODULES)}"


def map_page_script() -> str:
    """Return the script of a page that holds a Map: the Map, then what draws it there."""
    return f"{map_script()}\n{_joined(('start.js',))}"


def map_widget_module() -> str:
    """Return the ES module that anywidget loads."""
    return f"{map_script()}\n{_joined(('widget.js',))}\nexport default {{ render }};\n"


def map_blocks(data: "MapData") -> dict[str, str]:
    """Return header and block as the script blocks of a page hold them.

    The header holds no `<`, so no name in it can end its block.
    """
    header = json.dumps(data.header, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return {
        "header": header.replace("<", "\\u003c"),
        "block": base64.b64encode(data.block).decode(),
    }


def _joined(modules: tuple[str, ...]) -> str:
    """Return modules as one script."""
    sources = ((FOLDER / name).read_text("utf-8") for name in modules)
    return "\n".join(map(without_imports, sources))


def _palette() -> str:
    """Return the project's colours as JavaScript."""
    constants = [f"const {name} = {json.dumps(getattr(palette, name))};" for name in COLORS]
    return "\n".join(["// The project's palette, from plots/palette.py.", *constants]) + "\n"
