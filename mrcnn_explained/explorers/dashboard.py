"""One object from its anchor to its mask: six views in one row, one selection, and Play."""

from typing import Any

import numpy as np

from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.lineage import Lineage, lineage
from mrcnn_explained.explain.reading import level_settings, mask_threshold
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, slider
from mrcnn_explained.plots.palette import (
    BEFORE_DASH,
    LEVEL_COLORS,
    LEVEL_DASHES,
    LOST,
    LOST_DASH,
    QUIET,
    class_color,
)
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Panel, Scene, StoryStep
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import (
    boxes,
    heat,
    image_panel,
    label,
    line,
    lines,
    mask_layer,
    panel,
)
from mrcnn_explained.stages.instances import full_mask
from mrcnn_explained.stages.levels import level_boundaries

WIDTH = 218  # CSS pixels of each panel: six of them and their gaps are 1,400
MOST_LOST = 12  # suppressed candidates that are drawn
MOST_CLASSES = 5
MASK_OPACITY = 0.5


class ObjectDashboard(TraceExplorer):
    """Choose an ROI and see its anchor, proposal, level, crop, class and mask side by side.

    Play goes through the six, with a sentence for each; any key stops it. Click a box in the last
    view, or move the slider, to follow another ROI; one that was lost ends where it was lost.
    Every number is read from the results of the run. `result` is the Lineage of the ROI.
    """

    selection_control = "roi"
    result: Lineage

    def controls(self) -> Controls:
        number = int(np.sum(np.asarray(self.trace.proposals.valid[self.image])))
        if not number:
            raise InputError("this run has no ROI to follow: choose an image with proposals")
        return {"roi": slider("ROI", self._largest(number), 0, number - 1, 1)}

    def _largest(self, number: int) -> int:
        """The ROI of the largest detection; without one, the best ROI."""
        found = self.trace.detections
        rois = np.asarray(found.detection_roi[self.image])
        y1, x1, y2, x2 = np.asarray(found.detections[self.image])[:, :4].T
        area = np.where((rois >= 0) & (rois < number), (y2 - y1) * (x2 - x1), -1.0)
        return int(rois[np.argmax(area)]) if area.max(initial=-1) >= 0 else 0

    def draw(self, roi: int) -> Scene:
        path = self.result = lineage(self.trace, roi=roi, image=self.image)
        views = [
            self._anchor(path),
            self._proposal(path),
            self._level(path),
            self._crop(path),
            self._class(path),
            self._mask(path),
        ]
        steps: list[StoryStep] = [
            {"panel": number, "text": sentence} for number, (_, sentence) in enumerate(views)
        ]
        text = [line(f"{number}. {sentence}") for number, (_, sentence) in enumerate(views, 1)]
        panels = [view for view, _ in views]
        for view in panels[1:]:
            view["joined"] = True
        return {"panels": panels, "text": text, "steps": steps}

    def _name(self, class_id: Any) -> str:
        """The name of a class."""
        return self.config.class_name(int(class_id))

    def _on_image(self, title: str, **layers: Any) -> Panel:
        """Return a panel over the image."""
        return image_panel(title, self.pixels, width=WIDTH, **layers)

    def _anchor(self, path: Lineage) -> tuple[Panel, str]:
        """The anchor, in the colour of its level."""
        if path.anchor < 0:
            return self._on_image("1 No anchor"), "The caller gave this ROI: it has no anchor."
        n, rpn = path.numbers("anchors"), path.numbers("rpn")
        level, score = int(n["level"]), float(rpn["rpn_class"][1])
        frame = boxes([n["boxes_px"]], LEVEL_COLORS[level], width=3, dash=LEVEL_DASHES[level])
        return self._on_image(f"1 Anchor of P{level}", boxes=[frame]), (
            f"Anchor {path.anchor:,} of P{level}, cell ({n['row']}, {n['column']}), "
            f"{n['scale']:.0f} px, width / height {n['ratio']:g}: the RPN gives it a probability "
            f"of {score:.3f} to hold an object."
        )

    def _proposal(self, path: Lineage) -> tuple[Panel, str]:
        """The box after the deltas, and the candidates that it suppressed."""
        proposals = self.trace.proposals
        roi = to_pixels(np.asarray(proposals.rpn_rois[self.image])[[path.roi]], self.pixels)
        if path.anchor < 0:
            frames = [boxes(roi, "ink", width=3)]
            return self._on_image(f"2 ROI {path.roi}", boxes=frames), "No NMS ran on given ROIs."
        n, nms = path.numbers("proposals"), path.numbers("nms")
        lost = np.asarray(nms["suppressed"])[:MOST_LOST]
        clipped = np.asarray(proposals.refined_anchors_clipped[self.image])[lost]
        frames = [
            boxes(to_pixels(clipped, self.pixels), LOST, dash=LOST_DASH),
            boxes(to_pixels(n["pre_nms_anchors"], self.pixels), "ink", dash=BEFORE_DASH, width=2),
            boxes(roi, "ink", width=3),
        ]
        deltas = ", ".join(f"{value:+.2f}" for value in n["deltas"])
        return self._on_image(f"2 Proposal: ROI {path.roi}", boxes=frames), (
            f"Deltas ({deltas}) turn the anchor (dotted) into the box of ROI {path.roi}. NMS keeps "
            f"it and suppresses {len(nms['suppressed'])} candidates that overlap it (dashed)."
        )

    def _level(self, path: Lineage) -> tuple[Panel, str]:
        """The level equation for this ROI."""
        n, levels, settings = path.numbers("levels"), self.trace.levels, level_settings(self.trace)
        level = int(n["roi_level"])
        chart = level_chart(
            np.asarray(levels.side[self.image]),
            np.asarray(levels.exact_level[self.image]),
            np.asarray(levels.roi_level[self.image]),
            np.array([path.roi]),
            level_boundaries(**settings),
            lowest=settings["lowest"],
            highest=settings["highest"],
            canonical_side=settings["canonical_side"],
            canonical_level=settings["canonical_level"],
        )
        chart["title"], chart["size"] = f"3 Level: reads P{level}", [WIDTH, WIDTH]
        chart["labels"] = [name for name in chart["labels"] if "background" in name]  # the levels
        return chart, (
            f"Its side of {n['side']:.1f} px gives k = {settings['canonical_level']} + "
            f"log2({n['side']:.1f} / {settings['canonical_side']:g}) = {n['exact_level']:.2f}: it "
            f"reads P{level}."
        )

    def _crop(self, path: Lineage) -> tuple[Panel, str]:
        """The crop of the map, which the box head reads."""
        n = path.numbers("crops")
        activation = np.abs(n["pooled"]).mean(axis=-1)
        height, width = activation.shape
        span = max(float(np.ptp(activation)), 1e-9)
        extent = [0.0, 0.0, float(width), float(height)]
        view = panel(
            f"4 Crop of P{n['level']}, {height} x {width}",
            extent,
            width=WIDTH,
            height=WIDTH,
            images=[heat((activation - activation.min()) / span, extent)],
        )
        y, x = n["sample_y"], n["sample_x"]
        return view, (
            f"{height} x {width} samples of P{n['level']}, from cell ({y[0]:.1f}, {x[0]:.1f}) to "
            f"cell ({y[-1]:.1f}, {x[-1]:.1f}), are its crop; shown is the mean |activation|."
        )

    def _class(self, path: Lineage) -> tuple[Panel, str]:
        """The most probable classes, and what became of the ROI."""
        n, fate = path.numbers("box_head"), path.numbers("detections")["fate"]
        probabilities = np.asarray(n["mrcnn_class"])
        best = np.argsort(-probabilities, kind="stable")[:MOST_CLASSES]
        bars, labels = [], []
        for row, class_id in enumerate(best):
            p = float(probabilities[class_id])
            color = class_color(int(class_id)) if class_id else QUIET
            bars.append(lines([[0, row + 0.22, max(p, 0.004), row + 0.22]], color, width=9))
            labels.append(label(f"{self._name(class_id)} {p:.3f}", 0, row - 0.18, size=12))
        view = panel(
            f"5 Class: {self._name(best[0])}",
            (-0.03, -0.6, 1.03, len(best) - 0.3),
            width=WIDTH,
            height=WIDTH,
            lines=bars,
            labels=labels,
        )
        return view, (
            f"The box head finds {self._name(best[0])} most probable, with "
            f"{probabilities[best[0]]:.3f}. What becomes of the ROI: {fate}."
        )

    def _mask(self, path: Lineage) -> tuple[Panel, str]:
        """The final box and mask, among the other detections."""
        found = self.trace.detections
        rois = np.asarray(found.detection_roi[self.image])
        rows = np.array([row for row, roi in enumerate(rois) if roi >= 0], int)
        place = to_pixels(np.asarray(found.detections[self.image])[:, :4], self.pixels)
        others = rows[rows != path.detection]
        layers = [boxes(place[others], "ink", rois[others], width=1)]
        if path.detection < 0:
            fate = path.numbers("detections")["fate"]
            view = self._on_image("6 No mask", boxes=layers)
            return view, f"No mask: the path ends at the filters ({fate})."
        mask = path.numbers("mask_head")["class_mask"]
        color = class_color(int(path.numbers("detections")["class_ids"]))
        box = np.around(place[path.detection]).astype(np.int32)
        whole = full_mask(mask, box, self.pixels.shape[:2], mask_threshold(self.trace))
        layers.append(boxes(place[[path.detection]], color, [path.roi], width=3))
        tinted = mask_layer(whole, color, alpha=MASK_OPACITY)
        level = int(path.numbers("mask_levels")["roi_level"])
        height, width = np.asarray(mask).shape
        area = path.numbers("instances").get("area", 0)
        view = self._on_image("6 Mask (click a box)", images=[tinted], boxes=layers)
        return view, (
            f"The final box is pooled again, from P{level}. The mask head makes {height} x {width} "
            f"probabilities; scaled to the box, {area:,} pixels of the image belong to the object."
        )
