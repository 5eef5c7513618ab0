"""What all explorers share: controls, a view, and one selection for several of them."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
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
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.scenes.bundle import widget_module
from mrcnn_explained.scenes.format import Scene, TextLine
from mrcnn_explained.scenes.scene import line, pixels_of

Controls = dict[str, ipywidgets.Widget]
#: Labels and controls are aligned in the column of controls.
LAYOUT = {"style": {"description_width": "44%"}, "layout": {"width": "auto"}}
BEST = 12  # boxes that are shown until the reader asks for more
STAMPS = itertools.count(1)


def _allow_widgets_in_colab() -> None:
    """Switch on the widgets of other packages, which Colab hides by default."""
    if "google.colab" in sys.modules:
        import_module("google.colab.output").enable_custom_widget_manager()


_allow_widgets_in_colab()


class View(anywidget.AnyWidget):
    """The canvas of an explorer. Python sets the scene; the reader's actions come back.

    images       by name, sent once
    maps         by name, sent when they change: values that the browser compares with the
                 threshold
    scene        what is drawn, see scenes/format.py
    threshold    lower scores and values are not drawn; a slider moves it within the browser
    opacity      0…1, of the layers with `uses_opacity`; a slider moves it within the browser
    divider      share of the width at which the divider of a panel is; the reader moves it
    busy         Python computes the next scene; the view says so after 150 ms
    selected     the row that the reader has selected; -1: none
    drawn_box    the box that the reader draws, (y1, x1, y2, x2) in the units of its panel
    clicked      the place in a clickable panel: `panel` (its key), `x`, `y`, `event` (a count)
    moved_box    the movable box at its new place: `panel`, `name`, `box`, `event`
    """

    _esm = widget_module()
    images = traitlets.Dict().tag(sync=True)
    maps = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    threshold = traitlets.Float(0.0).tag(sync=True)
    opacity = traitlets.Float(1.0).tag(sync=True)
    divider = traitlets.Float(0.5).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    drawn_box = traitlets.List(traitlets.Float()).tag(sync=True)
    clicked = traitlets.Dict().tag(sync=True)
    moved_box = traitlets.Dict().tag(sync=True)


class Selection(traitlets.HasTraits):
    """The selected ROI of several explorers: pass it to each as `selection=`; -1: none."""

    roi = traitlets.Int(-1)


class Explorer(ipywidgets.VBox):
    """Controls, a view and its readout. Whatever a reader changes runs the stage function again.

    image        uint8 [H, W, 3], drawn under the boxes
    controls     by the names of `draw`'s arguments
    selection    shared with other explorers of ROIs

    `result` is what the stage function returned last; the view shows it.
    """

    selection_control = ""  # the control that holds the number of the selected row
    threshold_control = ""  # the control that is the view's threshold: it acts in the browser
    opacity_control = ""  # the control that is the view's opacity; Python computes nothing for it
    shares_selection = True  # whether a row stands for an ROI, so that both are selected together

    def __init__(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        controls: Controls,
        selection: Selection | None = None,
    ):
        self.pixels, self.settings = image, controls
        self.result: Any = None
        self.held = False  # whether changes of controls wait until all of them are set
        self.view = View(images={"image": pixels_of(self.background())})
        self.selection = selection or Selection()
        self.view.selected = self.row_of(self.selection.roi)
        traits = {self.threshold_control: "threshold", self.opacity_control: "opacity"}
        self.links = [
            self._link_in_browser(controls[name], trait) for name, trait in traits.items() if name
        ]
        for name, control in controls.items():
            if name != self.opacity_control:
                control.observe(lambda _: self.refresh(), "value")
        self.view.observe(lambda change: self.box_drawn(change.new), "drawn_box")
        self.view.observe(self._place_clicked, "clicked")
        self.view.observe(self._box_moved, "moved_box")
        self.view.observe(self._row_selected, "selected")
        self.selection.observe(self._roi_selected, "roi")
        column = ipywidgets.VBox([*controls.values(), *self.buttons()])
        grid = ipywidgets.Box([column, self.view])
        super().__init__([grid])
        for widget, name in ((column, "controls"), (grid, "explorer"), (self, "room")):
            widget.add_class(f"mx-{name}")  # the classes of scenes/viewer/style.js
        self.refresh()

    def background(self) -> UInt8[np.ndarray, "_ _ 3"]:
        """Return the image under the boxes, which is sent once."""
        return self.pixels

    def buttons(self) -> list[ipywidgets.Widget]:
        """Return what stands beside the controls and sets no argument of `draw` by itself."""
        return []

    def _link_in_browser(self, control: ipywidgets.Widget, trait: str) -> ipywidgets.Widget:
        """Let a slider set a trait of the view within the browser, without a way to the kernel."""
        setattr(self.view, trait, control.value)
        return ipywidgets.jslink((control, "value"), (self.view, trait))

    def _roi_selected(self, change: Bunch) -> None:
        """Select the row of the ROI that another explorer has selected."""
        if self.shares_selection and self.roi_of(self.view.selected) != change.new:
            self.view.selected = self.row_of(change.new)

    def _row_selected(self, change: Bunch) -> None:
        """Share the selected row with the other explorers and draw it."""
        if self.shares_selection:
            self.selection.roi = self.roi_of(change.new)
        control, value = self.settings.get(self.selection_control), self.setting_of(change.new)
        if control and control.value != value and 0 <= value <= control.max:
            control.value = value  # which draws the scene
        else:
            self.refresh()

    def row_of(self, roi: int) -> int:
        """Return the row, a box or dot of this explorer, that shows an ROI; -1: none."""
        return roi

    def roi_of(self, row: int) -> int:
        """Return the ROI that a row shows; -1: none."""
        return row

    def setting_of(self, row: int) -> int:
        """Return the value of `selection_control` for a selected row; -1: none."""
        return row

    def box_drawn(self, box: list[float]) -> None:
        """Take a box (y1, x1, y2, x2) that the reader draws, in the units of its panel."""
        self.refresh()

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Take a place that the reader points at in a clickable panel, in that panel's units."""

    def box_moved(self, name: str, box: list[float]) -> None:
        """Take a movable box (y1, x1, y2, x2) at its new place, in the units of its panel."""

    def _place_clicked(self, change: Bunch) -> None:
        """Hand on the event of a click."""
        place = change.new
        self.place_clicked(place["panel"], float(place["x"]), float(place["y"]))

    def _box_moved(self, change: Bunch) -> None:
        """Hand on the event of a moved box."""
        self.box_moved(change.new["name"], [float(v) for v in change.new["box"]])

    @contextmanager
    def not_drawn(self) -> Iterator[None]:
        """Change controls without drawing: for changes that are part of one that draws."""
        before, self.held = self.held, True
        try:
            yield
        finally:
            self.held = before

    def set_controls(self, **values: Any) -> None:
        """Set several controls by their names, and draw once."""
        with self.not_drawn():
            for name, value in values.items():
                self.settings[name].value = value
        self.refresh()

    def refresh(self) -> None:
        """Compute and draw the scene again; the message of an InputError takes its place."""
        if self.held:
            return
        values = {
            name: control.value
            for name, control in self.settings.items()
            if name != self.opacity_control
        }
        self.view.busy = True
        try:
            scene = self.draw(**values)
        except InputError as error:
            scene = {"panels": [], "text": [line(str(error), BAD)]}
        finally:
            self.view.busy = False
        self.view.scene = {**scene, "stamp": next(STAMPS)}

    def draw(self, *args: Any, **settings: Any) -> Scene:
        """Run the stage with these settings, keep its result, and return the scene."""
        raise NotImplementedError(f"{type(self).__name__} must implement draw")

    @property
    def text(self) -> list[str]:
        """The lines below the panels, as they are shown."""
        return [entry["text"] for entry in self.view.scene.get("text", [])]


