"""What holds for every stage: the model returns what the stage returns, in the documented shapes.

And every golden is compared with something.
"""

import ast
import inspect
import re
import typing
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import close

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.schema import wrong_shapes
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.stages import catalog
from mrcnn_explained.stages.anchors import pyramid_anchors
from mrcnn_explained.stages.crops import crop_levels
from mrcnn_explained.stages.detections import select_detections
from mrcnn_explained.stages.image import mold_image
from mrcnn_explained.stages.instances import unmold
from mrcnn_explained.stages.levels import assign_levels
from mrcnn_explained.stages.proposals import propose
from mrcnn_explained.stages.reorder import reorder

TESTS = Path(__file__).parent.parent
STAGES = [stage for stage in Trace._fields if stage != "run"]


# What the model returns is what the stage returns --------------------------------------------


def again(trace, model):
    """Every stage called again on the trace's own inputs, as in a notebook."""
    c, t = model.config, tf.nest.map_structure(tf.constant, trace._replace(image=(), run=()))
    molded, meta = tf.constant(trace.image.molded), trace.image.image_meta.astype(np.float32)
    shape = tf.constant(meta[0, 4:6])
    boxes = t.detections.detections[..., :4]
    rounding = {"rounding": c.level_rounding}
    batch_shape = lambda rois: tf.shape(rois)[:2]  # noqa: E731
    yield "image", lambda: mold_image(
        trace.image.original, min_dim=c.image_min_dim, max_dim=c.image_max_dim,
        mode=c.image_resize_mode, mean_pixel=c.mean_pixel, num_classes=c.num_classes,
    )  # fmt: skip
    yield "backbone", lambda: model.backbone(molded)
    yield "pyramid", lambda: model.pyramid(t.backbone.pyramid_maps)
    yield (
        "anchors",
        lambda: pyramid_anchors(
            trace.image.molded.shape[1:3], scales=c.rpn_anchor_scales, ratios=c.rpn_anchor_ratios
        ),
    )
    yield "rpn", lambda: model.rpn(t.pyramid.rpn_maps)
    yield "proposals", lambda: propose(
        t.rpn.rpn_class, t.rpn.rpn_bbox, t.anchors.boxes, count=c.post_nms_rois_inference,
        pre_nms_limit=c.pre_nms_limit, nms_threshold=c.rpn_nms_threshold,
        std_dev=c.rpn_bbox_std_dev,
    )  # fmt: skip
    yield "levels", lambda: assign_levels(t.proposals.rpn_rois, shape, **rounding)
    yield (
        "crops",
        lambda: crop_levels(
            t.proposals.rpn_rois, t.levels.roi_level, t.pyramid.roi_maps, pool_size=c.pool_size
        ),
    )
    yield (
        "reordered",
        lambda: reorder(t.crops.ix, t.crops.pooled, batch_shape(t.proposals.rpn_rois)),
    )
    yield "box_head", lambda: model.box_head(t.reordered.pooled)
    yield "detections", lambda: select_detections(
        t.proposals.rpn_rois, t.box_head.mrcnn_class, t.box_head.mrcnn_bbox,
        norm_boxes(tf.constant(meta[:, 7:11]), shape), min_confidence=c.detection_min_confidence,
        nms_threshold=c.detection_nms_threshold, max_instances=c.detection_max_instances,
        std_dev=c.bbox_std_dev,
    )  # fmt: skip
    yield "mask_levels", lambda: assign_levels(boxes, shape, **rounding)
    yield (
        "mask_crops",
        lambda: crop_levels(
            boxes, t.mask_levels.roi_level, t.pyramid.roi_maps, pool_size=c.mask_pool_size
        ),
    )
    yield (
        "mask_reordered",
        lambda: reorder(t.mask_crops.ix, t.mask_crops.pooled, batch_shape(boxes)),
    )
    yield (
        "mask_head",
        lambda: model.mask_head(
            t.mask_reordered.pooled,
            tf.cast(t.detections.detections[..., 4], tf.int32),
            t.detections.valid,
        ),
    )
    yield "instances", lambda: unmold(
        trace.detections.detections, trace.mask_head.class_mask, trace.image.original_shape,
        trace.image.molded_shape, trace.image.window,
    )  # fmt: skip


def leaves(value, path=""):
    """(path, array) for every tensor of a result."""
    if isinstance(value, tuple):
        names = getattr(value, "_fields", range(len(value)))
        for name, part in zip(names, value, strict=True):
            yield from leaves(part, f"{path}.{name}")
    else:
        yield path, np.asarray(value)


@pytest.mark.parametrize("stage", STAGES)
def test_the_model_returns_what_the_stage_returns(tiny_trace, tiny_model, stage):
    calls = dict(again(tiny_trace, tiny_model))
    assert list(calls) == STAGES  # a new stage must be added here
    found, expected = calls[stage](), getattr(tiny_trace, stage)
    assert type(found) is type(expected)
    for (path, ours), (_, theirs) in zip(leaves(found), leaves(expected), strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, path
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-4, atol=1e-5 * max(1, np.abs(_finite(theirs)).max(initial=0)),
                err_msg=path,
            )  # fmt: skip
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=path)


