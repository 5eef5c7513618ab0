"""Explore the reorder: the way of every crop from the stack of levels back to its ROI."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, choice, slider
from mrcnn_explained.plots.palette import BAD, LEVEL_COLORS
from mrcnn_explained.plots.reorder import HOME, LEAVE
from mrcnn_explained.scenes.scene import label, line, lines, panel, points
from mrcnn_explained.stages.reorder import IMAGE_STEP, reorder

GAPS = [(f"{n:,}", n) for n in (IMAGE_STEP // 2, IMAGE_STEP)]

#: As a graph, for any number of rows: it is three times faster, and a slider needs it.
reorder_again = tf.function(
    reorder,
    input_signature=(
        (tf.TensorSpec([None, 2], tf.int64),) * 4,
        (tf.TensorSpec([None, None, None, None], tf.float32),) * 4,
        tf.TensorSpec([2], tf.int32),
    ),
)


class ReorderExplorer(TraceExplorer):
    """Left the ROIs as they came, in the middle the stack level by level, right as they leave.

    Rows are ROIs. Number the second half of the ROIs as if 100,000 others stood before them,
    with two images in the batch: keys of the first image run into those of the second.
    `result` is a Reordered.
    """

    def controls(self) -> Controls:
        trace, image = self.trace, self.image
        most = len(trace.levels.roi_level[image])
        return {
            "shown": slider("ROIs", min(24, most), 1, min(most, 60), 1),
            "images": slider("images in the batch", 1, 1, 3, 1),
            "gap": choice("ROIs left out before the second half", [("none", 0), *GAPS], 0),
        }

    def draw(self, shown: int, images: int, gap: int) -> dict[str, Any]:
        level = np.tile(np.asarray(self.trace.levels.roi_level[self.image])[:shown], [images, 1])
        # What crop_levels makes of these levels: (image, ROI) of each level's rows. A number
        # stands in for each crop, so that it can be followed.
        ix = [np.argwhere(level == k) for k in range(2, 6)]
        numbers = [(i[:, 0] * shown + i[:, 1])[:, None, None, None] for i in ix]
        crops = tuple(tf.constant(n, tf.float32) for n in numbers)
        late = [(i[:, 1] >= shown // 2)[:, None] * np.array([0, gap]) for i in ix]
        moved = tuple(tf.constant(i + more, tf.int64) for i, more in zip(ix, late, strict=True))
        r = self.result = reorder_again(moved, crops, tf.constant([images, shown]))
        got = r.pooled.numpy().reshape(-1).astype(int)
        stack, total = np.concatenate(ix), images * shown
        came = stack[:, 0] * shown + stack[:, 1]
        colors = np.array([LEVEL_COLORS[k] for k in level.reshape(-1)])
        at = np.arange(total)
        wrong = np.flatnonzero(got != at)
        leave = r.final_order.numpy()
        there = np.stack([np.zeros(total), came, np.ones(total), at], 1)
        back = np.stack([np.full(total, LEAVE), leave, np.full(total, HOME), at], 1)
        view = panel(
            "ROIs as they came, the stack of all levels, crops as they leave",
            (-0.35, -2.6, HOME + 0.35, total),
            width=640,
            height=min(max(220, 11 * total), 900),
            lines=[
                lines(way[color == one], one, width=1.4, alpha=0.7)
                for way, color in ((there, colors[came]), (back, colors[got]))
                for one in LEVEL_COLORS.values()
            ],
            points=[
                points(np.stack([np.full(total, x), at], 1), c, rows % shown, radius=4)
                for x, c, rows in (
                    (0, colors, at),
                    (1, colors[came], came),
                    (HOME, colors[got], got),
                )
            ],
            labels=[
                *(
                    label(text, x, -1.9, align="center", bold=True)
                    for x, text in ((0, "ROI"), (1, "stack: row, key"), (HOME, "crop"))
                ),
                *(
                    label(f"{i}: {key}", 1.05, i, size=10)
                    for i, key in enumerate(r.sorting_tensor.numpy().tolist())
                    if total <= 60
                ),
            ],
        )
        naive = int(np.sum(came != at))
        text = [
            line(f"key = image x {IMAGE_STEP:,} + ROI; the stack is sorted by it"),
            line(f"Without the reorder {naive} of {total} ROIs would get another ROI's crop."),
            line(
                "Every crop is home."
                if not len(wrong)
                else f"{len(wrong)} crops came to a wrong ROI: from ROI {IMAGE_STEP:,} on, the "
                "keys of one image are those of the next.",
                BAD if len(wrong) else "",
            ),
        ]
        tips = {int(i): f"ROI {i}, P{level[0, i]}" for i in range(shown)}
        return {"panels": [view], "text": text, "tips": tips}