class TraceExplorer(Explorer):
    """An explorer of one image of a run.

    trace        of a model, or loaded from a file: no explorer needs the model itself
    image        number of the image in the trace
    selection    shared with other explorers of ROIs

    Raises InputError for an image that the trace does not hold.
    """

    def __init__(self, trace: Trace, *, image: int = 0, selection: Selection | None = None):
        self.pixels = image_of(trace, image)
        self.trace, self.image, self.config = trace, image, trace.config
        super().__init__(self.pixels, self.controls(), selection)
        if self.selection_control and self.selection.roi >= 0:
            self._row_selected(Bunch(new=self.selection.roi))

    def controls(self) -> Controls:
        """Return the controls for this image, by the names of `draw`'s arguments."""
        raise NotImplementedError(f"{type(self).__name__} must implement controls")

    def of_image(self, values: Any) -> np.ndarray:
        """Return the part of a batch's tensor [B, …] that belongs to this image: [1, …]."""
        return np.asarray(values[self.image : self.image + 1])


def image_of(trace: Trace, image: int) -> UInt8[np.ndarray, "H W 3"]:
    """Return a molded image before its mean was subtracted.

    Raises InputError for an image that the trace does not hold.
    """
    check_image_number(image, len(trace.image.resized))
    return np.asarray(trace.image.resized[image])


def in_graph_mode(stage: Callable[..., Any]) -> Callable[..., Any]:
    """Return a stage that runs as a graph from the second call with the same settings on.

    A slider moves ten times a second, and a graph of many small operations is several times
    faster than the operations one by one. To build a graph takes longer than to run the stage
    once, so the first call with new settings builds none. A setting that is a tensor can change
    without a new graph.
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
    """Return a slider that shows its value while it moves; of integers if the value is one."""
    kind = ipywidgets.IntSlider if isinstance(value, int) else ipywidgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=text, **LAYOUT)


def boxes_shown(number: int) -> ipywidgets.Widget:
    """Return the slider of how many of `number` boxes are shown: at first the best twelve."""
    return slider("boxes shown", min(BEST, number), 0, number, 1)


def hidden_line(shown: int, number: int, what: str) -> TextLine:
    """Return the line that states how many boxes are shown and how many are not.

    what    the boxes that are counted, in the plural, such as "ROIs"
    """
    if shown >= number:
        return line(f"All {number} {what} are drawn.")
    return line(
        f"The best {shown} of {number} {what} are drawn, {number - shown} are not: "
        'see "boxes shown".'
    )


def text_field(text: str, placeholder: str) -> ipywidgets.Text:
    """Return a field to type into; its value changes when Enter is pressed or the field is left."""
    return ipywidgets.Text(
        placeholder=placeholder,
        description=text,
        continuous_update=False,
        **LAYOUT,
    )


def choice(text: str, options: Any, value: Any) -> ipywidgets.Dropdown:
    """Return a list to choose from: values, or pairs of text and value."""
    return ipywidgets.Dropdown(options=options, value=value, description=text, **LAYOUT)


def level_choice(text: str, value: int) -> ipywidgets.Dropdown:
    """Return a list of the pyramid's levels P2 to P6; its values are 2 to 6."""
    return choice(text, [(f"P{k}", k) for k in LEVEL_COLORS], value)
