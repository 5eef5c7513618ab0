"""Make scenes: what the viewer draws, as plain data. Everything of the detector is computed before.

The functions encode arrays as the bytes that format.py describes.
"""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from mrcnn_explained.plots.palette import LEVEL_COLORS, LEVEL_DASHES
from mrcnn_explained.scenes.format import (
    BoxLayer,
    BoxStyle,
    ImageLayer,
    ImageStyle,
    Label,
    LabelStyle,
    Layers,
    LineLayer,
    LineStyle,
    MovableBox,
    MovableStyle,
    Panel,
    Pixels,
    PointLayer,
    PointStyle,
    TextLine,
    Touch,
    ValueMap,
)

WIDTH = 400  # CSS pixels of a panel that holds an image
FADE = 0.7  # opacity of the image under the boxes, on white

Colors = str | Sequence[str]  # one colour, or one per item
Rows = Sequence[int] | np.ndarray


class PanelParts(Layers, Touch, total=False):
    """Layers of a panel, and what the reader does on it."""


class PanelOptions(PanelParts, total=False):
    """The options of `panel`."""

    width: float
    height: float
    color: str
    drawable: bool
    starts_row: bool
    joined: bool
    below_text: bool


class _Items(TypedDict):
    """The fields that lines, boxes and points share."""

    data: bytes
    color: str | list[str]
    rows: bytes


class _Scores(TypedDict, total=False):
    scores: bytes


def panel(
    title: str,
    extent: Sequence[float],
    *,
    width: float = WIDTH,
    height: float | None = None,
    color: str = "",
    drawable: bool = False,
    starts_row: bool = False,
    joined: bool = False,
    below_text: bool = False,
    **parts: Unpack[PanelParts],
) -> Panel:
    """Return one canvas.

    extent           (x1, y1, x2, y2) that it shows, in the units of its layers
    width, height    in proportion to the other panels, CSS pixels in a view that is wide enough
                     for them; the height follows from the extent unless given. All panels of
                     a row are scaled alike, so that the row fills the view
    color            of a bar beside the title
    drawable         whether the reader can draw a box on it
    starts_row       whether it starts a new row of panels
    joined           whether it stays in one row with the panel before it, however narrow the view
    below_text       whether it lies below the text; such panels come last
    parts            images, lines, boxes, points, labels, drawn in this order; and `key`,
                     `clickable`, `movable`, … of format.Touch
    """
    x1, y1, x2, y2 = (float(v) for v in extent)
    if height is None:
        height = width * abs(y2 - y1) / abs(x2 - x1)
    return {
        "title": title,
        "extent": [x1, y1, x2, y2],
        "size": [round(width), round(height)],
        "color": color,
        "drawable": drawable,
        "starts_row": starts_row,
        "joined": joined,
        "below_text": below_text,
        **parts,
    }


def image_panel(
    title: str,
    image: np.ndarray,
    *,
    fade: float = FADE,
    margin: float = 0,
    **options: Unpack[PanelOptions],
) -> Panel:
    """Return a panel over an image, in its pixels; the view holds the image as "image".

    image      [H, W, 3], of which only the size is read
    fade       its opacity, 0…1
    margin     pixels around the image that are shown, too; boxes cannot be moved there
    options    as for `panel`; further images lie on this one
    """
    height, width = image.shape[:2]
    whole = [0.0, 0.0, float(width), float(height)]
    background: ImageLayer = {"name": "image", "extent": whole, "alpha": fade, "smooth": True}
    options["images"] = [background, *options.get("images", [])]
    if margin:
        options["bounds"] = whole
    return panel(title, (-margin, -margin, width + margin, height + margin), **options)


def heat(values: ArrayLike, extent: Sequence[float], **style: Unpack[ImageStyle]) -> ImageLayer:
    """Return a map [h, w] of values 0…1 in the palette viridis."""
    shown = np.clip(np.nan_to_num(np.asarray(values, np.float32)), 0, 1) * 255
    return {**pixels_of(shown.astype(np.uint8)), "extent": _numbers(extent), **style}


