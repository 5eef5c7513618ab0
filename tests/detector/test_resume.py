"""Resume and with_stage: only what is downstream of a change is computed, as in a full run."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_tiny_model, noise_image

from mrcnn_explained.detector.network import WeightsOrigin
from mrcnn_explained.detector.resume import BESIDE_CONFIG, COMPUTED, IN_CONFIG
from mrcnn_explained.detector.schema import StageError
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.levels import assign_levels


def same(ours, theirs):
    """Bit for bit, every tensor."""
    for (name, x), (other, y) in zip(ours.tensors(), theirs.tensors(), strict=True):
        assert name == other
        np.testing.assert_array_equal(x, y, err_msg=name)


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def eager_trace(tiny_model, tiny_images):
    tf.config.run_functions_eagerly(True)
    try:
        return tiny_model.trace(tiny_images)
    finally:
        tf.config.run_functions_eagerly(False)


CHANGES = [
    ({"proposals": {"nms_threshold": 0.3}}, {"rpn_nms_threshold": 0.3}),
    ({"proposals": {"count": 20, "pre_nms_limit": 300}},
     {"post_nms_rois_inference": 20, "pre_nms_limit": 300}),
    ({"levels": {"rounding": "floor"}}, {"level_rounding": "floor"}),
    ({"detections": {"min_confidence": 0.5, "max_instances": 4}},
     {"detection_min_confidence": 0.5, "detection_max_instances": 4}),
    ({"detections": {"std_dev": (0.2, 0.2, 0.1, 0.1)}, "levels": {"rounding": "floor"}},
     {"bbox_std_dev": (0.2, 0.2, 0.1, 0.1), "level_rounding": "floor"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "fields"), CHANGES)
def test_resume_is_a_full_run_with_the_same_change(
    eagerly, tiny_model, tiny_images, eager_trace, changes, fields
):
    full = tiny_model.with_config(**fields).trace(tiny_images)
    resumed = tiny_model.resume(eager_trace, **changes)
    same(resumed, full)
    assert resumed.config == full.config and not resumed.has_given_rois


@pytest.mark.parametrize("after", COMPUTED)
def test_nothing_changed_gives_the_same_behind_every_stage(eagerly, tiny_model, eager_trace, after):
    same(tiny_model.resume(eager_trace, after=after), eager_trace)


def test_settings_that_the_config_has_not(eagerly, tiny_model, eager_trace):
    resumed = tiny_model.resume(eager_trace, levels={"canonical_side": 56})
    rois = eager_trace.proposals.rpn_rois
    shape = tf.constant(eager_trace.image.molded.shape[1:3])
    expected = assign_levels(rois, shape, canonical_side=56)
    np.testing.assert_array_equal(resumed.levels.roi_level, expected.roi_level)
    masks = assign_levels(resumed.detections.detections[..., :4], shape, canonical_side=56)
    np.testing.assert_array_equal(resumed.mask_levels.roi_level, masks.roi_level)
    # They stay with the run when it goes on, and so does what the config has.
    again = tiny_model.resume(resumed, detections={"max_instances": 3})
    np.testing.assert_array_equal(again.levels.roi_level, expected.roi_level)
    third = tiny_model.resume(again, proposals={"count": 16})
    assert third.config.detection_max_instances == 3
    assert third.run.settings == resumed.run.settings != eager_trace.run.settings
    np.testing.assert_array_equal(third.levels.roi_level, expected.roi_level[:, :16])


def test_mask_threshold(eagerly, tiny_model, eager_trace):
    low, high = (tiny_model.resume(eager_trace, instances={"mask_threshold": x}) for x in (0, 0.6))
    for few, many in zip(high.instances.masks, low.instances.masks, strict=True):
        assert many.sum() > few.sum() and not (few & ~many).any()


def test_what_comes_before_is_the_same_object(tiny_model, eager_trace):
    resumed = tiny_model.resume(eager_trace, detections={"min_confidence": 0.5})
    for stage in COMPUTED[: COMPUTED.index("detections")]:
        assert getattr(resumed, stage) is getattr(eager_trace, stage)


def test_an_edited_result_goes_on(tiny_model, eager_trace):
    edited = eager_trace.levels._replace(roi_level=tf.fill([2, 32], 4))
    resumed = tiny_model.resume(eager_trace._replace(levels=edited), after="levels")
    assert [len(ix) for ix in resumed.crops.ix] == [0, 0, 64, 0]
    assert resumed.reordered.home.numpy().all() and resumed.run.edited == ("levels",)
    assert not np.array_equal(resumed.box_head.shared, eager_trace.box_head.shared)


def test_perfect_classes(tiny_model, eager_trace):
    one_hot = tf.one_hot(tf.fill([2, 32], 2), 4)
    head = eager_trace.box_head._replace(mrcnn_class=one_hot)
    resumed = tiny_model.resume(eager_trace._replace(box_head=head), after="box_head")
    assert set(resumed.detections.class_ids.numpy().ravel()) == {2}
    assert (resumed.instances.class_ids[0] == 2).all()


def test_given_rois_stay_given(eagerly, tiny_model, tiny_images):
    trace = tiny_model.trace(tiny_images, rois=[[[5, 5, 60, 60]], [[10, 0, 50, 40]]])
    resumed = tiny_model.resume(trace, after="rpn")
    same(resumed, trace)
    assert resumed.has_given_rois


def test_from_a_file_with_what_it_needs(tiny_model, eager_trace, tmp_path):
    from mrcnn_explained.detector.trace import BULKY

    eager_trace.save(tmp_path / "run.npz", omit=BULKY)
    loaded = Trace.load(tmp_path / "run.npz")
    resumed = tiny_model.resume(loaded, proposals={"nms_threshold": 0.3})
    expected = tiny_model.resume(eager_trace, proposals={"nms_threshold": 0.3})
    np.testing.assert_array_equal(resumed.detections.detections, expected.detections.detections)
    with pytest.raises(InputError, match="reordered.pooled .* was left out"):
        tiny_model.resume(loaded, after="reordered")


REFUSED = [
    ({}, "nothing to resume"),
    ({"after": "nms"}, "'nms' is not a stage of a trace; one of image, backbone"),
    ({"levels": {"round": "floor"}}, "levels has no setting 'round' that can change; one of roun"),
    ({"crops": {"pool_size": 3}}, "'pool_size' of crops decides the shapes"),
    ({"box_head": {"x": 3}}, "box_head has no settings that can change; stages that have"),
    ({"zoo": {"x": 3}}, "'zoo' is not a stage with settings; one of proposals"),
    ({"after": "levels", "proposals": {"count": 3}}, "proposals is upstream of the end of levels"),
    ({"proposals": {"nms_threshold": 3}}, "rpn_nms_threshold is 3"),
    ({"levels": 5}, "levels=5; expected its settings by name"),
    ({"levels": {"lowest": 1}}, "lowest of levels is 1; expected a whole number from 2 to 5"),
    ({"levels": {"highest": "4"}}, "highest of levels is '4'; expected a whole number"),
    ({"levels": {"lowest": 5, "highest": 2}}, "the lowest level, 5, is above the highest, 2"),
    ({"levels": {"canonical_side": 0}}, "canonical_side of levels is 0; expected a number from 1"),
    ({"mask_levels": {"rounding": "flor"}}, "is 'flor'; expected one of round, floor"),
    ({"instances": {"mask_threshold": 7}}, "is 7; expected a number from 0 to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "words"), REFUSED)
def test_what_cannot_be_resumed(tiny_model, eager_trace, wish, words):
    with pytest.raises(InputError, match=words):
        tiny_model.resume(eager_trace, **wish)


def test_a_trace_of_another_model(tiny_model, eager_trace):
    other = make_tiny_model(num_classes=5)
    with pytest.raises(InputError, match="they differ in num_classes: resume it with the model"):
        other.resume(eager_trace, after="levels")
    run = dataclasses.replace(eager_trace.run, weights="mine.h5", weights_sha256="0" * 64)
    with pytest.raises(InputError, match=r"'mine.h5' \(sha256 0{8}\), the model has 'random'"):
        tiny_model.resume(eager_trace._replace(run=run), after="levels")


def test_every_setting_belongs_to_a_stage_function():
    import inspect

    from mrcnn_explained.stages.catalog import STAGES

    for stage, arguments in [*IN_CONFIG.items(), *BESIDE_CONFIG.items()]:
        call = next(s.call for s in STAGES if stage in s.trace_fields)
        assert set(arguments) <= set(inspect.signature(call).parameters)


# with_stage ----------------------------------------------------------------------------------


def third_level(rois, image_shape, *, rounding):
    r = assign_levels(rois, image_shape, rounding=rounding)
    return r._replace(roi_level=tf.fill(tf.shape(r.roi_level), 3))


@pytest.mark.parametrize("mode_of_run", ["graph", "eager"])
def test_the_callers_function_runs_in_place_of_a_stage(tiny_model, tiny_images, mode_of_run):
    tf.config.run_functions_eagerly(mode_of_run == "eager")
    try:
        trace = tiny_model.with_stage(levels=third_level).trace(tiny_images)
    finally:
        tf.config.run_functions_eagerly(False)
    assert set(trace.levels.roi_level.numpy().ravel()) == {3}
    assert set(trace.mask_levels.roi_level.numpy().ravel()) == {3}
    assert trace.run.replaced == ("mask_levels", "levels")
    assert set(tiny_model.trace(tiny_images).levels.roi_level.numpy().ravel()) != {3}


def test_the_same_function_gives_the_same_run(eagerly, tiny_model, tiny_images, eager_trace):
    own = lambda *inputs, **settings: assign_levels(*inputs, **settings)  # noqa: E731
    same(tiny_model.with_stage(levels=own).trace(tiny_images), eager_trace)


@pytest.mark.filterwarnings("ignore::mrcnn_explained.errors.RandomWeightsWarning")
def test_detect_and_resume_run_it_too(tiny_model, tiny_images, eager_trace):
    def no_objects(rois, mrcnn_class, *rest, **settings):
        from mrcnn_explained.stages.detections import select_detections

        background = tf.one_hot(tf.zeros(tf.shape(mrcnn_class)[:2], tf.int32), 4)
        return select_detections(rois, background, *rest, **settings)

    model = tiny_model.with_stage(detections=no_objects)
    assert eager_trace.detections.valid.numpy().any()
    assert all(len(found["rois"]) == 0 for found in model.detect(tiny_images))
    assert not model.resume(eager_trace, after="box_head").detections.valid.numpy().any()


@pytest.mark.parametrize(
    "stage", ["image", "anchors", "backbone", "pyramid", "rpn", "crops", "mask_head", "instances"]
)
def test_every_kind_of_stage_can_be_replaced(tiny_model, tiny_images, stage):
    from mrcnn_explained.stages.catalog import STAGES

    called = []
    parts = {"backbone": tiny_model.extract_features, "pyramid": tiny_model.pyramid,
             "rpn": tiny_model.rpn, "mask_head": tiny_model.mask_head}  # fmt: skip
    own = parts.get(stage) or next(s.call for s in STAGES if stage in s.trace_fields)

    def spy(*inputs, **settings):
        called.append(stage)
        return own(*inputs, **settings)

    tiny_model.with_stage(**{stage: spy}).trace(tiny_images)
    assert called


WRONG = [
    (lambda rois: rois, r"cannot be called as levels\(…, …, rounding='round'\): too many pos"),
    (lambda rois, shape: rois, "got an unexpected keyword argument 'rounding'"),
    (lambda rois, shape, **_: None, "returned nothing .None.: does it end with return"),
    (lambda rois, shape, **_: rois, r"returned \w*Tensor; expected LevelAssignment\(h, w, side"),
    (lambda r, s, **_: assign_levels(r, s)._replace(roi_level=assign_levels(r, s).side),
     r"levels.roi_level came as float32 \[1, 32\]; expected int32 \[1, 32\]: tf.cast\(…, tf.int32"),
    (lambda r, s, **_: assign_levels(r[:, :5], s),
     r"levels.h came with shape \[1, 5\]; expected \[1, 32\]"),
    (lambda r, s, **_: assign_levels(r, s)._replace(w=[1, 2]),
     r"levels.w came as list; expected a tensor, float32 \[1, 32\]"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), WRONG)
def test_a_function_that_does_something_else_is_told_so(tiny_model, function, words):
    with pytest.raises(StageError, match=words):
        tiny_model.with_stage(levels=function).trace(noise_image(100, 128))


def test_parts_of_a_result_are_checked_too(tiny_model, tiny_images):
    from mrcnn_explained.stages.crops import crop_levels
    from mrcnn_explained.stages.proposals import propose

    def few(*inputs, **settings):
        found = crop_levels(*inputs, **settings)
        return found._replace(pooled=found.pooled[:2])

    with pytest.raises(StageError, match="crops.pooled came as tuple; expected a tuple of 4"):
        tiny_model.with_stage(crops=few).trace(tiny_images)

    def odd(*inputs, **settings):
        found = propose(*inputs, **settings)
        return found._replace(nms=found.nms._replace(rank=found.scores))

    with pytest.raises(StageError, match=r"proposals.nms.rank came as float32"):
        tiny_model.with_stage(proposals=odd).trace(tiny_images)


def test_a_name_that_is_no_stage(tiny_model):
    with pytest.raises(InputError, match="'roi_align' is not a stage; one of image, backbone"):
        tiny_model.with_stage(roi_align=assign_levels)


def test_a_mistake_inside_the_function_keeps_its_traceback(tiny_model):
    def broken(rois, image_shape, **settings):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        tiny_model.with_stage(levels=broken).trace(noise_image(100, 128))


EDITED = [
    (lambda levels: levels.roi_level, "the levels of this trace came as .*; expected LevelAssign"),
    (lambda levels: levels._replace(roi_level=levels.roi_level * 0 + 6),
     r"levels.roi_level\[0, 0\]: expected 2…5, is 6: these levels cannot be resumed from"),
    (lambda levels: levels._replace(roi_level=np.full([64], 3, np.int32)),
     r"levels.roi_level: expected Int32 \[B N\], is int32 \[64\]"),
    (lambda levels: levels._replace(roi_level=np.full([2, 32], 3)),
     r"levels.roi_level: expected Int32 \[B N\], is int64 \[2, 32\]"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), EDITED)
def test_an_edited_result_that_cannot_be_used_is_refused(tiny_model, eager_trace, edit, words):
    with pytest.raises(InputError, match=words):
        tiny_model.resume(eager_trace._replace(levels=edit(eager_trace.levels)), after="levels")


def test_levels_hold_for_masks_after_an_earlier_wish_for_them_alone(tiny_model, eager_trace):
    apart = tiny_model.resume(eager_trace, mask_levels={"rounding": "floor"})
    both = tiny_model.resume(apart, levels={"rounding": "round"})
    same(both, tiny_model.resume(eager_trace, levels={"rounding": "round"}))


def test_a_numpy_number_is_a_number(tiny_model, eager_trace):
    found = tiny_model.resume(eager_trace, instances={"mask_threshold": np.float32(0.25)})
    same(found, tiny_model.resume(eager_trace, instances={"mask_threshold": 0.25}))


def test_given_rois_have_no_settings_of_proposals(tiny_model, tiny_images):
    trace = tiny_model.trace(tiny_images[0], rois=[[5, 5, 60, 60]])
    with pytest.raises(InputError, match="the ROIs of this trace were given"):
        tiny_model.resume(trace, proposals={"count": 1})


def test_what_was_edited_or_replaced_is_told_as_long_as_it_is_there(tiny_model, eager_trace):
    own = tiny_model.with_stage(levels=assign_levels)
    edited = own.resume(own.resume(eager_trace, after="levels"), after="levels")
    assert (edited.run.edited, edited.run.replaced) == (("levels",), ("mask_levels",))
    anew = tiny_model.resume(edited, proposals={"nms_threshold": 0.3})
    assert (anew.run.edited, anew.run.replaced) == ((), ())
    made = own.resume(eager_trace, after="proposals")
    kept = tiny_model.resume(made, detections={"min_confidence": 0.5})
    assert kept.run.replaced == ("levels",)  # those levels are still in it


def test_training_makes_another_model(tiny_model, eager_trace):
    import copy

    trained = copy.copy(tiny_model)
    trained.origin = WeightsOrigin()  # of its own: this one is of weights that differ
    trained.weights_from = "random, trained to step 3"
    trained.weights_sha256 = lambda: "1" * 64
    with pytest.raises(InputError, match="weights 'random' .*, the model has 'random, trained to"):
        trained.resume(eager_trace, after="levels")


@pytest.mark.filterwarnings("ignore::mrcnn_explained.errors.RandomWeightsWarning")
def test_a_function_of_a_stage_may_look_at_values(tiny_model, tiny_images):
    def largest_first(rois, image_shape, **settings):
        found = assign_levels(rois, image_shape, **settings)
        level = found.roi_level.numpy()
        if level.max() > 2:
            level[found.side.numpy() > 60] = 5
        return found._replace(roi_level=tf.constant(level))

    model = tiny_model.with_stage(levels=largest_first)
    trace = model.trace(tiny_images)
    assert (trace.levels.roi_level.numpy()[trace.levels.side.numpy() > 60] == 5).all()
    assert len(model.detect(tiny_images)) == len(tiny_images)


def test_levels_that_no_map_has_are_told(tiny_model, tiny_images):
    def too_high(rois, image_shape, **settings):
        found = assign_levels(rois, image_shape, **settings)
        return found._replace(roi_level=found.roi_level + 3)

    with pytest.raises(StageError, match="roi_level holds [678]; ROIs read the levels 2 to 5: tf"):
        tiny_model.with_stage(levels=too_high).trace(tiny_images)


def test_a_crop_too_few_is_told(tiny_model, tiny_images):
    from mrcnn_explained.stages.crops import crop_levels

    def few(*inputs, **settings):
        found = crop_levels(*inputs, **settings)
        return found._replace(pooled=tuple(p[1:] for p in found.pooled))

    with pytest.raises(StageError, match=r"crops.pooled\[0\] came with shape"):
        tiny_model.with_stage(crops=few).trace(tiny_images)


def test_what_does_not_say_its_arguments_and_given_rois(tiny_model, tiny_images):
    from mrcnn_explained.stages.proposals import propose

    with pytest.raises(StageError, match="does not list its arguments"):
        tiny_model.with_stage(levels=max).trace(tiny_images[0])
    model = tiny_model.with_stage(proposals=propose)  # given ROIs ask nobody for proposals
    rois = [[5, 5, 60, 60]]
    other = tiny_model.with_stage(levels=assign_levels)
    same(model.trace(tiny_images[0], rois=rois), other.trace(tiny_images[0], rois=rois))
