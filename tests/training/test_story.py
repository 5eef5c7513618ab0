"""Training stories: what is kept of a run, and the story that the package includes."""

import numpy as np
import pytest
from conftest import noise_image

from mrcnn_explained.boxes import iou
from mrcnn_explained.config import LOSSES
from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.training.story import (
    ROIS,
    STORY,
    SceneResult,
    Snapshot,
    TrainingStory,
    read_story,
    scene_result,
    write_story,
)


@pytest.fixture(scope="module")
def trace(tiny_model):
    side = tiny_model.config.image_max_dim
    model = tiny_model.with_config(detection_min_confidence=0.2)
    return model.trace([noise_image(side, side, seed=1), noise_image(side, side, seed=2)])


def test_a_scene_is_what_the_run_returned(trace):
    kept = scene_result(trace, 1)
    valid = np.flatnonzero(trace.proposals.valid[1])[:ROIS]
    side = trace.image.molded.shape[1]
    rois = trace.proposals.rpn_rois.numpy()[1, valid] * (side - 1) + [0, 0, 1, 1]
    np.testing.assert_allclose(kept.rois, rois, atol=1e-3)
    best = trace.proposals.scores.numpy()[1, trace.proposals.post_nms_ix.numpy()[1, valid]]
    np.testing.assert_array_equal(kept.roi_scores, best)
    np.testing.assert_array_equal(kept.masks, trace.instances.masks[1])
    assert len(kept.boxes) and (kept.boxes == trace.instances.rois[1]).all()


def test_a_scene_that_is_not_drawn_at_the_models_size_is_refused(tiny_model):
    with pytest.raises(InputError, match=r"the scene is \[40, 64\] pixels"):
        scene_result(tiny_model.trace(noise_image(40, 64)))


def test_a_story_is_read_as_it_was_written(trace, tmp_path):
    images = np.stack([np.asarray(trace.image.original[i]) for i in range(2)])
    results = tuple(scene_result(trace, i) for i in range(2))
    truth = tuple(
        GroundTruth(r.boxes, r.class_ids, r.masks, np.ones(len(r.boxes), bool)) for r in results
    )
    story = TrainingStory(
        images=images,
        truth=truth,
        losses={"loss": np.array([3, 2], np.float32)},
        snapshots=(Snapshot(0, results), Snapshot(2, results[::-1])),
        planned_steps=5,
        class_names=("background", "a"),
        about={"seed": 3},
    )
    write_story(tmp_path / "story.npz", story)
    read = read_story(tmp_path / "story.npz")
    assert read[4:] == story[4:] and list(read.losses) == ["loss"]
    np.testing.assert_array_equal(read.images, images)
    for ours, theirs in zip(read.truth, truth, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for ours, theirs in zip(read.snapshots, story.snapshots, strict=True):
        assert ours.step == theirs.step
        for one, other in zip(ours.scenes, theirs.scenes, strict=True):
            assert isinstance(one, SceneResult)
            for a, b in zip(one, other, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_a_file_that_is_no_story_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", images=np.zeros([1, 4, 4, 3], np.uint8))
    for path in (tmp_path / "other.npz", tmp_path / "missing.npz"):
        with pytest.raises(InputError):
            read_story(path)


@pytest.fixture(scope="module")
def included():
    return read_story()


def test_the_story_of_the_package_is_small_and_whole(included):
    assert STORY.stat().st_size < 600_000
    steps = [snapshot.step for snapshot in included.snapshots]
    assert steps[0] == 0 and steps == sorted(set(steps)) and len(steps) >= 6
    assert set(included.losses) == {*LOSSES, "loss"}
    assert {len(values) for values in included.losses.values()} == {steps[-1]}
    assert included.class_names == tuple(ShapesDataset(0).class_names)


def test_its_scenes_are_those_of_the_seed(included):
    about = included.about
    assert about["train_seed"] != about["shown_seed"]
    scenes = ShapesDataset(max(about["shown"]) + 1, seed=about["shown_seed"], size=256)
    for image, number in zip(included.images, about["shown"], strict=True):
        np.testing.assert_array_equal(image, scenes.load_image(number))


def test_it_shows_that_training_learns(included):
    loss = included.losses["loss"]
    assert np.mean(loss[-50:]) < np.mean(loss[:10]) / 3
    found = [_found(included, snapshot) for snapshot in included.snapshots]
    objects = sum(len(truth.boxes) for truth in included.truth)
    assert found[0] <= 0.1 * objects and found[-1] >= 0.6 * objects


def _found(story, snapshot):
    """Objects with a detection of their class at IoU 0.5 or more."""
    number = 0
    for truth, scene in zip(story.truth, snapshot.scenes, strict=True):
        overlap = iou(truth.boxes.astype(np.float32), scene.boxes.astype(np.float32)).numpy()
        same = np.equal.outer(truth.class_ids, scene.class_ids)
        number += int(((overlap >= 0.5) & same).any(axis=1).sum())
    return number