def _finite(x):
    return x[np.isfinite(x)]


# Shapes and docstrings ------------------------------------------------------------------------


def check_shapes(trace, stage):
    """Dimensions of one name agree within one result, and image sizes with the molded one."""
    assert not wrong_shapes(trace, stage), str(wrong_shapes(trace, stage)[0])


@pytest.mark.parametrize("stage", STAGES)
def test_every_tensor_has_the_shape_of_its_annotation(tiny_trace, stage):
    check_shapes(tiny_trace, stage)


@pytest.mark.parametrize("stage", STAGES)
def test_so_has_every_tensor_of_a_real_model(golden_trace, stage):
    check_shapes(golden_trace, stage)


@pytest.mark.slow
def test_the_shapes_of_a_run_on_given_rois_and_of_one_that_finds_nothing(tiny_model, tiny_images):
    given = [np.array([[10, 10, 50, 60], [0, 0, 90, 60]])] * 2
    some = tiny_model.trace(tiny_images, rois=given).numpy()
    nothing = tiny_model.with_config(detection_min_confidence=1.0).trace(tiny_images).numpy()
    assert not nothing.detections.valid.any()
    for trace in (some, nothing):
        for stage in STAGES:
            check_shapes(trace, stage)


def test_the_check_of_shapes_notices_a_wrong_one(tiny_trace):
    levels = tiny_trace.levels
    for wrong in (levels.h[:, 1:], levels.h.astype(np.float64), levels.h[:1]):
        with pytest.raises(AssertionError, match=r"levels\.[hw]: expected Float32 \[B N\], is"):
            check_shapes(tiny_trace._replace(levels=levels._replace(h=wrong)), "levels")


@pytest.mark.parametrize("stage", catalog.STAGES, ids=lambda stage: stage.module)
def test_every_field_has_a_meaning(stage):
    assert all(field.meaning.strip() for field in catalog.fields(stage.result))
    assert inspect.getdoc(stage.result)


def test_the_catalog_lists_every_stage_of_a_trace():
    listed = [field for stage in catalog.STAGES for field in stage.trace_fields]
    assert sorted(listed) == sorted(STAGES)
    for stage in catalog.STAGES:
        assert all(typing.get_type_hints(Trace)[f] is stage.result for f in stage.trace_fields)


@pytest.mark.parametrize("stage", catalog.STAGES, ids=lambda stage: stage.module)
def test_every_stage_names_its_source_its_input_and_its_output(stage):
    for line in ("Input", "Output", "Shapes"):
        assert re.search(rf"^{line} ", stage.doc, re.MULTILINE), line
    assert re.search(r"^(Paper|Source) ", stage.doc, re.MULTILINE)


@pytest.mark.parametrize("stage", catalog.STAGES, ids=lambda stage: stage.module)
def test_every_public_name_of_a_stage_is_documented(stage):
    module = inspect.getmodule(stage.result)
    for name, thing in vars(module).items():
        home = getattr(thing, "__module__", None)
        if name.startswith("_") or home != module.__name__ or not callable(thing):
            continue
        assert inspect.getdoc(thing), f"{module.__name__}.{name}"
        if inspect.isclass(thing) and not hasattr(thing, "_fields"):
            for member, function in vars(thing).items():
                if inspect.isfunction(function) and not member.startswith("_"):
                    assert function.__doc__, f"{name}.{member}"


# The goldens ----------------------------------------------------------------------------------


def golden_keys_used(names):
    """Patterns of the keys that tests read, out of their source: goldens[f"feat_{x}_mean"]."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", None) in names:
                key = node.slice
                parts = key.values if isinstance(key, ast.JoinedStr) else [key]
                texts = [p.value if isinstance(p, ast.Constant) else None for p in parts]
                if any(isinstance(text, str) and len(text) > 1 for text in texts):
                    yield "".join(r"[\w.]+?" if t is None else re.escape(str(t)) for t in texts)


@pytest.mark.parametrize(
    ("name", "fixture"), [("inference", "goldens"), ("roi_align", "roi_goldens")]
)
def test_every_golden_is_held_against_something(name, fixture, request):
    keys = set(request.getfixturevalue(fixture))
    patterns = set(golden_keys_used({"goldens", "roi_goldens"}))
    unused = {key for key in keys if not any(re.fullmatch(p, key) for p in patterns)}
    # Names that come from a parametrised variable alone, f"{name}_every7", count as used.
    assert not unused, f"{name}.npz: {sorted(unused)}"


def test_the_whole_network_agrees_in_graph_and_eagerly(golden_model, golden_trace):
    # One image is enough; the second proves nothing more.
    graph = golden_trace.rpn.rpn_class[:1]
    molded = tf.constant(golden_trace.image.molded[:1])
    eager = golden_model.rpn(golden_model.pyramid(golden_model.backbone(molded)[1:]).rpn_maps)
    close(eager.rpn_class, graph, spread=1e-3)
