"""The one palette: a colour has one meaning, and lines have a style of their own for each meaning.

| what is shown | code |
|---|---|
| pyramid level | `LEVEL_COLORS`, with `LEVEL_DASHES` and the tag P2 to P6 as a second code |
| class | `class_color`: never the colour of a level |
| fate | line style in ink or grey: kept solid, lost dashed, before a change dotted |
| ground truth | long dashes in ink |
| selection | ink, thick |
| error, wrong result | `WRONG` |

Plots, explorers and the report's page take their colours from here. Colours are hexadecimal
strings, `#RRGGBB`. Every colour of a level or a class, and `WRONG`, has a contrast of at least
3 : 1 to white and to the darkest background of a page. Lines over an image have a white casing,
so they can be seen on every image.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float64

from mrcnn_explained.plots.colors import (
    LUMINANCE,
    VISION,
    contrast,
    from_oklab,
    hex_of,
    luminance,
    oklab,
    rgb_of,
    to_linear,
    to_rgb,
)

INK, QUIET, FAINT = "#1B1F24", "#6B7580", "#D5DADF"  # text; axes and minor lines; backgrounds
WHITE = "#FFFFFF"
DARK = "#111111"  # the darkest background of a page: JupyterLab's dark theme
NEUTRAL = "#9AA3AC"  # what was not chosen
SHADE = "#F1F3F5"  # every second row of a list
GOOD = INK  # kept, positive, found: solid; the viewer draws ink in the colour of the page's text
LOST = QUIET  # suppressed, filtered out, negative: dashed
BAD = WRONG = "#BA2A0B"  # an error, a wrong or missing result
#: As far apart as possible for normal vision, deuteranopia and protanopia, together with WRONG.
LEVEL_COLORS = {2: "#0049FF", 3: "#1CA595", 4: "#E96C01", 5: "#775A98", 6: "#049AF1"}
#: Curves and areas of a chart without levels and classes, for plots with a legend.
CURVE_COLORS = (INK, "#B35FC9", "#008F4F", "#C77600", "#5F7FBF")
MAP = "viridis"  # matplotlib's colour map for maps with one value per cell

#: Line styles of matplotlib. Solid: a box that is kept, or a box after a change.
DOTTED = (0, (1.5, 1.5))  # a box before a change, or a box that was dropped
DASHED = "--"  # an object that was missed

#: The same for the viewer: lengths of dashes and gaps in screen pixels; solid without any.
BEFORE_DASH = [2, 2]  # a box before a change
LOST_DASH = [4, 4]  # a box that was suppressed or filtered out
TRUTH_DASH = [8, 4]  # a ground-truth object
NEVER_DASH = [1, 4]  # a candidate that NMS did not take up
#: Coloured lines only: long dashes, and a dot more from level to level.
LEVEL_DASHES = {2: [], 3: [10, 3], 4: [10, 3, 2, 3], 5: [10, 3, 2, 3, 2, 3], 6: [5, 3]}

CASING = 1.5  # width of the white casing on either side of a line over an image, CSS pixels
LIGHTEST, DARKEST = 0.295, 0.125  # luminance of the colours of classes: 3 : 1 to white and DARK
FEW_CLASSES = 96  # as many are computed at once, because more take longer
MOST_CLASSES = 512  # colours that differ; further classes repeat them
KEEP_AWAY = 0.06  # distance of a class colour from those of levels and errors


@cache
def class_colors(number: int) -> tuple[str, ...]:
    """Return the colours of the first classes: each differs as much as possible from those before.

    The first ones differ most, for normal vision and with colour vision deficiencies; 80 of them
    can be told apart with the help of their labels. None is near the colour of a level or of an
    error.
    """
    meanings = to_linear(rgb_of([*LEVEL_COLORS.values(), WRONG]))
    candidates = _class_candidates()
    looks, taken = ([oklab(colors, v) for v in VISION] for colors in (candidates, meanings))
    apart = np.min([_apart(looks, [look[i] for look in taken]) for i in range(len(meanings))], 0)
    apart[apart < KEEP_AWAY] = 0
    chosen = []
    for _ in range(number):
        best = int(np.argmax(apart))
        chosen.append(hex_of(to_rgb(candidates[best])))
        apart = np.minimum(apart, _apart(looks, [look[best] for look in looks]))
    return tuple(chosen)


def _class_candidates() -> Float64[np.ndarray, "n 3"]:
    """Return the linear light of a grid of colours that can be seen on every background."""
    axis = np.arange(-0.34, 0.34, 0.0145)
    grid = np.stack(np.meshgrid(np.arange(0.45, 0.75, 0.025), axis, axis), -1).reshape(-1, 3)
    linear = from_oklab(grid)
    bright = linear @ LUMINANCE
    shown = ((linear >= 0) & (linear <= 1)).all(axis=1)
    return linear[shown & (bright >= DARKEST) & (bright <= LIGHTEST)]


def _apart(looks: Sequence[np.ndarray], one: Sequence[np.ndarray]) -> Float64[np.ndarray, "n"]:
    """Return how different colours look from another one, in the vision that sees least.

    What only deficiencies hide counts less: there, labels and tags have to help.
    """
    normal, *others = (np.linalg.norm(look - o, axis=1) for look, o in zip(looks, one, strict=True))
    return np.minimum(normal, 1.5 * np.min(others, axis=0))


def class_color(class_id: int) -> str:
    """Return the colour of a class, 1 or higher; the same for every model and image."""
    place = (class_id - 1) % MOST_CLASSES
    return class_colors(FEW_CLASSES if place < FEW_CLASSES else MOST_CLASSES)[place]


def ink_on(color: str) -> str:
    """Return black or white, whichever has the stronger contrast on a colour: 4.5 or more."""
    return "#000000" if luminance(color) > 0.179 else WHITE


def text_color(color: str, background: str = WHITE) -> str:
    """Return a colour of the same hue that can be read on a background: contrast 4.5 or more."""
    rgb = rgb_of([color])[0]
    far = 0.0 if luminance(background) > 0.179 else 1.0
    while contrast(hex_of(rgb), background) < 4.5:
        rgb = far + (rgb - far) * 0.98
    return hex_of(rgb)
