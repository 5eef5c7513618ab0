"""The one palette: colours of levels, classes and results, and the dashes of lines.

Plots, explorers and the report's page all take their colours from here, so a level has the
same colour everywhere. Colours are hexadecimal strings, `#RRGGBB`.
"""

INK, QUIET, FAINT = "#1B1F24", "#6B7580", "#D5DADF"  # text; axes and minor lines; backgrounds
WHITE = "#FFFFFF"
NEUTRAL = "#9AA3AC"  # what was not chosen
SHADE = "#F1F3F5"  # every second row of a list
GOOD, BAD = "#0072B2", "#D55E00"  # kept, lost: distinct for every kind of colour vision
#: Okabe and Ito's colours, which colour-blind people can distinguish, and a purple.
LEVEL_COLORS = {2: "#0072B2", 3: "#009E73", 4: "#E69F00", 5: "#D55E00", 6: "#7B3FA0"}
CLASS_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#7B3FA0", "#56B4E9")
MAP = "viridis"  # matplotlib's colour map for maps with one value per cell

#: Line styles of matplotlib. Solid: a box that is kept, or a box after a change.
DOTTED = (0, (1.5, 1.5))  # a box before a change, or a box that was dropped
DASHED = "--"  # an object that was missed

#: The same for the viewer: lengths of dashes and gaps in screen pixels; solid without any.
BEFORE_DASH = [2, 2]  # a box before a change
LOST_DASH = [3, 3]  # a box that was suppressed or filtered out
TRUTH_DASH = [6, 3]  # a ground-truth object


def class_color(class_id: int) -> str:
    """Return the colour of a class; the colours repeat after seven classes."""
    return CLASS_COLORS[(class_id - 1) % len(CLASS_COLORS)]


def luminance(color: str) -> float:
    """Return how bright a colour is to the eye, 0…1: the relative luminance of WCAG 2."""
    red, green, blue = (_linear(value) for value in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(color: str) -> str:
    """Return black or white, whichever has the stronger contrast on a colour: 4.5 or more."""
    return "#000000" if luminance(color) > 0.179 else WHITE


def text_color(color: str) -> str:
    """Return a colour of the same hue, dark enough for text on white: contrast 4.5 or more."""
    rgb = _rgb(color)
    while luminance(_hex(rgb)) > 1.05 / 4.5 - 0.05:
        rgb = tuple(value * 0.98 for value in rgb)
    return _hex(rgb)


def _linear(value: float) -> float:
    """Return one sRGB channel, 0…1, as linear light, 0…1 (WCAG 2)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _rgb(color: str) -> tuple[float, ...]:
    """Read `#RRGGBB` as red, green and blue, 0…1 each."""
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))


def _hex(rgb: tuple[float, ...]) -> str:
    """Write red, green and blue, 0…1 each, as `#RRGGBB`."""
    return "#" + "".join(f"{round(value * 255):02X}" for value in rgb)
