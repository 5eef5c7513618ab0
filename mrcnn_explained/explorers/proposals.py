"""Explore proposals: top-k and NMS again, and who suppressed whom."""

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn_explained.explorers.explorer import Controls, TraceExplorer, in_graph_mode, slider
from mrcnn_explained.plots.palette import BAD, GOOD, QUIET
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.scene import boxes, image_panel, label, line, panel, points
from mrcnn_explained.stages.proposals import propose

DRAWN = 40  # boxes that no reader loses sight of
WIDE = 520  # CSS pixels of the panel of fates

propose_again = in_graph_mode(propose)  # seven times faster, with 6000 candidates


class ProposalsExplorer(TraceExplorer):
    """Move the NMS threshold and the top-k; click a box to see who suppressed it, or whom it did.

    Rows are candidates, by score. `result` is a Proposals of this image alone.
    """

    def row_of(self, roi: int) -> int:
        """The candidate that became a ROI in the model's own run."""
        rows = np.asarray(self.trace.proposals.post_nms_ix[self.image])
        return int(rows[roi]) if 0 <= roi < len(rows) else -1

    def roi_of(self, row: int) -> int:
        """The ROI that a candidate became in the model's own run; -1: none."""
        rank = np.asarray(self.trace.proposals.nms.rank[self.image])
        return int(rank[row]) if 0 <= row < len(rank) else -1

    def controls(self) -> Controls:
        trace = self.trace
        c, anchors = trace.config, len(trace.anchors.boxes)
        limit, most = min(c.pre_nms_limit, anchors), min(6000, anchors)
        return {
            "nms_threshold": slider("NMS: IoU at most", float(c.rpn_nms_threshold), 0.05, 0.99),
            "pre_nms_limit": slider("top-k before NMS", limit, 1, max(limit, most), 1),
            "count": slider("ROIs at most", c.post_nms_rois_inference, 1, 2000, 1),
        }

    @cached_property
    def inputs(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What the stage reads of this image, once for all moves of a slider."""
        rpn, one = self.trace.rpn, slice(self.image, self.image + 1)
        parts = (rpn.rpn_class[one], rpn.rpn_bbox[one], self.trace.anchors.boxes)
        return tuple(tf.constant(np.asarray(part)) for part in parts)

    def draw(self, nms_threshold: float, pre_nms_limit: int, count: int) -> dict[str, Any]:
        p = self.result = propose_again(
            *self.inputs,
            count=count,
            pre_nms_limit=pre_nms_limit,
            nms_threshold=tf.constant(nms_threshold, tf.float32),
            std_dev=self.config.rpn_bbox_std_dev,
        )
        rank, by, overlap = (
            x.numpy()[0] for x in (p.nms.rank, p.nms.suppressed_by, p.nms.suppressed_iou)
        )
        scores = p.scores.numpy()[0]
        place = to_pixels(p.refined_anchors_clipped.numpy()[0], self.pixels)
        kept, lost = np.flatnonzero(rank >= 0), np.flatnonzero(by >= 0)
        chosen = self.view.selected if self.view.selected < len(rank) else -1
        if chosen >= 0:
            head = by[chosen] if by[chosen] >= 0 else chosen
            losers = np.flatnonzero(by == head)[:DRAWN]
            drawn = [
                boxes(place[losers], BAD, losers, dash=[3, 3]),
                boxes(place[[head]], GOOD, [head], width=3),
            ]
        else:
            first = lost[:DRAWN]
            drawn = [
                boxes(place[first], BAD, first, dash=[3, 3], width=0.8),
                boxes(place[kept[:DRAWN]], GOOD, kept[:DRAWN]),
            ]
        unreached = np.flatnonzero((rank < 0) & (by < 0))
        lanes = [
            (kept, GOOD, 0, "kept"),
            (lost, BAD, 1, "suppressed"),
            (unreached, QUIET, 2, "never reached"),
        ]
        fates = panel(
            "What became of every candidate; the best score is on the left",
            (-0.02 * len(rank), -0.7, 1.02 * len(rank), 2.5),
            width=WIDE,
            height=140,
            points=[
                points(np.stack([rows, np.full(len(rows), lane)], 1), color, rows, radius=2.5)
                for rows, color, lane, _ in lanes
            ],
            labels=[
                label(f"{len(rows)} {fate}", 0, lane - 0.4, color=color, size=11)
                for rows, color, lane, fate in lanes
            ],
        )
        told = "Click a box, or a dot, to see who suppressed whom."
        if chosen >= 0 and by[chosen] >= 0:
            told = (
                f"Candidate {chosen} (score {scores[chosen]:.3f}) was suppressed by candidate "
                f"{by[chosen]} (score {scores[by[chosen]]:.3f}) at IoU {overlap[chosen]:.3f}"
            )
        elif chosen >= 0 and rank[chosen] >= 0:
            told = (
                f"Candidate {chosen} (score {scores[chosen]:.3f}) is ROI {rank[chosen]} and "
                f"suppressed {np.sum(by == chosen)}"
            )
        elif chosen >= 0:
            told = f"Candidate {chosen} was never reached: {count} were kept before it"
        text = [
            line(f"{len(kept)} of {len(rank)} candidates kept", GOOD),
            line(f"{len(lost)} suppressed", BAD),
            line(f"{len(unreached)} never reached", QUIET),
            line(told),
        ]
        title = f"The first {DRAWN} kept and suppressed" if chosen < 0 else "One and its victims"
        victims = np.flatnonzero(by == chosen) if chosen >= 0 else []
        near = dict.fromkeys([*kept[:DRAWN], *lost[:DRAWN], *victims])
        tips = {int(i): f"candidate {i}, score {scores[i]:.3f}" for i in near}
        on_image = image_panel(title, self.pixels, boxes=drawn)
        return {"panels": [on_image, fates], "text": text, "tips": tips}
