"""Stepping: two buttons that move the control `step` of an explorer back and forth."""

import ipywidgets

from mrcnn_explained.explorers.explorer import Controls


class Stepping:
    """What an explorer with a control `step` inherits beside `Explorer`, and before it."""

    forward = "next step ▸"  # text of the second button
    settings: Controls

    def buttons(self) -> list[ipywidgets.Widget]:
        """Return a button for the step before, and one for the next."""
        found = []
        for text, way in (("◂ step back", -1), (self.forward, 1)):
            button = ipywidgets.Button(description=text, layout={"width": "auto"})
            button.on_click(lambda _, way=way: self.go(way))
            found.append(button)
        return found

    def go(self, steps: int) -> None:
        """Go forward, or back, by some steps; not beyond the first and the last."""
        step = self.settings["step"]
        step.value = min(max(step.value + steps, 0), step.max)
