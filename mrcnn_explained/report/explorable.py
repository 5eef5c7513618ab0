"""What the page's explorer shows, as JSON: computed here, from a trace, once.

The page's script draws it, filters it and computes nothing of the detector.
"""

import base64
import io
import json
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.fates import Fate, FateKind, fates
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.explain.rois import roi_rows
from mrcnn_explained.plots.crops import find_roi
from mrcnn_explained.plots.palette import LEVEL_COLORS, class_color
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import boxes, image_panel, label
from mrcnn_explained.stages.detections import Detections, select_detections
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS, level_boundaries

CONFIDENCES = tuple(round(0.05 * i, 2) for i in range(21))  # tried besides the run's own
QUALITY = 88  # of the JPEG behind the boxes


def explorable(trace: Trace) -> dict[str, Any]:
    """Return everything that the page's explorer shows of image 0, ready for JSON.

    Boxes are (y1, x1, y2, x2) in pixels of the molded image, pixel 0 spanning 0 to 1;
    arrays of numbers are the base64 of little-endian float32.

    image       `src`, a JPEG as data URI, `width` and `height` of the molded image
    rois          a list for each column, in the order of the ROIs: roi, level, class_id,
                  class, probability, fate (the word of its kind), mask_level (null if the
                  ROI became no detection)
    levels, classes, fates    what there is to filter by: value, text, count of ROIs
    scene         panels for the viewer: the ROIs on the image and on the level equation,
                  whose boxes, dots and lines know their ROIs; tips
    pool_size     P
    sample_y, sample_x        [ROIs, P] places of a ROI's samples, pixels as above
    lineage       for each ROI its steps, [stage, text]
    detections    a panel of the boxes that detections would have, in their class's colour
    thresholds    at each confidence the ROIs that would be detections, best first; empty
                  where the run's detections are not what the stage makes of its settings
    threshold     place in that list of the run's own confidence
    main          the ROI to begin with; -1: there is none
    """
    trace = trace.numpy()
    rows = roi_rows(trace)
    of_roi = np.array([row["roi"] for row in rows], int)
    mask_levels = _mask_levels(trace)
    fate_of = fates(trace)
    columns = {
        name: [row[name] for row in rows]
        for name in ("roi", "level", "class_id", "class", "probability", "fate")
    }
    sample_y, sample_x = _samples(trace, of_roi)
    thresholds, own = _thresholds(trace)
    image = trace.image.resized[0]
    found = trace.detections.detection_roi[0]
    return {
        "image": _image(image),
        "rois": {
            **columns,
            "mask_level": [mask_levels.get(row["roi"]) for row in rows],
        },
        "levels": [
            {
                "value": k,
                "text": f"P{k}",
                "count": columns["level"].count(k),
                "color": LEVEL_COLORS[k],
            }
            for k in ROI_LEVELS
        ],
        "classes": _counted(columns["class_id"], trace.config.class_name),
        "fates": _counted(columns["fate"], lambda word: str(FateKind(word))),
        "scene": _portable(
            {
                "panels": [_on_image(trace, of_roi), _chart(trace, of_roi)],
                "tips": {row["roi"]: _tip(row, fate_of[row["roi"]], mask_levels) for row in rows},
            }
        ),
        "pool_size": trace.config.pool_size,
        "sample_y": _portable(sample_y),
        "sample_x": _portable(sample_x),
        "lineage": [
            [[step.stage, step.text] for step in trace.lineage(roi=roi).steps]
            for roi in of_roi.tolist()
        ],
        "detections": _portable(_detections(trace, of_roi)),
        "thresholds": thresholds,
        "threshold": own,
        "main": max(int(found[0]) if len(found) else -1, 0) if len(rows) else -1,
    }


