"""The page: one self-contained index.html with the Map, images and text, without network.

First comes the Map, then the chapters that its stages link to. Two scripts run: the Map's, and the
viewer of scenes/ with page.js. Notebooks run the same Map and viewer. The page's content security
policy lets no other script run.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from mrcnn_explained import __version__
from mrcnn_explained.detector.finite import findings
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.rois import COLUMNS, count_all, roi_rows, summary_rows
from mrcnn_explained.report.explorable import as_json, explorable
from mrcnn_explained.report.story import CHAPTERS, Chapter, answer, facts
from mrcnn_explained.scenes.bundle import viewer_script, without_imports
from mrcnn_explained.scenes.map_bundle import map_blocks, map_page_script
from mrcnn_explained.scenes.map_data import map_data
from mrcnn_explained.stages.catalog import STAGES, fields


class Drawing(NamedTuple):
    """A finished figure."""

    stage: str  # module of the stage
    file: str  # name of its PNG file
    caption: str
    png: bytes


def render(trace: Trace, name: str, drawings: list[Drawing], model: MaskRCNN | None = None) -> str:
    """Return the page about image 0 of a trace of arrays.

    name     of the image. Every name is escaped: one that holds HTML stays text
    model    that made the trace: the Map's live controls are then exact to the masks
    """
    environment = Environment(
        loader=PackageLoader("mrcnn_explained", "report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    known = facts(trace, count_all(trace))
    shapes = {path: _shape(tensor) for path, tensor in trace.tensors()}
    chapters = [_chapter(part, answer(part, trace, known), drawings, shapes) for part in CHAPTERS]
    script, map_script = page_script(), map_page_script()
    data = map_blocks(map_data(trace, model))
    return environment.get_template("page.html").render(
        script=script,
        script_hash=_sha256(script),
        map_script=map_script,
        map_script_hash=_sha256(map_script),
        map_header=data["header"],
        map_block=data["block"],
        explorable=as_json(explorable(trace)),
        name=name,
        run=trace.run,
        notes=[note for note in (trace.randomness(), *findings(trace)) if note],
        summary=summary_rows(trace),
        chapters=chapters,
        columns=list(COLUMNS),
        rois=[_cells(row) for row in roi_rows(trace)],
        version=__version__,
    )


def page_script() -> str:
    """Return the script of a page: the viewer that notebooks use, then what the page adds."""
    own = files("mrcnn_explained.report").joinpath("page.js").read_text("utf-8")
    return f"{viewer_script()}\n{without_imports(own)}"


def _sha256(text: str) -> str:
    """Return the hash by which a content security policy knows a script."""
    return as_base64(hashlib.sha256(text.encode()).digest())


def as_base64(content: bytes) -> str:
    """Return bytes as a data URI holds them."""
    return base64.b64encode(content).decode()


def _chapter(
    part: Chapter, text: str, drawings: list[Drawing], shapes: dict[str, str]
) -> dict[str, Any]:
    """What the template shows of one stage.

    text      the answer to the chapter's question
    shapes    of every tensor of the trace, by its path
    """
    stage = next(stage for stage in STAGES if stage.module == part.stage)
    figures = [
        {"caption": drawing.caption, "png": as_base64(drawing.png)}
        for drawing in drawings
        if drawing.stage == part.stage
    ]
    tensors = [
        {
            "name": f"{place}.{field.name}",
            "shape": _shapes_of(f"{place}.{field.name}", shapes),
            "meaning": field.meaning,
        }
        for place in stage.trace_fields
        for field in fields(stage.result)
    ]
    return {
        "stage": part.stage,
        "number": stage.number,
        "question": part.question,
        "answer": text,
        "figures": figures,
        "call": stage.callable_name,
        "doc": stage.doc,
        "tensors": tensors,
    }


def _shapes_of(field: str, shapes: dict[str, str]) -> str:
    """The shapes of a field: one, or one per part of a tuple or of a nested result."""
    found = [shape for path, shape in shapes.items() if f"{path}.".startswith(f"{field}.")]
    return "; ".join(found)


def _shape(tensor: Any) -> str:
    return "×".join(str(side) for side in tensor.shape) or "scalar"


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of ROIs with short numbers; None is an empty cell."""
    short = {key: f"{x:.3f}" if isinstance(x, float) else x for key, x in row.items()}
    return {key: "" if x is None else x for key, x in short.items()}
