"""What a Map says about each stage of the catalogue: the shape that leaves it, how it was made."""

from collections import Counter

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import OneImage
from mrcnn_explained.scenes.map_format import StageFacts
from mrcnn_explained.stages.catalog import STAGES

MOST_COLUMNS = 12  # classes with a column of their own


def stage_facts(one: OneImage) -> list[StageFacts]:
    """Return the stages in the order of the data."""
    shapes = _shapes(one)
    return [
        {
            "number": stage.number,
            "module": stage.module,
            "call": stage.callable_name,
            "fields": list(stage.trace_fields),
            "shape": shapes[stage.module],
            "changed": _changed(one.trace, stage.trace_fields),
        }
        for stage in STAGES
    ]


def _changed(trace: Trace, fields: tuple[str, ...]) -> str:
    """Return how results of a stage were made if its own function did not compute them."""
    edited = [name for name in fields if name in trace.run.edited]
    replaced = [name for name in fields if name in trace.run.replaced]
    said = []
    if edited:
        said.append(f"{', '.join(edited)} edited by hand")
    if replaced:
        said.append(f"{', '.join(replaced)} computed by another function")
    return "; ".join(said)


def _shapes(one: OneImage) -> dict[str, str]:
    """Return the shape that leaves each stage, for one image."""
    trace, config = one.trace, one.trace.config
    height, width, channels = (int(side) for side in one.of("image", "molded_shape"))
    features, classes = int(trace.pyramid.p2.shape[-1]), config.num_classes
    rois, detections = len(one.of("proposals", "valid")), len(one.of("detections", "valid"))
    candidates, anchors = len(one.of("proposals", "scores")), len(trace.anchors.level)
    pool, mask_pool = config.pool_size, config.mask_pool_size
    side = int(trace.mask_head.class_mask.shape[-1])
    h, w = (int(v) for v in one.of("image", "original_shape")[:2])
    return {
        "image": f"{height}×{width}×{channels}",
        "backbone": "C1 … C5",
        "pyramid": f"P2 … P6, ×{features}",
        "anchors": f"{anchors:,}×4",
        "rpn": f"{anchors:,}×2, ×4",
        "proposals": f"{candidates:,} → {rois:,}×4" if candidates else f"{rois:,}×4",
        "levels": f"{rois:,}",
        "crops": f"{pool}×{pool}×{features} each",
        "reorder": f"{rois:,}×{pool}×{pool}×{features}",
        "box_head": f"{rois:,}×{classes}, ×4",
        "detections": f"{rois:,} → {detections:,}×6",
        "mask_head": f"{mask_pool}×{mask_pool} → {side}×{side}",
        "instances": f"{len(one.of('instances', 'rois'))} of {h}×{w}",
    }


def columns_of(one: OneImage) -> list[int]:
    """Return the classes worth a column: background, then the most frequent, in their order."""
    count = one.trace.config.num_classes
    if count <= MOST_COLUMNS:
        return list(range(count))
    found = Counter(one.of("detections", "class_ids").tolist())
    found.pop(0, None)
    return [0, *sorted(k for k, _ in found.most_common(MOST_COLUMNS - 1))]
