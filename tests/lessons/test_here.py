"""You are here: the stages of the catalogue with the shapes of the run, links, the present one."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mrcnn_explained import InputError, MaskRCNN, demo_image, load_image, you_are_here
from mrcnn_explained.lessons.contents import NOTEBOOKS, notebook_about
from mrcnn_explained.lessons.here import MAIN_TENSOR, drawing, shape_of
from mrcnn_explained.stages.catalog import STAGES

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"


@pytest.fixture(scope="module")
def trace():
    return MaskRCNN.from_preset("shapes").trace(load_image(demo_image()))


def links(number, trace):
    """The anchors of a drawing: target, text, whether it is the present place."""
    root = ElementTree.fromstring(drawing(number, trace))  # which it can only be if well formed
    anchors = [node for node in root.iter() if node.tag.endswith("}a")]
    return [
        (a.get("href"), " ".join(a.itertext()), a.get("aria-current") == "page") for a in anchors
    ]


def test_every_stage_with_its_shape_links_to_its_notebook(trace):
    found = links("07", trace)
    assert len(found) == len(STAGES) + sum(not notebook.stages for notebook in NOTEBOOKS)
    for stage, (target, text, _) in zip(STAGES, found, strict=False):
        assert text.startswith(f"{stage.number} ") and (FOLDER / target).is_file()
        assert target == notebook_about(stage.module).file
        assert text.endswith(shape_of(stage, trace)) and MAIN_TENSOR[stage.module] in text
    assert {target for target, _, _ in found} == {notebook.file for notebook in NOTEBOOKS}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.number)
def test_only_the_present_place_is_marked(notebook, trace):
    marked = [target for target, _, here in links(notebook.number, trace) if here]
    assert marked == [notebook.file] * max(1, len(notebook.stages))
    assert f"notebook {notebook.number}, {notebook.name}" in drawing(notebook.number, trace)


def test_shapes_are_those_of_one_image(trace):
    by_module = {stage.module: shape_of(stage, trace) for stage in STAGES}
    assert by_module["pyramid"] == str(list(trace.pyramid.p2.shape[1:]))
    assert by_module["anchors"] == str(list(trace.anchors.boxes.shape))
    assert by_module["crops"] == by_module["reorder"] == "[100, 7, 7, 64]"
    assert by_module["mask_head"] == "[8, 28, 28, 10]"
    assert by_module["instances"] == str(list(np.shape(trace.instances.masks[0])))


def test_colours_and_widths_come_from_the_page(trace):
    text = drawing("07", trace)
    assert not re.search(r"#[0-9A-Fa-f]{3,6}\b|rgb\(", text)  # ink of the page: light and dark
    assert "http" not in text.replace("http://www.w3.org/", "")


def test_it_is_shown(trace, monkeypatch):
    shown = []
    monkeypatch.setattr("mrcnn_explained.lessons.here.display", shown.append)
    you_are_here("07", trace)
    assert shown[0].data == drawing("07", trace)
    with pytest.raises(InputError, match="there is no notebook '77'; known are 00, 01"):
        you_are_here("77", trace)
