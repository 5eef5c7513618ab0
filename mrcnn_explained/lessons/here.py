"""You are here: the stages as a small map at the head of a notebook, the present one in thick ink.

An SVG that takes its ink from the page, so that it is readable in light and dark. The links are
HTML anchors within it, because JupyterLab follows those and no others.
"""

from html import escape
from typing import NamedTuple

import numpy as np
from IPython.display import HTML, display

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.lessons.contents import NOTEBOOKS, Notebook, notebook_about, notebook_of
from mrcnn_explained.stages.catalog import STAGES, Stage

#: The tensor that stands for a stage, by the stage's module.
MAIN_TENSOR = {
    "image": "molded",
    "backbone": "c5",
    "pyramid": "p2",
    "anchors": "boxes",
    "rpn": "rpn_class",
    "proposals": "rpn_rois",
    "levels": "roi_level",
    "crops": "pooled",
    "reorder": "pooled",
    "box_head": "mrcnn_class",
    "detections": "detections",
    "mask_head": "mrcnn_mask",
    "instances": "masks",
}
COLUMNS = 7  # stages in a row
WIDTH, HEIGHT, GAP = 124, 62, 12  # of a stage's box, and between two of them, SVG units
CHIP, CHIP_HEIGHT = 22, 26  # a chip's room beside its text, and its height
LEAST = 870  # CSS pixels of the drawing, so that no text is below 11; narrower pages scroll it
LETTER = 7.2  # width of a letter at 13 px, about
#: The present place is drawn like every selection: in ink, thick.
HERE = 'fill-opacity=".17" stroke-width="3"'
ELSEWHERE = 'fill-opacity=".04" stroke-opacity=".45"'
FACTS = "font-size:12px;line-height:15px"


class Place(NamedTuple):
    """A rectangle of the drawing, SVG units."""

    x: float
    y: float
    width: float
    height: float


def you_are_here(number: str, trace: Trace) -> None:
    """Show where a notebook is among the stages, with the shapes of this run.

    number    of the notebook, "07"
    trace     of any image; a batch shows its first image

    Every box links to the notebook about its stage. Raises InputError for an unknown notebook.
    """
    display(HTML(drawing(number, trace)))


def drawing(number: str, trace: Trace) -> str:
    """Return what `you_are_here` shows, as HTML."""
    here = notebook_of(number)
    parts = [_arrow(i) for i in range(len(STAGES) - 1)]
    parts += [_stage_box(stage, i, here, trace) for i, stage in enumerate(STAGES)]
    bottom = 2 * (HEIGHT + GAP) + 16
    others = [notebook for notebook in NOTEBOOKS if not notebook.stages]
    x = 2.0
    for notebook in others:
        width = len(f"{notebook.number} {notebook.name}") * LETTER + CHIP - 6
        parts.append(_chip(notebook, Place(x, bottom, width, CHIP_HEIGHT), notebook == here))
        x += width + 6
    right = max(COLUMNS * (WIDTH + GAP) - GAP + 4, x)
    height = bottom + CHIP_HEIGHT + 3
    label = f"You are here: notebook {here.number}, {here.name}"
    return (
        f'<nav aria-label="{escape(label)}" style="overflow-x:auto">'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {height:.0f}" '
        f'style="width:100%;min-width:{LEAST}px;max-width:{right:.0f}px;display:block" '
        'font-family="system-ui, sans-serif">'
        f"{''.join(parts)}</svg></nav>"
    )


def shape_of(stage: Stage, trace: Trace) -> str:
    """Return the shape of a stage's main tensor, of one image: "[128, 128, 64]"."""
    value = getattr(getattr(trace, stage.trace_fields[0]), MAIN_TENSOR[stage.module])
    if stage.module == "crops":  # one tensor per level; they are the rows of one stack
        rows = sum(len(level) for level in value)
        return _brackets((rows, *value[0].shape[1:]))
    if isinstance(value, list | tuple):  # one array per image
        return _brackets(value[0].shape)
    per_image = stage.module not in ("anchors", "mask_head")  # these have no axis of images
    return _brackets(np.shape(value)[1:] if per_image else np.shape(value))


def _brackets(shape: tuple[int, ...]) -> str:
    """Return a shape as a list of numbers."""
    return str([int(size) for size in shape])


def _stage_place(index: int) -> Place:
    """Return where the box of a stage lies."""
    row, column = divmod(index, COLUMNS)
    return Place(2 + column * (WIDTH + GAP), 2 + row * (HEIGHT + GAP + 8), WIDTH, HEIGHT)


def _stage_box(stage: Stage, index: int, here: Notebook, trace: Trace) -> str:
    """Draw a stage: its number and name, its main tensor and that one's shape."""
    target = notebook_about(stage.module)
    name = "RPN" if stage.module == "rpn" else stage.module.replace("_", " ")
    tensor, shape = MAIN_TENSOR[stage.module], shape_of(stage, trace)
    text = (
        f'<b style="font-size:14px">{stage.number} {escape(name)}</b>'
        f'<span style="{FACTS};opacity:.85">{tensor}</span>'
        f'<span style="{FACTS}">{escape(shape)}</span>'
    )
    return _link(text, target, _stage_place(index), stage.module in here.stages, radius=6)


def _chip(notebook: Notebook, place: Place, is_here: bool) -> str:
    """Draw a notebook that is about no single stage."""
    text = f'<span style="font-size:13px">{notebook.number} {escape(notebook.name)}</span>'
    return _link(text, notebook, place, is_here, radius=13)


def _link(text: str, target: Notebook, place: Place, is_here: bool, radius: int) -> str:
    """Draw a rounded box that leads to a notebook; in thick ink if the reader is there."""
    x, y, width, height = place
    ink = HERE if is_here else ELSEWHERE
    current = ' aria-current="page"' if is_here else ""
    style = (
        "display:flex;flex-direction:column;justify-content:center;align-items:center;"
        "height:100%;box-sizing:border-box;color:inherit;text-decoration:none;"
        "white-space:nowrap;line-height:18px"
    )
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" '
        f'fill="currentColor" stroke="currentColor" {ink}/>'
        f'<foreignObject x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f'<a xmlns="http://www.w3.org/1999/xhtml" href="{escape(target.file)}"{current} '
        f'style="{style}">{text}</a></foreignObject>'
    )


def _arrow(index: int) -> str:
    """Draw the way from a stage to the next one; the last of a row leads to the next row."""
    a, b = _stage_place(index), _stage_place(index + 1)
    if a.y == b.y:
        middle = a.y + a.height / 2
        path = f"M{a.x + a.width} {middle}H{b.x}"
        head = f"M{b.x - 5} {middle - 3.5}L{b.x} {middle}L{b.x - 5} {middle + 3.5}"
    else:
        start, end, between = a.x + a.width / 2, b.x + b.width / 2, (a.y + a.height + b.y) / 2
        path = f"M{start} {a.y + a.height}V{between}H{end}V{b.y}"
        head = f"M{end - 3.5} {b.y - 5}L{end} {b.y}L{end + 3.5} {b.y - 5}"
    return (
        f'<path d="{path}{head}" fill="none" stroke="currentColor" stroke-opacity=".7" '
        'stroke-width="1.3"/>'
    )
