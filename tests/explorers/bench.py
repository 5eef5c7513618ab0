"""An explorer in a real Chromium without JupyterLab: its view on a page, its Python here.

What the reader does on the page is a change of the view's traits; `Bench` carries it to the
explorer and the new scene back, as the kernel's messages do.
"""

import shutil

from mrcnn_explained.explorers.explorer import View
from mrcnn_explained.report.explorable import _portable
from mrcnn_explained.report.page import as_base64
from mrcnn_explained.scenes.bundle import widget_module

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TRAITS = sorted(set(View.class_traits(sync=True)) & set(vars(View)) - {"_esm"})
START = """
async ([source, values]) => {
  const { default: widget } = await import("data:text/javascript;base64," + source);
  const listeners = {};
  window.changes = [];
  window.put = (name, value) => { values[name] = value; listeners["change:" + name]?.(); };
  const model = {
    get: (name) => values[name],
    set: (name, value) => { window.changes.push([name, value]); window.put(name, value); },
    on: (event, call) => { listeners[event] = call; }, off: () => {}, save_changes: () => {},
  };
  const el = document.body.appendChild(document.createElement("div"));
  widget.render({ model, el });
}
"""


class Bench:
    """A page with the view of one explorer."""

    def __init__(self, browser, explorer, *, size=(1400, 1000), dark=False):
        self.explorer, self.errors = explorer, []
        scheme = "dark" if dark else "light"
        self.page = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        if dark:
            self.page.add_style_tag(content="body { background: #111; color: #eee; }")
        self.sent = self._values()
        values = _portable(self.sent)
        self.page.evaluate(START, [as_base64(widget_module().encode()), values])

    def _values(self):
        return {name: getattr(self.explorer.view, name) for name in TRAITS}

    def sync(self):
        """Carry what happened on the page to the explorer, and its new traits to the page."""
        for name, value in self.page.evaluate("() => window.changes.splice(0)"):
            self.sent[name] = value
            setattr(self.explorer.view, name, value)
        now = self._values()
        for name, value in now.items():
            if value is not self.sent[name] and value != self.sent[name]:
                self.page.evaluate("([n, v]) => window.put(n, v)", [name, _portable(value)])
        self.sent = now
        assert self.errors == []

    def panel(self, key):
        """The number of the panel with this key, or of the nth one."""
        panels = self.explorer.view.scene["panels"]
        if isinstance(key, int):
            return key
        return next(i for i, panel in enumerate(panels) if panel.get("key") == key)

    def canvas(self, key):
        return self.page.locator("canvas").nth(self.panel(key))

    def place(self, key, x, y):
        """The place (x, y) of a panel in pixels of the page."""
        x, y = float(x), float(y)
        left, top, right, bottom = self.explorer.view.scene["panels"][self.panel(key)]["extent"]
        canvas = self.canvas(key)
        canvas.scroll_into_view_if_needed()
        frame = canvas.bounding_box()
        return (
            frame["x"] + (x - left) / (right - left) * frame["width"],
            frame["y"] + (y - top) / (bottom - top) * frame["height"],
        )

    def click(self, key, x, y):
        self.page.mouse.click(*self.place(key, x, y))
        self.sync()

    def drag(self, key, start, end):
        """Drag from (x, y) to (x, y), which may lie outside the panel."""
        mouse = self.page.mouse
        (x0, y0), (x1, y1) = self.place(key, *start), self.place(key, *end)
        mouse.move(x0, y0)
        mouse.down()
        for share in (0.5, 0.8, 1):
            mouse.move(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
            self.sync()
        mouse.up()
        self.sync()

    def press(self, key, name, times=1):
        for _ in range(times):
            self.canvas(key).press(name)
            self.sync()

    def press_box(self, name, key):
        """Press a key while a movable box has the focus."""
        self.page.locator(f".mx-target[data-name='{name}']").press(key)
        self.sync()
