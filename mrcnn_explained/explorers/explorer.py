"""What all explorers share: controls, a view, and one selection for several of them."""

import itertools
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import tensorflow as tf
import traitlets
from jaxtyping import UInt8
from traitlets import Bunch

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.inputs import check_image_number
from mrcnn_explained.plots.palette import BAD
from mrcnn_explained.scenes.scene import line, pixels_of

Controls = dict[str, ipywidgets.Widget]
STAMPS = itertools.count(1)


def _allow_widgets_in_colab() -> None:
    """Colab shows widgets of other packages only where a notebook asks for it."""
    if "google.colab" in sys.modules:
        import_module("google.colab.output").enable_custom_widget_manager()


_allow_widgets_in_colab()


class View(anywidget.AnyWidget):
    """The canvas. `scene` is drawn; `selected` and `drawn` come back from the reader.

    images     by name, sent once
    maps         by name, sent when they change: values that the browser cuts at the threshold
    threshold    what has a lower value is not drawn; a slider moves it within the browser
    opacity      0…1, of the layers that say `fades`; likewise
    """

    _esm = Path(__file__).parent.parent / "scenes" / "explorer.js"
    images = traitlets.Dict().tag(sync=True)
    maps = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    threshold = traitlets.Float(0.0).tag(sync=True)
    opacity = traitlets.Float(1.0).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    drawn = traitlets.List(traitlets.Float()).tag(sync=True)


class Selection(traitlets.HasTraits):
    """One chosen ROI for several explorers: `selection=` of each; -1 is none."""

    roi = traitlets.Int(-1)


class Explorer(ipywidgets.VBox):
    """Controls above a view. What a reader changes runs the stage function again.

    image      uint8 [H, W, 3], behind the boxes
    controls     as TraceExplorer.controls
    selection    shared with other explorers of ROIs

    `result` is what the stage function returned last; what is drawn comes from it.
    """

    follows = ""  # the control that takes the number of the row that is selected
    cuts = ""  # the control that is the view's threshold, so that the image need not wait
    fades = ""  # the control that is the view's opacity; nothing has to be computed for it

    def __init__(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        controls: Controls,
        selection: Selection | None = None,
    ):
        self.pixels, self.settings = image, controls
        self.result: Any = None
        self.view = View(images={"image": pixels_of(self.backdrop())})
        self.selection = selection or Selection()
        self.view.selected = self.row_of(self.selection.roi)
        self.links = [
            self._within_the_browser(controls[name], trait)
            for name, trait in ((self.cuts, "threshold"), (self.fades, "opacity"))
            if name
        ]
        for name, control in controls.items():
            if name != self.fades:
                control.observe(lambda _: self.refresh(), "value")
        self.view.observe(lambda change: self.box_drawn(change.new), "drawn")
        self.view.observe(self._select, "selected")
        self.selection.observe(self._follow, "roi")
        row = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
        super().__init__([row, self.view])
        self.refresh()

    def backdrop(self) -> UInt8[np.ndarray, "_ _ 3"]:
        """The image behind the boxes, which is sent once."""
        return self.pixels

    def _within_the_browser(self, control, trait):
        """Moving a slider sets the view's trait there: no way to the kernel and back."""
        setattr(self.view, trait, control.value)
        return ipywidgets.jslink((control, "value"), (self.view, trait))

    def _follow(self, change):
        if self.roi_of(self.view.selected) != change.new:
            self.view.selected = self.row_of(change.new)

    def _select(self, change):
        self.selection.roi = self.roi_of(change.new)
        control, value = self.settings.get(self.follows), self.setting_of(change.new)
        if control and control.value != value and 0 <= value <= control.max:
            control.value = value  # draws anew
        else:
            self.refresh()

    def row_of(self, roi: int) -> int:
        """The row, a box or a dot of this explorer, that shows a ROI; -1: none."""
        return roi

    def roi_of(self, row: int) -> int:
        """The ROI that a row shows; -1: none."""
        return row

    def setting_of(self, row: int) -> int:
        """The value of the control that `follows` a selected row; -1: none."""
        return row

    def box_drawn(self, box: list[float]) -> None:
        """Take a box (y1, x1, y2, x2) that the reader draws, in the units of its panel."""
        self.refresh()

    def refresh(self) -> None:
        """Compute and draw anew; what cannot be computed is said in its place."""
        values = {name: x.value for name, x in self.settings.items() if name != self.fades}
        try:
            scene = self.draw(**values)
        except InputError as error:
            scene = {"panels": [], "text": [line(str(error), BAD)]}
        self.view.scene = {**scene, "stamp": next(STAMPS)}

    def draw(self, **settings: Any) -> dict[str, Any]:
        """Run the stage with these settings, keep its result, and return the scene."""
        raise NotImplementedError(f"{type(self).__name__} must say what it draws")

    @property
    def text(self) -> list[str]:
        """The lines below the panels, as they are shown."""
        return [entry["text"] for entry in self.view.scene.get("text", [])]


class TraceExplorer(Explorer):
    """An explorer of one image of a run.

    trace        of a model, or loaded from a file: no explorer needs the model itself
    image        which image of the trace
    selection    shared with other explorers of ROIs

    Raises InputError for an image that the trace does not hold.
    """

    def __init__(self, trace: Trace, *, image: int = 0, selection: Selection | None = None):
        pixels = image_of(trace, image)
        self.trace, self.image, self.config = trace, image, trace.config
        super().__init__(pixels, self.controls(), selection)
        if self.follows and self.selection.roi >= 0:
            self._select(Bunch(new=self.selection.roi))

    def controls(self) -> Controls:
        """The controls for this image, by the names of `draw`'s arguments."""
        raise NotImplementedError(f"{type(self).__name__} must say what can be changed")


def image_of(trace: Trace, image: int) -> UInt8[np.ndarray, "H W 3"]:
    """The molded image before the mean was taken off; InputError where there is none."""
    check_image_number(image, len(trace.image.resized))
    return np.asarray(trace.image.resized[image])


def in_graph_mode(stage: Callable[..., Any]) -> Callable[..., Any]:
    """A stage that runs as a graph from the second call with the same settings on.

    A slider moves ten times a second, and a graph of many small operations is several times
    faster than they are one by one. Making it takes longer than one run, so a setting that is
    tried once runs as it is. A setting that is a tensor may change without a new graph.
    """
    graph, seen = tf.function(stage), set()

    def run(*tensors: Any, **settings: Any) -> Any:
        fixed = tuple(sorted(item for item in settings.items() if not tf.is_tensor(item[1])))
        if fixed in seen:
            return graph(*tensors, **settings)
        seen.add(fixed)
        return stage(*tensors, **settings)

    return run


def slider(
    text: str, value: float, low: float, high: float, step: float = 0.01
) -> ipywidgets.Widget:
    """A slider that tells its value while it is moved."""
    kind = ipywidgets.IntSlider if isinstance(value, int) else ipywidgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=text, **_look(text))


def typed(text: str, placeholder: str) -> ipywidgets.Text:
    """A line to type into; it counts when Enter is pressed or the line is left."""
    return ipywidgets.Text(
        placeholder=placeholder,
        description=text,
        continuous_update=False,
        **_look(text + placeholder),
    )


def choice(text: str, options: Any, value: Any) -> ipywidgets.Dropdown:
    """A list to choose from."""
    return ipywidgets.Dropdown(options=options, value=value, description=text, **_look(text))


def _look(text):
    """Room for the words, and for the control behind them."""
    return {
        "style": {"description_width": "initial"},
        "layout": {"width": "auto", "min_width": f"{190 + 7 * len(text)}px"},
    }
