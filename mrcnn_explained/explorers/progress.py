"""Explore how training learns: what a run found on fixed scenes after some of its steps."""

from typing import Any

import ipywidgets
import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import iou
from mrcnn_explained.config import LOSSES
from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.explain.objects import SAME, ObjectPair, pair_objects
from mrcnn_explained.explorers.explorer import Controls, Explorer, choice, slider
from mrcnn_explained.plots.palette import CURVE_COLORS, INK, QUIET, TRUTH_DASH, class_color
from mrcnn_explained.scenes.format import BoxLayer, ImageLayer, Label, Panel, Scene, TextLine
from mrcnn_explained.scenes.scene import (
    boxes,
    image_panel,
    label,
    line,
    lines,
    mask_layer,
    panel,
    pixels_of,
)
from mrcnn_explained.training.story import ROIS, SceneResult, TrainingStory, read_story

AVERAGED = 20  # steps whose mean a point of the loss curves is
MASK_OPACITY = 0.4
CHART = "losses"  # key of the chart


class TrainingProgress(Explorer):
    """Move from step 0 to the end of a training run, and see proposals, boxes and masks appear.

    story    of a run; None: the one that the package includes, which tools/training_story.py
             trained

    Everything shown was computed by that run: nothing is trained here. Click the chart of the
    losses, or move the slider. `result` is the SceneResult that is shown.
    """

    result: SceneResult

    def __init__(self, story: TrainingStory | None = None):
        self.story = story or read_story()
        self.curves = {name: _averaged(values) for name, values in self.story.losses.items()}
        super().__init__(self.story.images[0], self._controls())

    def _controls(self) -> Controls:
        """Return the step, the scene and the number of proposals."""
        steps = [snapshot.step for snapshot in self.story.snapshots]
        scenes = [(f"scene {i + 1}", i) for i in range(len(self.story.images))]
        step = ipywidgets.SelectionSlider(
            options=[(f"{step:,}", step) for step in steps],
            value=steps[0],
            description="after step",
            style={"description_width": "initial"},
            layout={"width": "auto", "min_width": "320px"},
        )
        return {
            "step": step,
            "scene": choice("image", scenes, 0),
            "shown": slider("proposals drawn", 12, 0, ROIS, 1),
        }

    def place_clicked(self, panel: str, x: float, y: float) -> None:
        """Go to the snapshot whose step is nearest to the place on the chart."""
        steps = np.array([snapshot.step for snapshot in self.story.snapshots])
        self.settings["step"].value = int(steps[np.argmin(np.abs(_across(steps) - x))])

    def draw(self, step: int, scene: int, shown: int) -> Scene:
        name = f"image {scene}"
        if name not in self.view.images:
            pixels = pixels_of(self.story.images[scene])
            self.view.images = {**self.view.images, name: pixels}
        (snapshot,) = (s for s in self.story.snapshots if s.step == step)
        found = self.result = snapshot.scenes[scene]
        truth = self.story.truth[scene]
        pairs = pair_objects(truth.boxes, truth.class_ids, found.boxes, found.class_ids)
        panels = [
            self._proposals(name, truth, found, shown),
            self._detections(name, truth, found, pairs),
            self._chart(step),
        ]
        tips = {
            row: f"{self._name(found.class_ids[row])}, probability {found.scores[row]:.3f}"
            for row in range(len(found.boxes))
        }
        return {"panels": panels, "text": self._text(step, truth, found, pairs), "tips": tips}

    def _name(self, class_id: int | np.integer) -> str:
        """The name of a class."""
        return self.story.class_names[int(class_id)]

    def _image(self, title: str, name: str, **layers: Any) -> Panel:
        """Return a panel over one of the scenes."""
        shown = image_panel(title, self.pixels, **layers)
        shown["images"][0]["name"] = name
        return shown

    def _proposals(self, name: str, truth: GroundTruth, found: SceneResult, shown: int) -> Panel:
        """Return the proposals of highest score, over the dashed objects."""
        return self._image(
            f"The {min(shown, len(found.rois))} best proposals (objects: dashed)",
            name,
            boxes=[_truth(truth), boxes(found.rois[:shown], "ink", width=1.8)],
        )

    def _detections(
        self, name: str, truth: GroundTruth, found: SceneResult, pairs: list[ObjectPair]
    ) -> Panel:
        """Return detections with masks, and the objects that none of them is at."""
        frames: list[BoxLayer] = []
        images: list[ImageLayer] = []
        labels: list[Label] = []
        areas = [int(found.masks[..., row].sum()) for row in range(len(found.boxes))]
        for row in np.argsort(areas)[::-1]:
            color = class_color(int(found.class_ids[row]))
            y1, x1, y2, _ = found.boxes[row]
            images.append(mask_layer(found.masks[..., row], color, alpha=MASK_OPACITY))
            frames.append(boxes([found.boxes[row]], color, [row], width=2))
            text = f"{self._name(found.class_ids[row])} {found.scores[row]:.2f}"
            labels.append(
                label(
                    text,
                    x1,
                    y1,
                    box_bottom=float(y2),
                    background=color,
                    size=11,
                    avoids_labels=True,
                )
            )
        missed = np.array([p.before for p in pairs if p.after < 0 <= p.before], int)
        frames.insert(0, boxes(truth.boxes[missed], "ink", dash=TRUTH_DASH))
        return self._image(
            "Detections with masks (missed objects: dashed)",
            name,
            fade=0.8,
            images=images,
            boxes=frames,
            labels=labels,
        )

    def _chart(self, step: int) -> Panel:
        """Return the losses over the steps, with a line at the present one."""
        last = float(_across(self.story.planned_steps))
        values = np.concatenate(list(self.curves.values()))
        low, high = np.log10(values[values > 0].min()), np.log10(values.max())
        room = high - low
        top, bottom = -high - 0.06 * room, -low + 0.14 * room
        layers = []
        names: list[Label] = []
        for name, color in zip(LOSSES, CURVE_COLORS, strict=True):
            shown = "ink" if color == INK else color
            curve = -np.log10(np.maximum(self.curves[name], 1e-12))
            x = _across(np.arange(1, len(curve) + 1))
            ends = np.stack([x[:-1], curve[:-1], x[1:], curve[1:]], axis=1)
            layers.append(lines(ends, shown, width=2))
            names.append(
                label(
                    name.removesuffix("_loss"),
                    float(x[-1]) + 0.01 * last,
                    float(curve[-1]),
                    color=shown,
                    size=12,
                    avoids_labels=True,
                )
            )
        at = float(_across(step))
        layers.append(lines([[at, top, at, bottom - 0.1 * room]], "ink", width=2))
        steps = [s.step for s in self.story.snapshots]
        ticks = [float(_across(s)) for s in steps]
        layers.append(
            lines([[x, bottom - 0.09 * room, x, bottom - 0.07 * room] for x in ticks], "ink")
        )
        axis = [
            label(f"{s:,}", x, bottom - 0.035 * room, align="center", size=11)
            for s, x in zip(steps, ticks, strict=True)
        ]
        scale = [
            label(f"{10.0**k:g}", -0.01 * last, -k, align="right", size=11)
            for k in range(int(np.ceil(low)), int(np.floor(high)) + 1)
        ]
        return panel(
            f"Losses (means of {AVERAGED} steps): click a step",
            (-0.09 * last, top, 1.32 * last, bottom),
            width=520,
            height=400,
            key=CHART,
            clickable=True,
            cursor=[at, (top + bottom) / 2],
            step=[last / 12, room],
            lines=layers,
            labels=[*names, *axis, *scale],
        )

    def _text(
        self, step: int, truth: GroundTruth, found: SceneResult, pairs: list[ObjectPair]
    ) -> list[TextLine]:
        """Return what is found after this step, and how the losses are."""
        number = len(truth.boxes)
        overlap = iou(tf.constant(truth.boxes, tf.float32), tf.constant(found.rois)).numpy()
        covered = int((overlap.max(axis=1, initial=0) >= SAME).sum())
        both = [p for p in pairs if p.before >= 0 and p.after >= 0]
        right = sum(int(truth.class_ids[p.before] == found.class_ids[p.after]) for p in both)
        wrong = sum(p.before < 0 for p in pairs)
        last = self.story.snapshots[-1].step
        stopped = f" The run was stopped after step {last:,}." * (last < self.story.planned_steps)
        progress = f"After step {step:,} of {self.story.planned_steps:,}"
        loss = "no step was made yet: the weights are random"
        if step:
            loss = f"the loss is {self.curves['loss'][step - 1]:.2f}"
        return [
            line(
                f"{progress}, {loss}. The {len(found.rois)} best proposals cover {covered} of "
                f"{number} objects. Objects found: {len(both)}, with the right class: {right}. "
                f"Detections at no object: {wrong}.",
                live=True,
            ),
            line(
                f"An object counts as covered or found at an IoU of {SAME:g} or more. The scenes "
                f"were not trained on.{stopped}",
                QUIET,
            ),
        ]


def _truth(truth: GroundTruth) -> BoxLayer:
    """Return the objects of a scene, dashed."""
    return boxes(truth.boxes, "ink", dash=TRUTH_DASH, width=2)


def _across(step: Any) -> Any:
    """Return the place of a step on the chart: its square root, since most is learned early."""
    return np.sqrt(step)


def _averaged(values: np.ndarray) -> np.ndarray:
    """Return the mean of each value and of up to AVERAGED - 1 values that precede it."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - AVERAGED, 0)
    return (sums[last] - sums[first]) / (last - first)
