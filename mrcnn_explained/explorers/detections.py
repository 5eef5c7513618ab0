"""Explore detections: the cascade of filters, again with other thresholds."""

from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.explain.fates import fates_of
from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, in_graph_mode, slider
from mrcnn_explained.plots.palette import BAD, GOOD, QUIET, class_color
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, lines, panel
from mrcnn_explained.stages.detections import select_detections

select_again = in_graph_mode(select_detections)


class DetectionsExplorer(TraceExplorer):
    """Move confidence and NMS; click a ROI for its fate and its classes.

    Rows are ROIs. `result` is a Detections of this image alone.
    """

    def controls(self) -> Controls:
        trace = self.trace
        c = trace.config
        return {
            "min_confidence": slider("confidence at least", c.detection_min_confidence, 0.0, 1.0),
            "nms_threshold": slider("NMS: IoU at most", c.detection_nms_threshold, 0.01, 0.99),
            "max_instances": slider("detections at most", c.detection_max_instances, 1, 200, 1),
        }

    def draw(
        self, min_confidence: float, nms_threshold: float, max_instances: int
    ) -> dict[str, Any]:
        t, one = self.trace, slice(self.image, self.image + 1)
        shape = self.pixels.shape[:2]
        window = norm_boxes(tf.constant(np.asarray(t.image.window)[one], tf.float32), shape)
        d = self.result = select_again(
            *(
                tf.constant(np.asarray(x[one]))
                for x in (t.proposals.rpn_rois, t.box_head.mrcnn_class, t.box_head.mrcnn_bbox)
            ),
            window,
            min_confidence=tf.constant(min_confidence, tf.float32),
            nms_threshold=tf.constant(nms_threshold, tf.float32),
            max_instances=max_instances,
            std_dev=self.config.bbox_std_dev,
        )
        valid = np.asarray(t.proposals.valid[one])
        class_ids, scores = d.class_ids[0].numpy(), d.class_scores[0].numpy()
        place = to_pixels(d.refined_rois_clipped[0], self.pixels)
        kept = np.flatnonzero(d.kept[0].numpy() & valid[0])
        lost = np.flatnonzero((d.is_foreground & d.is_confident & ~d.kept)[0].numpy() & valid[0])
        names = [self.config.class_name(k) for k in range(self.config.num_classes)]
        on_image = image_panel(
            "Detections, and (dotted) what NMS and the limit took",
            self.pixels,
            fade=0.75,
            boxes=[
                boxes(place[lost], QUIET, lost, dash=[2, 3]),
                boxes(place[kept], [class_color(k) for k in class_ids[kept]], kept, width=2),
            ],
            labels=[
                label(
                    f"{names[class_ids[i]]} {scores[i]:.2f}",
                    place[i, 1],
                    place[i, 0],
                    foot=place[i, 2],
                    size=11,
                    background=class_color(class_ids[i]),
                    apart=True,
                )
                for i in kept
            ],
        )
        fate_of = fates_of(d, valid)
        fate = "Click a box for the fate of its ROI."
        panels, chosen = [on_image], self.view.selected
        if 0 <= chosen < len(fate_of):
            fate = f"ROI {chosen}: {fate_of[chosen]}"
            panels.append(self._classes(chosen, names, class_ids))
        counts = [
            (f"{valid.sum()} ROIs", QUIET),
            (f"{(d.is_foreground.numpy() & valid).sum()} of them are not background", QUIET),
            (f"{len(kept) + len(lost)} score {min_confidence:.2f} or more", QUIET),
            (f"{(d.survives_nms.numpy() & valid).sum()} survive NMS within their class", GOOD),
            (f"{len(kept)} are detections", GOOD),
        ]
        tips = {
            int(i): f"ROI {i}: {names[class_ids[i]]} {scores[i]:.3f}, {fate_of[i]}"
            for i in (*kept, *lost)
        }
        text = [*(line(*entry) for entry in counts), line(fate)]
        return {"panels": panels, "text": text, "tips": tips}

    def _classes(self, roi, names, class_ids):
        """The probabilities of the best classes of one ROI."""
        p = np.asarray(self.trace.box_head.mrcnn_class[self.image])[roi]
        best = np.argsort(-p, kind="stable")[:10]
        color = {True: GOOD, False: BAD}
        return panel(
            f"ROI {roi}: probability of its classes",
            (-0.55, -0.6, 1.25, len(best) - 0.4),
            width=360,
            height=24 * len(best) + 16,
            lines=[
                lines([[0, i, max(p[k], 0.003), i]], color[k == class_ids[roi]], width=12)
                for i, k in enumerate(best)
            ],
            labels=[
                *(label(names[k], -0.04, i, align="right") for i, k in enumerate(best)),
                *(label(f"{p[k]:.4f}", p[k] + 0.03, i) for i, k in enumerate(best)),
            ],
        )
