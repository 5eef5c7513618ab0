"""Explore TimeDistributed: fold, apply once, unfold; beside a loop and Keras' wrapper."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, slider
from mrcnn_explained.plots.palette import BAD, GOOD, QUIET
from mrcnn_explained.scenes.scene import label, line, panel
from mrcnn_explained.stages.layers import dense


class TimeDistributedExplorer(TraceExplorer):
    """One fully connected layer on N ROIs, three ways: the same numbers, other times.

    The layer is a new one, with weights of its name, on the `shared` features of the trace's
    ROIs. `result` is a dict: way → (output, milliseconds, median of five).
    """

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        most = len(trace.box_head.shared[image])
        return {"count": slider("ROIs", min(32, most), 1, min(most, 100), 1)}

    def draw(self, count: int) -> dict[str, Any]:
        x = tf.constant(np.asarray(self.trace.box_head.shared)[[self.image], :count])
        channels, units = x.shape[-1], self.config.num_classes
        layer = dense("time_distributed", channels, units)
        wrapper = keras.layers.TimeDistributed(layer)

        def fold():
            rows = tf.reshape(x, [-1, channels])
            return tf.reshape(layer(rows), [*x.shape[:2], units])

        ways = {
            "fold, call once, unfold": fold,
            "a loop over ROIs": lambda: tf.stack([layer(x[:, i]) for i in range(count)], axis=1),
            "keras.layers.TimeDistributed": lambda: wrapper(x),
        }
        self.result = {name: (run(), _milliseconds(run)) for name, run in ways.items()}
        first = self.result["fold, call once, unfold"][0].numpy()
        shapes = [
            f"[1, {count}, {channels}]",
            f"[{count}, {channels}]",
            f"[{count}, {units}]",
            f"[1, {count}, {units}]",
        ]
        steps = ["as it came", "folded", "one call", "unfolded"]
        flow = panel(
            "Fold, apply, unfold",
            (0, 0, 4, 1.4),
            width=640,
            height=110,
            labels=[
                *(
                    label(s, i + 0.5, 0.45, align="center", bold=True, size=14, color=GOOD)
                    for i, s in enumerate(shapes)
                ),
                *(
                    label(s, i + 0.5, 0.95, align="center", color=QUIET)
                    for i, s in enumerate(steps)
                ),
                *(label("→", i, 0.45, align="center", size=16) for i in (1, 2, 3)),
            ],
        )
        text = []
        for name, (output, spent) in self.result.items():
            apart = float(np.abs(output.numpy() - first).max())
            text.append(
                line(
                    f"{name}: {spent:.2f} ms, {list(output.shape)}, differs from the "
                    f"first by {apart:.1e}",
                    BAD if apart > 1e-4 else GOOD,
                )
            )
        return {"panels": [flow], "text": text}


def _milliseconds(run, times=5):
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - start))
    return float(np.median(spent))
