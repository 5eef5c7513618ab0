"""What the page's explorer shows, as JSON: computed here, once, from a trace.

The page's script draws and filters it; it computes nothing of the detector.
"""

import base64
import io
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.fates import Fate, FateKind, fates
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.explain.rois import roi_rows
from mrcnn_explained.media.pixels import as_image
from mrcnn_explained.plots.crops import find_roi
from mrcnn_explained.plots.palette import LEVEL_COLORS, class_color
from mrcnn_explained.plots.style import cells_to_pixels, to_pixels
from mrcnn_explained.report.thresholds import thresholds_of
from mrcnn_explained.scenes.format import Label, Panel
from mrcnn_explained.scenes.level_chart import level_chart
from mrcnn_explained.scenes.scene import boxes, image_panel, label, level_boxes
from mrcnn_explained.stages.levels import LOWEST, ROI_LEVELS, level_boundaries

QUALITY = 88  # of the JPEG under the boxes
SHOWN_COLUMNS = ("roi", "level", "class_id", "class", "probability", "fate")


def explorable(trace: Trace) -> dict[str, Any]:
    """Return everything that the page's explorer shows of image 0, ready for JSON.

    Boxes are (y1, x1, y2, x2) in pixels of the molded image, where pixel 0 spans 0 to 1;
    arrays of numbers are the base64 of little-endian float32.

    image         `src`, a JPEG as data URI, `width` and `height` of the molded image
    rois          one list per column, in the order of the ROIs: roi, level, class_id, class,
                  probability, fate (the word of its kind), mask_level (null if the ROI did not
                  become a detection)
    levels, classes, fates    the options of the filters: value, text, count of ROIs
    scene         panels of the ROIs on the image and on the level equation, and tips; boxes,
                  dots and lines carry the rows of their ROIs
    pool_size     P
    sample_y, sample_x        [ROIs, P], places of the samples, pixels as above
    lineage       one list of steps per ROI, each [stage, text]
    detections    a panel of the boxes that detections would have, in the colour of their class
    thresholds    at each confidence the ROIs that would be detections, best first
    threshold     place in that list of the run's own confidence
    main          the ROI that is selected first; -1: the run has no ROI
    """
    trace = trace.numpy()
    rows = roi_rows(trace)
    rois = np.array([row["roi"] for row in rows], int)
    mask_level_of = _mask_levels(trace)
    columns = {name: [row[name] for row in rows] for name in SHOWN_COLUMNS}
    columns["mask_level"] = [mask_level_of.get(roi) for roi in rois.tolist()]
    fate_of = fates(trace)
    tips = {row["roi"]: _tip(row, fate_of[row["roi"]], mask_level_of) for row in rows}
    panels = [_roi_panel(trace, rois), _chart(trace, rois)]
    sample_y, sample_x = _samples(trace, rois)
    thresholds, class_name = thresholds_of(trace), trace.config.class_name
    return {
        "image": _image(trace.image.resized[0]),
        "rois": columns,
        "levels": _level_options(columns["level"]),
        "classes": _options(columns["class_id"], class_name, most_frequent_first=False),
        "fates": _options(columns["fate"], _fate_text, most_frequent_first=True),
        "scene": _portable({"panels": panels, "tips": tips}),
        "pool_size": trace.config.pool_size,
        "sample_y": _portable(sample_y),
        "sample_x": _portable(sample_x),
        "lineage": [_lineage(trace, roi) for roi in rois.tolist()],
        "detections": _portable(_detection_panel(trace, rois)),
        "thresholds": thresholds.table,
        "threshold": thresholds.own,
        "main": _main_roi(trace) if rows else -1,
    }