def as_json(value: dict[str, Any]) -> str:
    """JSON that can stand in a script block: no `<`, so no name in it can end the block."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _image(image: UInt8[np.ndarray, "H W 3"]) -> dict[str, Any]:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, format="JPEG", quality=QUALITY)
    height, width = image.shape[:2]
    src = f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"
    return {"src": src, "width": width, "height": height}


def _counted(values, name):
    """Each value there is, with its name and number; numbers upwards, words most frequent first."""
    counts = Counter(values)
    order = (
        sorted(counts)
        if all(isinstance(v, int) for v in counts)
        else [value for value, _ in counts.most_common()]
    )
    return [{"value": value, "text": name(value), "count": counts[value]} for value in order]


def _on_image(trace, rows):
    rois = trace.proposals.rpn_rois[0]
    # Large ones first, so that small ones lie on top of them.
    rows = rows[np.argsort(-trace.levels.side[0][rows], kind="stable")]
    colors = [LEVEL_COLORS[k] for k in trace.levels.roi_level[0][rows]]
    image = trace.image.resized[0]
    return image_panel(
        "ROIs in the colours of their levels",
        image,
        boxes=[boxes(to_pixels(rois[rows], image), colors, rows)],
    )


def _chart(trace, rows):
    settings, levels = level_settings(trace), trace.levels
    edges = level_boundaries(**settings)
    del settings["rounding"]
    return level_chart(
        levels.side[0], levels.exact_level[0], levels.roi_level[0], rows, edges, **settings
    )


def _detections(trace, rows):
    """The panel of all boxes and labels that some confidence makes a detection of."""
    d, config, image = trace.detections, trace.config, trace.image.resized[0]
    place = to_pixels(d.refined_rois_clipped[0], image)
    # Better ones later: they are drawn on top of the others.
    rows = rows[d.class_ids[0][rows] > 0]
    rows = rows[np.argsort(d.class_scores[0][rows], kind="stable")]
    colors = [class_color(int(k)) for k in d.class_ids[0][rows]]
    words = [
        f"{config.class_name(int(d.class_ids[0][i]))} {d.class_scores[0][i]:.2f}" for i in rows
    ]
    return image_panel(
        "Detections",
        image,
        fade=0.75,
        below_text=True,
        boxes=[boxes(place[rows], colors, rows, width=2)],
        labels=[
            label(
                text,
                place[i, 1],
                place[i, 0],
                box_bottom=place[i, 2],
                size=11,
                background=color,
                avoids_labels=True,
                row=int(i),
            )
            for i, text, color in zip(rows, words, colors, strict=True)
        ],
    )


def _tip(row: dict[str, Any], fate: Fate, mask_levels: dict[int, int]) -> str:
    """What hovering over an ROI shows."""
    mask = mask_levels.get(row["roi"])
    return (
        f"ROI {row['roi']}: {row['class']} {row['probability']:.3f}\n"
        f"side {row['side']:.1f} px, k = {row['exact_level']:.2f}, reads P{row['level']}"
        + ("" if mask is None else f"; its mask P{mask}")
        + f"\n{fate}"
    )


def _mask_levels(trace) -> dict[int, int]:
    """ROI → level that the mask of its detection reads."""
    pairs = zip(trace.detections.detection_roi[0], trace.mask_levels.roi_level[0], strict=True)
    return {int(roi): int(level) for roi, level in pairs if roi >= 0}


def _samples(
    trace: Trace, rows: np.ndarray
) -> tuple[Float32[np.ndarray, "R P"], Float32[np.ndarray, "R P"]]:
    """Where the samples of these ROIs lie, in pixels of the molded image."""
    shape = trace.image.resized[0].shape[:2]
    taken = np.zeros([2, len(rows), trace.config.pool_size], np.float32)
    for place, roi in enumerate(rows):
        level, row = find_roi(trace.crops, int(roi))
        cells = getattr(trace.pyramid, f"p{level}").shape[1:3]
        found = (trace.crops.sample_y, trace.crops.sample_x)
        for axis, (samples, side, count) in enumerate(zip(found, shape, cells, strict=True)):
            # Corners are aligned: the first and last cells' centres are those of the first
            # and last pixels, and the centre of pixel 0 lies at 0.5.
            at = samples[level - LOWEST][row] / max(count - 1, 1) * (side - 1) + 0.5
            taken[axis, place, : len(at)] = at
    return taken[0], taken[1]


class _Selecting(NamedTuple):
    """The run's own call of select_detections, but for the confidence."""

    inputs: tuple[tf.Tensor, ...]
    settings: dict[str, Any]
    valid: Bool[np.ndarray, "N"]

    def kept(self, confidence: float) -> list[int]:
        """The ROIs that would be detections, best first."""
        made = select_detections(*self.inputs, min_confidence=confidence, **self.settings)
        return _kept(made, self.valid)


def _kept(detections: Detections, valid) -> list[int]:
    rows = np.asarray(detections.detection_roi[0])
    return [int(roi) for roi in rows if roi >= 0 and valid[roi]]


def _thresholds(trace) -> tuple[list[dict[str, Any]], int]:
    """What each confidence threshold leaves, and the place of the run's own in the list."""
    c, t = trace.config, trace
    # A run may have had settings of its own, for which the config has no name.
    changed = t.run.settings.get("detections", {})
    own = float(changed.get("min_confidence", c.detection_min_confidence))
    settings = {
        "nms_threshold": c.detection_nms_threshold,
        "max_instances": c.detection_max_instances,
        "std_dev": c.bbox_std_dev,
        **{name: value for name, value in changed.items() if name != "min_confidence"},
    }
    window = norm_boxes(tf.constant(t.image.window[:1], tf.float32), t.image.resized[0].shape[:2])
    tensors = (t.proposals.rpn_rois, t.box_head.mrcnn_class, t.box_head.mrcnn_bbox)
    valid = t.proposals.valid[0]
    stage = _Selecting((*(tf.constant(x[:1]) for x in tensors), window), settings, valid)
    # Where a reader has edited the result, or another function made it, the stage would tell
    # of detections that this run does not have.
    if stage.kept(own) != _kept(t.detections, valid):
        return [], -1
    values = sorted({*CONFIDENCES, own})
    table = [{"confidence": value, "rois": stage.kept(value)} for value in values]
    return table, values.index(own)


def _portable(value: Any) -> Any:
    """The same with base64 for bytes and arrays, and plain numbers for NumPy's."""
    if isinstance(value, dict):
        return {key: _portable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(part) for part in value]
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value, "<f4").tobytes()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.item() if isinstance(value, np.generic) else value
