"""The page: one self-contained index.html with images, text and its one script, no network.

The script is the viewer of scenes/, which notebooks use too, and page.js. The content security
policy allows no other script.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from mrcnn_explained import __version__
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.rois import COLUMNS, count_all, roi_rows, summary_rows
from mrcnn_explained.report.explorable import as_json, explorable
from mrcnn_explained.report.story import CHAPTERS, answer, facts
from mrcnn_explained.scenes.bundle import viewer_script, without_imports
from mrcnn_explained.stages.catalog import STAGES, fields


class Drawing(NamedTuple):
    """A finished figure."""

    stage: str  # module of the stage
    file: str  # name of its PNG file
    caption: str
    png: bytes


def render(trace: Trace, name: str, drawings: list[Drawing]) -> str:
    """Return the page. Every name is escaped: one that holds HTML stays text."""
    environment = Environment(
        loader=PackageLoader("mrcnn_explained", "report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    known = facts(trace, count_all(trace))
    shapes = {path: _shape(tensor) for path, tensor in trace.tensors()}
    script = page_script()
    return environment.get_template("page.html").render(
        script=script,
        script_hash=as_base64(hashlib.sha256(script.encode()).digest()),
        explorable=as_json(explorable(trace)),
        name=name,
        run=trace.run,
        random=trace.randomness(),
        summary=summary_rows(trace),
        chapters=[
            _chapter(part, answer(part, trace, known), drawings, shapes) for part in CHAPTERS
        ],
        columns=list(COLUMNS),
        rois=[_short(row) for row in roi_rows(trace)],
        version=__version__,
    )


def page_script() -> str:
    """Return the script of a page: the viewer that notebooks use, then what the page adds."""
    own = files("mrcnn_explained.report").joinpath("page.js").read_text("utf-8")
    return f"{viewer_script()}\n{without_imports(own)}"


def as_base64(content: bytes) -> str:
    """Bytes as a data URI holds them."""
    return base64.b64encode(content).decode()


def _chapter(part, told: str, drawings: list[Drawing], shapes: dict[str, str]) -> dict[str, Any]:
    stage = next(stage for stage in STAGES if stage.module == part.stage)
    figures = [
        {"caption": d.caption, "png": as_base64(d.png)} for d in drawings if d.stage == part.stage
    ]
    rows = [
        {
            "name": f"{place}.{field.name}",
            "shape": "; ".join(
                shape
                for path, shape in shapes.items()
                if f"{path}.".startswith(f"{place}.{field.name}.")
            ),
            "meaning": field.meaning,
        }
        for place in stage.trace_fields
        for field in fields(stage.result)
    ]
    return {
        "stage": part.stage,
        "number": stage.number,
        "question": part.question,
        "answer": told,
        "figures": figures,
        "call": stage.callable_name,
        "doc": stage.doc,
        "tensors": rows,
    }


def _shape(tensor: Any) -> str:
    return "×".join(str(side) for side in tensor.shape) or "scalar"


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {key: f"{x:.3f}" if isinstance(x, float) else x for key, x in row.items()}
