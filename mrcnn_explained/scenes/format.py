"""The format of a scene: what scene.py makes in Python and viewer/ draws in JavaScript.

The viewer's JSDoc types have the same names and fields, with a sentence for each; a test
compares them. Numbers travel as little-endian bytes. A box is (y1, x1, y2, x2), a point (x, y),
a line (x1, y1, x2, y2) and an extent (x1, y1, x2, y2), all in the units of their panel.
"""

from typing import Literal, NotRequired, TypedDict

Side = Literal["left", "right"]  # of a divider


class Pixels(TypedDict):
    """An image, uint8 [height, width, channels]; one channel is drawn in the palette viridis."""

    data: bytes
    height: int
    width: int
    channels: int


class ValueMap(TypedDict):
    """A map of values, float64 [height, width], which the browser compares with a threshold."""

    data: bytes
    height: int
    width: int


class ImageStyle(TypedDict, total=False):
    """How an image is drawn."""

    alpha: float
    uses_opacity: bool  # the view's opacity takes the place of alpha
    smooth: bool
    tint: str  # of the pixels that reach the threshold; the others are transparent
    side: Side  # of the panel's divider on which it is drawn; default: both


class ImageLayer(ImageStyle):
    """An image over `extent`, with its own pixels or by the name of an image of the view."""

    extent: list[float]
    name: NotRequired[str]
    thresholded: NotRequired[bool]  # `name` is a map: draw 1 where it reaches the threshold
    data: NotRequired[bytes]
    height: NotRequired[int]
    width: NotRequired[int]
    channels: NotRequired[int]


class LineStyle(TypedDict, total=False):
    """How lines are drawn; lengths in CSS pixels."""

    width: float
    dash: list[int]
    alpha: float
    arrow: bool


class LineLayer(LineStyle):
    """Straight lines, float32 [n, 4]."""

    data: bytes
    color: str | list[str]
    rows: bytes  # int32 [n]: the row of the detector's result that each line shows; or empty
    scores: NotRequired[bytes]  # float32 [n]: lines below the view's threshold are not drawn


class BoxStyle(TypedDict, total=False):
    """How boxes are drawn; lengths in CSS pixels."""

    width: float
    dash: list[int]
    dashes: list[list[int]]  # one dash per box, in place of `dash`
    tags: list[str]  # one short text per box, drawn at its corner where there is room
    side: Side  # of the panel's divider on which it is drawn; default: both


class BoxLayer(BoxStyle):
    """Frames, float32 [n, 4]; those with rows can be hovered and selected."""

    data: bytes
    color: str | list[str]
    rows: bytes
    scores: NotRequired[bytes]


class PointStyle(TypedDict, total=False):
    """How dots are drawn; the radius in CSS pixels."""

    radius: float
    halo: bool


class PointLayer(PointStyle):
    """Dots, float32 [n, 2]; those with rows can be hovered and selected."""

    data: bytes
    color: str | list[str]
    rows: bytes


class LabelStyle(TypedDict, total=False):
    """How a text is drawn, and where it may be moved; sizes in CSS pixels."""

    align: str  # "left", "center" or "right": which end of the text lies at x
    bold: bool
    size: int
    background: str
    color: str  # default: readable on the background, or the page's ink
    avoids_labels: bool  # moved away from earlier labels that have this, too
    box_bottom: float  # lower edge of the box that must stay visible; y is its upper edge
    row: int  # that the label names; the page of a report filters by it
    side: Side  # of the panel's divider on which it is drawn; default: both


class Label(LabelStyle):
    """A text at (x, y)."""

    text: str
    x: float
    y: float


class Layers(TypedDict, total=False):
    """The layers of a panel, in the order in which they are drawn."""

    images: list[ImageLayer]
    lines: list[LineLayer]
    boxes: list[BoxLayer]
    points: list[PointLayer]
    labels: list[Label]


class MovableStyle(TypedDict, total=False):
    """How a movable box is drawn; lengths in CSS pixels."""

    width: float
    dash: list[int]
    fixed_size: bool  # it is moved, not resized, and has no handles


class MovableBox(MovableStyle):
    """A box that the reader moves and resizes."""

    name: str
    box: list[float]  # (y1, x1, y2, x2) in the panel's units
    color: str


class Touch(TypedDict, total=False):
    """What the reader does on a panel besides selecting rows; in the panel's units."""

    key: str  # under which places and boxes of this panel are reported
    clickable: bool  # clicks and arrow keys report a place, they select no row
    cursor: list[float]  # (x, y) from which arrow keys go on
    step: list[float]  # (dx, dy) of an arrow key; default (1, 1)
    bounds: list[float]  # (x1, y1, x2, y2) that boxes cannot leave; default: the extent
    movable: list[MovableBox]
    divider: list[str]  # two words, for the left and the right side of a divider


class Panel(Layers, Touch):
    """One canvas."""

    title: str
    extent: list[float]
    size: list[int]  # [width, height], CSS pixels
    color: str  # of the bar beside the title; "": no bar
    drawable: bool
    starts_row: bool
    joined: bool  # it stays in one row with the panel before it
    below_text: bool


class TextLine(TypedDict):
    """A line of text below the panels."""

    text: str
    color: str  # of the bar beside it; "": no bar
    live: NotRequired[bool]
    code: NotRequired[bool]  # in a font of fixed width


class StoryStep(TypedDict):
    """One step of a story that a scene tells: Play shows the steps one after the other."""

    panel: int  # number of the panel that it is about
    text: str  # one sentence


class Scene(TypedDict):
    """What a view shows."""

    panels: list[Panel]
    text: list[TextLine]
    tips: NotRequired[dict[int, str]]  # row → what hovering shows
    steps: NotRequired[list[StoryStep]]
    stamp: NotRequired[int]
