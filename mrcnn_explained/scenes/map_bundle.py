"""Bundle the Map's modules into one script, for a widget and for self-contained pages.

As in bundle.py: modules import only from those before them, from `./palette.js` and from
`./style.js`. These two are written here, from the project's palette and from map.css. The entry
is `mountMap(host, payloads, options)`.
"""

import base64
import json
from functools import cache
from importlib.resources import files

from mrcnn_explained.plots import palette
from mrcnn_explained.scenes.bundle import without_imports
from mrcnn_explained.scenes.map_data import MapData

MAP_MODULES = (
    "data.js",
    "nms.js",
    "detector.js",
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
def map_script() -> str:
    """Return the Map as one script without imports and exports; it declares `mountMap`."""
    folder = files("mrcnn_explained.scenes") / "viewer_map"
    sources = [(folder / name).read_text("utf-8") for name in MAP_MODULES]
    style = json.dumps((folder / "map.css").read_text("utf-8"), ensure_ascii=False)
    return "\n".join([_palette(), f"const MAP_STYLE = {style};\n", *map(without_imports, sources)])


def map_blocks(data: MapData) -> dict[str, str]:
    """Return header and block as the script blocks of a page hold them.

    The header holds no `<`, so no name in it can end its block.
    """
    header = json.dumps(data.header, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return {
        "header": header.replace("<", "\\u003c"),
        "block": base64.b64encode(data.block).decode(),
    }


def _palette() -> str:
    """Return the project's colours as JavaScript."""
    constants = [f"const {name} = {json.dumps(getattr(palette, name))};" for name in COLORS]
    return "\n".join(["// The project's palette, from plots/palette.py.", *constants]) + "\n"
