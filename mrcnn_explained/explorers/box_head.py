"""Explore TimeDistributed: fold, apply once, unfold; compared with a loop and Keras' wrapper."""

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, slider
from mrcnn_explained.plots.palette import BAD, GOOD, QUIET
from mrcnn_explained.scenes.format import Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import label, line, panel
from mrcnn_explained.stages.layers import dense

FOLD = "fold, call once, unfold"


class TimeDistributedExplorer(TraceExplorer):
    """One fully connected layer on N ROIs, three ways: the same numbers in different times.

    The layer is a new one; its weights are drawn at random, seeded by its name. Its input are
    the `shared` features of the trace's ROIs. `result` is a dict: way → (output, milliseconds,
    median of five).
    """

    result: dict[str, tuple[tf.Tensor, float]]

    def controls(self) -> Controls:
        most = len(self.trace.box_head.shared[self.image])
        return {"count": slider("ROIs", min(32, most), 1, min(most, 100), 1)}

    def draw(self, count: int) -> Scene:
        x = tf.constant(self.of_image(self.trace.box_head.shared)[:, :count])
        channels, units = x.shape[-1], self.config.num_classes
        layer = dense("time_distributed", channels, units)
        wrapper = keras.layers.TimeDistributed(layer)

        def fold() -> tf.Tensor:
            rows = tf.reshape(x, [-1, channels])
            return tf.reshape(layer(rows), [*x.shape[:2], units])

        ways = {
            FOLD: fold,
            "a loop over ROIs": lambda: tf.stack([layer(x[:, i]) for i in range(count)], axis=1),
            "keras.layers.TimeDistributed": lambda: wrapper(x),
        }
        self.result = {name: (run(), _milliseconds(run)) for name, run in ways.items()}
        return {"panels": [_steps_panel(count, channels, units)], "text": self._text()}

    def _text(self) -> list[TextLine]:
        """Return for each way its time and how far its output differs from the first one's."""
        first, _ = self.result[FOLD]
        text = []
        for name, (output, spent) in self.result.items():
            difference = float(np.abs(output.numpy() - first.numpy()).max())
            words = (
                f"{name}: {spent:.2f} ms, {list(output.shape)}, differs from the "
                f"first by {difference:.1e}"
            )
            text.append(line(words, BAD if difference > 1e-4 else GOOD))
        return text


def _steps_panel(count: int, channels: int, units: int) -> Panel:
    """Return the shapes of the tensor from its input to its output."""
    steps = {
        "input": f"[1, {count}, {channels}]",
        "folded": f"[{count}, {channels}]",
        "one call": f"[{count}, {units}]",
        "unfolded": f"[1, {count}, {units}]",
    }
    labels = []
    for i, (step, shape) in enumerate(steps.items()):
        if i:
            labels.append(label("→", i, 0.45, align="center", size=16))
        centre = i + 0.5
        labels.append(label(shape, centre, 0.45, align="center", bold=True, size=14, color=GOOD))
        labels.append(label(step, centre, 0.95, align="center", color=QUIET))
    return panel("Fold, apply, unfold", (0, 0, 4, 1.4), width=640, height=110, labels=labels)


def _milliseconds(run: Callable[[], tf.Tensor], times: int = 5) -> float:
    """Return the median time of some calls."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - start))
    return float(np.median(spent))
