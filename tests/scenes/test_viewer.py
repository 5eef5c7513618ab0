"""The viewer: one script for notebooks and pages; its JSDoc types are the format of scenes."""

import re
import shutil
import subprocess
import typing
from importlib.resources import files

import numpy as np
import pytest

from mrcnn_explained.explorers.explorer import View
from mrcnn_explained.report.page import page_script
from mrcnn_explained.scenes import format as scene_format
from mrcnn_explained.scenes.bundle import MODULES, viewer_script, widget_module, without_imports

FOLDER = files("mrcnn_explained.scenes") / "viewer"
NODE = shutil.which("node")
TYPES = (
    "Pixels",
    "ValueMap",
    "ImageLayer",
    "LineLayer",
    "BoxLayer",
    "PointLayer",
    "Label",
    "MovableBox",
    "Panel",
    "TextLine",
    "StoryStep",
    "Scene",
)


def js_fields(name):
    """The fields of a JSDoc type: name → whether it may be missing."""
    source = "".join((FOLDER / module).read_text("utf-8") for module in MODULES)
    comments = re.findall(r"/\*\*(.*?)\*/", source, re.DOTALL)
    (comment,) = (
        c for c in comments if re.search(rf"@typedef {{object}} {name}$", c, re.MULTILINE)
    )
    fields = re.findall(r"@property \{.*?\}+ (\[?)(\w+)\]?", comment)
    return {field: bool(optional) for optional, field in fields}


@pytest.mark.parametrize("name", TYPES)
def test_javascript_and_python_have_the_same_fields(name):
    kind = getattr(scene_format, name)
    assert js_fields(name) == {
        field: field in kind.__optional_keys__ for field in typing.get_type_hints(kind)
    }


def test_every_type_of_a_layer_is_compared():
    styles = {name for name in vars(scene_format) if name.endswith("Style")}
    kinds = {name for name, value in vars(scene_format).items() if typing.is_typeddict(value)}
    assert kinds == {*TYPES, *styles, "Layers", "Touch"}  # whose fields the others inherit


def test_the_traits_of_a_view_are_those_that_the_viewer_reads():
    ours = {name for name in View.class_traits(sync=True) if not name.startswith("_")}
    assert set(js_fields("ViewState")) == ours - {"layout", "tabbable", "tooltip", "comm", "keys"}


def test_the_widget_and_the_page_share_one_script():
    assert View._esm == widget_module()
    assert widget_module().startswith(viewer_script())
    assert page_script().startswith(viewer_script())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_those_before_it(name):
    source = (FOLDER / name).read_text("utf-8")
    before = MODULES[: MODULES.index(name)]
    found = re.findall(r'from "\./(.*?)"', source)
    assert (found or "\nimport " not in source) and set(found) <= {*before, "palette.js"}
    assert not re.search(r"^\s*(import|export)\b", without_imports(source), re.MULTILINE)


@pytest.mark.parametrize("script", [viewer_script, page_script])
def test_a_script_has_no_import_and_no_export(script):
    assert not re.search(r"^\s*(import|export)\b|\bimport\(", script(), re.MULTILINE)


@pytest.mark.skipif(NODE is None, reason="no node; a browser parses the scripts, too")
@pytest.mark.parametrize("script", [widget_module, page_script])
def test_a_script_parses(tmp_path, script):
    path = tmp_path / "script.mjs"
    path.write_text(script(), "utf-8")
    done = subprocess.run([NODE, "--check", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_viewer_has_matplotlibs_viridis():
    import matplotlib

    text = re.search(r"const VIRIDIS = \[(.*?)\];", viewer_script(), re.DOTALL)[1]
    colors = np.array(re.findall(r"\d+", text), int).reshape(-1, 3)
    expected = matplotlib.colormaps["viridis"](np.linspace(0, 1, len(colors)))[:, :3] * 255
    np.testing.assert_allclose(colors, expected, atol=1)