def mask_layer(
    mask: np.ndarray, color: str, *, shift: Sequence[float] = (0, 0), **style: Unpack[ImageStyle]
) -> ImageLayer:
    """Return the pixels of a mask, bool [h, w], in one colour; only the part with pixels is sent.

    shift    (y, x) of the mask's first pixel in the panel
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    y1, y2 = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    x1, x2 = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    y, x = shift
    extent = _numbers([x + x1, y + y1, x + x2, y + y2])
    pixels = pixels_of(mask[y1:y2, x1:x2].astype(np.uint8) * 255)
    return {**pixels, "extent": extent, "tint": color, **style}


def area(box: ArrayLike, color: str, **style: Unpack[ImageStyle]) -> ImageLayer:
    """Return a filled rectangle: a box (y1, x1, y2, x2)."""
    y1, x1, y2, x2 = np.asarray(box, np.float64).tolist()
    pixel = pixels_of(np.full([1, 1], 255, np.uint8))
    return {**pixel, "extent": [x1, y1, x2, y2], "tint": color, **style}


def thresholded_map(name: str, extent: Sequence[float], **style: Unpack[ImageStyle]) -> ImageLayer:
    """Return a layer that is bright where one of the view's maps reaches the view's threshold.

    name     of the map, which `values_of` makes
    tint     a colour in place of bright, and transparent in place of dark
    """
    return {"name": name, "thresholded": True, "extent": _numbers(extent), **style}


def values_of(values: ArrayLike) -> ValueMap:
    """Return a map [h, w] for `thresholded_map`; float64, as the browser computes."""
    numbers = np.ascontiguousarray(values, np.float64)
    return {"data": numbers.tobytes(), "height": numbers.shape[0], "width": numbers.shape[1]}


def pixels_of(image: ArrayLike) -> Pixels:
    """Return the bytes of an image, uint8 [h, w] or [h, w, 3]."""
    pixels = np.ascontiguousarray(image, np.uint8)
    return {
        "data": pixels.tobytes(),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": pixels.shape[2] if pixels.ndim == 3 else 1,
    }


def boxes(
    values: ArrayLike,
    color: Colors,
    rows: Rows = (),
    *,
    scores: ArrayLike | None = None,
    **style: Unpack[BoxStyle],
) -> BoxLayer:
    """Return boxes [n, 4], each (y1, x1, y2, x2).

    rows      [n], of the detector's result: these boxes can be hovered, clicked and reached by
              keys; without rows none can
    scores    float32 [n]: only boxes whose score reaches the view's threshold are drawn
    """
    return {**_items(values, color, rows), **_scores(scores), **style}


def level_boxes(
    values: ArrayLike,
    levels: ArrayLike,
    rows: Rows = (),
    *,
    scores: ArrayLike | None = None,
    **style: Unpack[BoxStyle],
) -> BoxLayer:
    """Return boxes [n, 4] in the colours and dashes of their pyramid levels, with the levels' tags.

    levels    [n], 2 to 6
    """
    of_box = [int(k) for k in np.asarray(levels)]
    dashes, tags = [LEVEL_DASHES[k] for k in of_box], [f"P{k}" for k in of_box]
    shown: BoxStyle = {"dashes": dashes, "tags": tags, **style}
    return boxes(values, [LEVEL_COLORS[k] for k in of_box], rows, scores=scores, **shown)


def points(
    values: ArrayLike, color: Colors, rows: Rows = (), **style: Unpack[PointStyle]
) -> PointLayer:
    """Return dots [n, 2], each (x, y); rows as for `boxes`."""
    return {**_items(values, color, rows), **style}


def lines(
    values: ArrayLike,
    color: str,
    rows: Rows = (),
    *,
    scores: ArrayLike | None = None,
    **style: Unpack[LineStyle],
) -> LineLayer:
    """Return straight lines [n, 4], each (x1, y1, x2, y2); `arrow=True` gives them heads.

    rows      [n], so that the page of a report can filter them
    scores    as for `boxes`
    """
    return {**_items(values, color, rows), **_scores(scores), **style}


def label(text: str, x: float, y: float, **style: Unpack[LabelStyle]) -> Label:
    """Return a text, which is moved into its panel where it would be cut off.

    avoids_labels    move it away from earlier labels
    box_bottom       y of a box's lower edge: the text lies above y, the box's upper edge, or,
                     without room there, below the box, so that it hides no small object
    background       the text on it is black or white, whichever can be read, unless it has a
                     `color`
    """
    return {"text": text, "x": float(x), "y": float(y), **style}


def movable(
    name: str, box: ArrayLike, color: str = "ink", **style: Unpack[MovableStyle]
) -> MovableBox:
    """Return a box (y1, x1, y2, x2) that the reader moves and resizes by its handles.

    name     under which the view's `moved_box` reports it
    color    "ink" is the colour of the page's text
    """
    return {"name": name, "box": _numbers(np.asarray(box).tolist()), "color": color, **style}


def line(text: str, color: str = "", *, live: bool = False, code: bool = False) -> TextLine:
    """Return a line of text below the panels.

    color    of a bar beside it
    live     screen readers announce its changes; if no line is live, they announce all of them
    code     Python, in a font of fixed width
    """
    written: TextLine = {"text": text, "color": color}
    if live:
        written["live"] = True
    if code:
        written["code"] = True
    return written


def _items(values: ArrayLike, color: Colors, rows: Rows) -> _Items:
    """Encode what lines, boxes and points share."""
    return {
        "data": np.ascontiguousarray(values, np.float32).tobytes(),
        "color": color if isinstance(color, str) else [str(c) for c in color],
        "rows": np.asarray(rows, np.int32).tobytes(),
    }


def _scores(scores: ArrayLike | None) -> _Scores:
    """Encode the scores that the view compares with its threshold, if there are any."""
    return {} if scores is None else {"scores": np.asarray(scores, np.float32).tobytes()}


def _numbers(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values]