def as_json(value: dict[str, Any]) -> str:
    """Return JSON for a script block: it holds no `<`, so no name in it can end the block.

    NaN and infinity, which JSON lacks, become null.
    """
    text = json.dumps(
        _without_nan(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.replace("<", "\\u003c")


def _without_nan(value: Any) -> Any:
    """Return the same value with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _main_roi(trace: Trace) -> int:
    """The ROI of the best detection, or the best ROI if there is no detection."""
    found = trace.detections.detection_roi[0]
    return max(int(found[0]), 0) if len(found) else 0


def _image(image: UInt8[np.ndarray, "H W 3"]) -> dict[str, Any]:
    """The molded image as a JPEG in a data URI, with its size."""
    packed = io.BytesIO()
    Image.fromarray(as_image(image)).save(packed, format="JPEG", quality=QUALITY)
    height, width = image.shape[:2]
    src = f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"
    return {"src": src, "width": width, "height": height}


def _level_options(levels: list[int]) -> list[dict[str, Any]]:
    """Every level with its colour and its number of ROIs, as options of a filter."""
    return [
        {"value": k, "text": f"P{k}", "count": levels.count(k), "color": LEVEL_COLORS[k]}
        for k in ROI_LEVELS
    ]


def _options(
    values: list[Any], name: Callable[[Any], str], *, most_frequent_first: bool
) -> list[dict[str, Any]]:
    """The different values of a column with their names and counts, as options of a filter."""
    counts = Counter(values)
    order = [value for value, _ in counts.most_common()] if most_frequent_first else sorted(counts)
    return [{"value": value, "text": name(value), "count": counts[value]} for value in order]


def _fate_text(word: str) -> str:
    return str(FateKind(word))


def _lineage(trace: Trace, roi: int) -> list[list[str]]:
    """The steps of one ROI, each [stage, text]."""
    return [[step.stage, step.text] for step in trace.lineage(roi=roi).steps]


def _roi_panel(trace: Trace, rois: Int[np.ndarray, "R"]) -> Panel:
    """The ROIs on the image, in the colours of their levels."""
    # Large ones first, so that small ones lie on top of them.
    rois = rois[np.argsort(-trace.levels.side[0][rois], kind="stable")]
    levels = trace.levels.roi_level[0][rois]
    image = trace.image.resized[0]
    places = to_pixels(trace.proposals.rpn_rois[0][rois], image)
    title = "ROIs in the colours of their levels"
    return image_panel(title, image, boxes=[level_boxes(places, levels, rois)])


def _chart(trace: Trace, rois: Int[np.ndarray, "R"]) -> Panel:
    """The ROIs on the level equation of this run."""
    levels, settings = trace.levels, level_settings(trace)
    return level_chart(
        levels.side[0],
        levels.exact_level[0],
        levels.roi_level[0],
        rois,
        level_boundaries(**settings),
        lowest=settings["lowest"],
        highest=settings["highest"],
        canonical_side=settings["canonical_side"],
        canonical_level=settings["canonical_level"],
    )


def _detection_panel(trace: Trace, rois: Int[np.ndarray, "R"]) -> Panel:
    """The boxes and labels of all ROIs that some confidence threshold makes detections."""
    class_ids, scores = trace.detections.class_ids[0], trace.detections.class_scores[0]
    image = trace.image.resized[0]
    places = to_pixels(trace.detections.refined_rois_clipped[0], image)
    rois = rois[class_ids[rois] > 0]
    # Better ones later: they are drawn on top of the others.
    rois = rois[np.argsort(scores[rois], kind="stable")]
    labels: list[Label] = []
    for roi in rois.tolist():
        class_id = int(class_ids[roi])
        top, left, bottom, _ = places[roi]
        text = f"{trace.config.class_name(class_id)} {scores[roi]:.2f}"
        color = class_color(class_id)
        named = label(text, left, top, box_bottom=bottom, background=color, size=11)
        labels.append({**named, "avoids_labels": True, "row": roi})
    colors = [class_color(int(k)) for k in class_ids[rois]]
    frames = [boxes(places[rois], colors, rois, width=2)]
    return image_panel("Detections", image, fade=0.75, below_text=True, boxes=frames, labels=labels)


def _tip(row: dict[str, Any], fate: Fate, mask_level_of: dict[int, int]) -> str:
    """What hovering over an ROI shows."""
    level = f"reads P{row['level']}"
    if row["roi"] in mask_level_of:
        level += f"; its mask P{mask_level_of[row['roi']]}"
    return (
        f"ROI {row['roi']}: {row['class']} {row['probability']:.3f}\n"
        f"side {row['side']:.1f} px, k = {row['exact_level']:.2f}, {level}\n{fate}"
    )


def _mask_levels(trace: Trace) -> dict[int, int]:
    """The level that the mask of a detection reads, by the ROI of the detection."""
    rois = trace.detections.detection_roi[0].tolist()
    levels = trace.mask_levels.roi_level[0].tolist()
    return {roi: level for roi, level in zip(rois, levels, strict=True) if roi >= 0}


def _samples(
    trace: Trace, rois: Int[np.ndarray, "R"]
) -> tuple[Float32[np.ndarray, "R P"], Float32[np.ndarray, "R P"]]:
    """Rows and columns of the samples of ROIs, in pixels of the molded image."""
    height, width = trace.image.resized[0].shape[:2]
    sample_y = np.zeros([len(rois), trace.config.pool_size], np.float32)
    sample_x = np.zeros_like(sample_y)
    for place, roi in enumerate(rois.tolist()):
        level, row = find_roi(trace.crops, roi)
        rows, columns = getattr(trace.pyramid, f"p{level}").shape[1:3]
        y = trace.crops.sample_y[level - LOWEST][row]
        x = trace.crops.sample_x[level - LOWEST][row]
        sample_y[place, : len(y)] = cells_to_pixels(y, rows, height)
        sample_x[place, : len(x)] = cells_to_pixels(x, columns, width)
    return sample_y, sample_x


def _portable(value: Any) -> Any:
    """The same value with base64 for bytes and arrays, and plain numbers for NumPy's."""
    if isinstance(value, dict):
        return {key: _portable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(part) for part in value]
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value, "<f4").tobytes()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.item() if isinstance(value, np.generic) else value
