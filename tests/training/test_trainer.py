"""Training: it learns, it goes on where it stopped, and replicas add up to one."""

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import close

from mrcnn_explained.config import Config
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import TrainingError
from mrcnn_explained.stages.image_meta import unpack_meta
from mrcnn_explained.training.checkpoint import (
    Checkpoint,
    check_fits,
    read_checkpoint,
    write_checkpoint,
)
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.run import RunPlan, start
from mrcnn_explained.training.schedule import LAYER_SETS, Plan, clip
from mrcnn_explained.training.trainer import Trainer
from mrcnn_explained.weights.load import save_weights

FIVE = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
SMALL = {
    "num_classes": 10, "image_min_dim": 128, "image_max_dim": 128, "backbone_width": 4,
    "top_down_pyramid_size": 8, "rpn_channels": 8, "fpn_classif_fc_layers_size": 16,
    "mask_channels": 8, "pre_nms_limit": 200, "post_nms_rois_training": 40,
    "train_rois_per_image": 12, "rpn_train_anchors_per_image": 32, "weight_decay": 0.01,
    "roi_positive_ratio": 0.5, "add_objects": True, "gradient_clip_norm": 1.0,
}  # fmt: skip


def small_model(**changes):
    model = MaskRCNN(Config.slim(**{**SMALL, **changes}))
    initialise(model)
    return model


def source(model, seed=3, batch_size=2, dataset=None):
    dataset = dataset or ShapesDataset(6, seed=7, size=128)
    return lambda step, shard=(0, 1), split=1: batches(
        dataset, model.config, batch_size=batch_size, seed=seed, start=step, shard=shard,
        split=split, workers=1,
    )  # fmt: skip


def arrays(model):
    return {name: v.numpy() for name, v in model.weights.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute on quiet cores; suites run two files at once
def test_eight_scenes_are_learnt(tmp_path):
    config = Config.slim(
        num_classes=10, image_min_dim=256, image_max_dim=256, post_nms_rois_training=150,
        pre_nms_limit=1000, train_rois_per_image=48, train_masks_per_image=8, add_objects=True,
        fill_negatives=True, padding_in_class_loss=False, rpn_train_anchors_per_image=192,
        clip_by="global", gradient_clip_norm=10.0, weight_decay=0.0,
    )  # fmt: skip
    dataset = ShapesDataset(8, seed=5, size=256)
    model = MaskRCNN(config)
    initialise(model)
    calibrate_batch_norm(model, next(iter(batches(dataset, config, batch_size=8, seed=9))))
    trainer = Trainer(
        model,
        Plan(steps=50, optimizer="adamw", learning_rate=2.5e-3, warmup_steps=10, final_rate=0.05),
        lambda step, *_: batches(dataset, config, batch_size=8, start=step, flips=False),
    )
    history = trainer.run()
    start = {name: np.mean([row[name] for row in history[:3]]) for name in FIVE}
    end = {name: np.mean([row[name] for row in history[-5:]]) for name in FIVE}
    assert all(end[name] < start[name] / 2 for name in FIVE), (start, end)
    of_zero = np.mean([row["mrcnn_bbox_loss_of_zero"] for row in history[-5:]])
    assert end["mrcnn_bbox_loss"] < of_zero / 2


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stop_and_resume_equals_no_stop(tmp_path, optimizer, whole_gradients):
    plan = Plan(steps=5, optimizer=optimizer, learning_rate=0.01, warmup_steps=1, final_rate=0.1,
                ema=0.5)  # fmt: skip
    whole, stopped = small_model(), tmp_path / "stopped"
    first = Trainer(whole, plan, source(whole), stopped)
    first.run(until=2)
    shutil.copytree(stopped, tmp_path / "again")
    history = first.run()

    again = small_model()
    trainer = Trainer(again, plan, source(again), tmp_path / "again")
    assert trainer.resume() and trainer.step == 2
    resumed = trainer.run()
    assert [row["step"] for row in resumed] == [1, 2, 3, 4, 5]
    for ours, theirs in zip(resumed, history, strict=True):
        close(list(ours.values()), list(theirs.values()), relative=1e-5)
    for name, value in arrays(again).items():
        np.testing.assert_allclose(value, arrays(whole)[name], rtol=1e-4, atol=1e-6, err_msg=name)
    lines = (tmp_path / "again" / "log.csv").read_text().splitlines()
    assert len(lines) == 6 and lines[0].startswith("step,rpn_class_loss")


@pytest.mark.slow
def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    model = small_model()
    Trainer(model, Plan(steps=1), source(model), tmp_path).run()
    with pytest.raises(TrainingError, match="another plan: steps 1 in the checkpoint, 2 now"):
        Trainer(model, Plan(steps=2), source(model), tmp_path).resume()
    other = small_model(train_rois_per_image=10)
    with pytest.raises(
        TrainingError, match="another config: train_rois_per_image 12 in the ch.*, 10"
    ):
        Trainer(other, Plan(steps=1), source(other), tmp_path).resume()
    (tmp_path / "checkpoint.npz").write_bytes(b"PK half of it")
    with pytest.raises(TrainingError, match="is not a checkpoint, or is damaged"):
        read_checkpoint(tmp_path / "checkpoint.npz")


def test_layer_sets_learn_what_they_say():
    model = small_model()
    for layers, frozen in (("heads", "res5"), ("5+", "res4"), ("4+", "res3"), ("3+", "res2")):
        learning = Trainer(model, Plan(layers=layers), source(model)).trained_weights
        assert any(name.startswith("mrcnn_mask_conv1") for name in learning)
        assert not any(name.startswith(frozen) for name in learning)
        if layers != "heads":
            assert any(name.startswith(f"bn{layers[0]}") for name in learning)
    everything = Trainer(model, Plan(), source(model)).trained_weights
    assert len(everything) == sum(v.trainable for v in model.weights.values())
    with pytest.raises(TrainingError, match="matches no layer; use one of heads, 3\\+"):
        Trainer(model, Plan(layers="res9.*"), source(model))
    assert set(LAYER_SETS) == {"heads", "3+", "4+", "5+", "all"}


@pytest.mark.slow
def test_frozen_layers_stay_as_they_are():
    model = small_model()
    before = arrays(model)
    Trainer(model, Plan(steps=1, layers="heads", learning_rate=0.1), source(model)).run()
    changed = {name for name, value in arrays(model).items() if (value != before[name]).any()}
    assert changed and not any(name.startswith(("res", "bn", "conv1")) for name in changed)
    assert not any("moving" in name for name in changed)


@pytest.mark.slow
def test_batch_norm_learns_its_statistics_where_asked():
    model = small_model(train_bn=True)
    before = arrays(model)
    Trainer(model, Plan(steps=1), source(model)).run()
    for name, value in arrays(model).items():
        assert ("moving_mean" not in name) or (value != before[name]).any(), name


def test_clipping_by_hand():
    pulls = [tf.constant([3.0, 4.0]), tf.constant([0.0, 12.0])]  # norms 5 and 12, together 13
    each = clip(pulls, tf.constant(13.0), Config.slim(gradient_clip_norm=6.0))
    close(each[0], [3, 4])
    close(each[1], [0, 6])
    config = Config.slim(gradient_clip_norm=6.5, clip_by="global")
    close(clip(pulls, tf.constant(13.0), config)[1], [0, 6])


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    model = small_model()
    model.weights["mrcnn_bbox_fc/bias"].assign(np.full(40, np.nan))
    with pytest.raises(TrainingError, match=r"step 1: .*mrcnn_bbox_loss.* image ids \[\d, \d\]"):
        Trainer(model, Plan(steps=3), source(model), tmp_path).run()
    assert len(json.loads((tmp_path / "not-a-number.json").read_text())["image_ids"]) == 2
    assert not (tmp_path / "checkpoint.npz").exists()


def test_wrong_plans():
    with pytest.raises(TrainingError, match="'sgd' or 'adamw'"):
        Plan(optimizer="adam")
    with pytest.raises(TrainingError, match="warmup_steps is 5 of 5 steps"):
        Plan(steps=5, warmup_steps=5)


def held_out(model, count=1):
    dataset = ShapesDataset(2, seed=1, size=128)
    return lambda: batches(dataset, model.config, batch_size=2, count=count, shuffle=False)


@pytest.mark.slow
@pytest.mark.parametrize("train_bn", [False, None, True])
def test_validation_leaves_every_weight_as_it_was(train_bn):
    model = small_model(train_bn=train_bn)
    trainer = Trainer(model, Plan(steps=1), source(model), validation=held_out(model))
    before = arrays(model)
    assert trainer.validate() == trainer.validate()
    for name, value in arrays(model).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert "val_loss" in trainer.run(validate_every=1)[0]


def test_validation_without_batches_is_refused():
    model = small_model()
    with pytest.raises(TrainingError, match="no validation batches"):
        Trainer(model, Plan(steps=1), source(model)).validate()
    trainer = Trainer(model, Plan(steps=1), source(model), validation=held_out(model, count=0))
    with pytest.raises(TrainingError, match="made no batch"):
        trainer.validate()


# Which weights are random, and where they come from ---------------------------------------------


@pytest.mark.slow
def test_trained_weights_are_no_longer_random(tmp_path):
    model = small_model()
    assert model.weights_from == "random" and model.randomness()
    trainer = Trainer(model, Plan(steps=3), source(model), tmp_path)
    assert model.weights_from == "random"  # until the first step
    trainer.run(until=1)
    assert model.weights_from == "trained for 1 step from random weights"
    assert not model.random_layers and not model.randomness()
    again = small_model()  # of another process: all it knows is the checkpoint
    resumed = Trainer(again, Plan(steps=3), source(again), tmp_path)
    resumed.resume()
    assert (again.weights_from, again.randomness()) == (model.weights_from, "")
    resumed.run()
    assert again.weights_from == "trained for 3 steps from random weights"


@pytest.mark.slow
def test_layers_that_are_not_trained_stay_random(tmp_path):
    model = small_model()
    Trainer(model, Plan(steps=1, layers="heads"), source(model), tmp_path).run()
    backbone = {
        name.split("/")[0] for name in model.weights if name.startswith(("conv1", "bn", "res"))
    }
    assert set(model.random_layers) == backbone
    assert "res2a_branch2a" in model.randomness() and "mrcnn" not in model.randomness()
    again = small_model()
    Trainer(again, Plan(steps=1, layers="heads"), source(again), tmp_path).resume()
    assert set(again.random_layers) == backbone


@pytest.mark.slow
def test_layers_left_out_of_a_file_are_trained_too(tmp_path):
    first = small_model()
    save_weights(tmp_path / "a.h5", arrays(first))
    model = small_model()
    model.load_weights(tmp_path / "a.h5", exclude=["mrcnn_mask"])
    assert list(model.random_layers) == ["mrcnn_mask"]
    Trainer(model, Plan(steps=2), source(model)).run()
    assert model.weights_from == f"trained for 2 steps from {tmp_path / 'a.h5'}"
    assert not model.random_layers


# Images of any size -----------------------------------------------------------------------------


class OfTwoSizes(ShapesDataset):
    """Scenes of 128 x 128 and of 128 x 192 pixels in turn."""

    def load_image(self, image_id):
        image = super().load_image(image_id)
        return np.concatenate([image, image[:, :64]], 1) if image_id % 2 else image

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return (np.pad(masks, [(0, 0), (0, 64), (0, 0)]) if image_id % 2 else masks), class_ids


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "batch_size"), [("pad64", 1), ("none", 2), ("crop", 2)])
def test_every_resize_mode_is_trained(mode, batch_size):
    model = small_model(image_resize_mode=mode)
    data = source(model, batch_size=batch_size, dataset=OfTwoSizes(4, seed=7, size=128))
    widths = {batch.molded.shape[2] for batch in islice(data(0), 4)}
    assert widths == {"pad64": {128, 192}, "none": {192}, "crop": {128}}[mode]
    history = Trainer(model, Plan(steps=4), data, validation=lambda: islice(data(0), 2)).run(
        validate_every=2
    )
    assert len(history) == 4 and all(np.isfinite(list(row.values())).all() for row in history)


def test_boxes_are_normalised_by_the_size_that_a_batch_is_padded_to():
    """The narrow image of a batch is padded; its objects lie where the anchors look for them."""
    model = small_model(image_resize_mode="pad64")
    data = source(model, dataset=OfTwoSizes(4, seed=7, size=128))
    for batch in islice(data(0), 4):
        _, height, width, _ = batch.molded.shape
        molded_shape = unpack_meta(batch.image_meta).molded_shape
        assert molded_shape.numpy().tolist() == [[height, width, 3]] * 2


# ROIs that come from outside --------------------------------------------------------------------


def with_rois(count):
    rois = tf.tile([[[0.1, 0.1, 0.6, 0.7]]], [2, count, 1])
    return lambda batch: batch._replace(rois=rois)


@pytest.mark.slow
def test_without_rois_from_outside_training_is_refused():
    model = small_model(use_rpn_rois=False, add_objects=False)
    data = source(model)
    with pytest.raises(TrainingError, match="use_rpn_rois is False, so the ROIs to train on"):
        Trainer(model, Plan(steps=1), data).run()
    given = lambda *where: map(with_rois(3), data(*where))  # noqa: E731
    (row,) = Trainer(model, Plan(steps=1), given).run()
    assert row["mrcnn_class_loss"] > 0


def test_a_run_without_rois_is_refused_before_it_begins(tmp_path):
    run = RunPlan(out=tmp_path / "run", settings={"use_rpn_rois": False})
    with pytest.raises(TrainingError, match="use_rpn_rois is False"):
        start(run, Plan(steps=1), ShapesDataset(2, size=128), progress=lambda line: None)
    assert not (tmp_path / "run").exists()


# Several devices --------------------------------------------------------------------------------

# Refinements stay at exactly 0: a convolution of two images rounds otherwise than one of one, and
# a ROI that ends at the image's edge would keep or lose its last row by it (deviation 5).
REPLICAS = """
import json, sys
import numpy as np, tensorflow as tf
sys.path.insert(0, {tests!r})
kind, out = sys.argv[1:]
if kind == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
elif kind == "workers":
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
else:
    strategy = tf.distribute.get_strategy()
from training.test_trainer import Plan, Trainer, arrays, small_model, source
with strategy.scope():
    model = small_model()
model.weights["rpn_bbox_pred/kernel"].assign(0 * model.weights["rpn_bbox_pred/kernel"])
plan = Plan(steps=2, learning_rate=0.05, layers="(?!rpn_bbox_pred).*")
history = Trainer(model, plan, source(model), strategy=strategy).run()
np.savez(out, history=json.dumps(history), **arrays(model))
"""


def run_replicas(kind, out, **environment):
    script = REPLICAS.format(tests=str(Path(__file__).parent.parent))
    return subprocess.Popen(
        [sys.executable, "-c", script, kind, str(out)],
        # One thread an operation: several of them sum in an order that hangs on the machine's
        # load, and one ROI more or less is another loss.
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1",
             **environment},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]


def free_ports(count):
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "run.npz"
    finish(run_replicas("one", out))
    return np.load(out)


def same_run(found, expected):
    ours, theirs = (json.loads(str(run["history"])) for run in (found, expected))
    for mine, other in zip(ours, theirs, strict=True):
        close(list(mine.values()), list(other.values()), relative=1e-3)
    for name in expected.files:
        if name != "history":
            np.testing.assert_allclose(
                found[name], expected[name], rtol=1e-3, atol=2e-5, err_msg=name
            )


@pytest.mark.slow
def test_two_devices_equal_one(tmp_path, alone):
    finish(run_replicas("mirrored", tmp_path / "run.npz"))
    same_run(np.load(tmp_path / "run.npz"), alone)


@pytest.mark.slow
def test_two_workers_equal_one(tmp_path, alone):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = [
        run_replicas(
            "workers", tmp_path / f"{i}.npz",
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}}
            ),
        )
        for i in range(2)
    ]  # fmt: skip
    for process in processes:
        finish(process)
    for i in range(2):
        same_run(np.load(tmp_path / f"{i}.npz"), alone)


# Checkpoints that cannot be resumed ------------------------------------------------------------


def checkpoint_of(weights, optimizer, **changes):
    """A checkpoint after one step."""
    facts = {
        "step": 1,
        "plan": {"steps": 3},
        "config": {},
        "history": [{"loss": 1.0}],
        "started_from": "shapes",
        "random_layers": [],
    }
    return Checkpoint(**{**facts, **changes}, weights=weights, optimizer=optimizer)


SHAPES = {"a/kernel": (2, 3)}


@pytest.mark.parametrize(
    ("weights", "optimizer", "words"),
    [
        ({}, [np.zeros(4)], "holds nothing for 'a/kernel', the run needs .2, 3."),
        ({"a/kernel": np.zeros([3, 2])}, [np.zeros(4)], r"holds \[3, 2\] for 'a/kernel'"),
        ({"a/kernel": np.full([2, 3], np.nan)}, [np.zeros(4)], "holds NaN or infinite"),
        ({"a/kernel": np.zeros([2, 3])}, [], "holds nothing for 'optimizer variable 0'"),
        ({"a/kernel": np.zeros([2, 3])}, [np.zeros(4)] * 2, "the run needs nothing"),
        ({"a/kernel": np.zeros([2, 3]), "b": np.zeros(1)}, [np.zeros(4)], r"holds \[1\] for 'b'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_whole(tmp_path, weights, optimizer, words):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, checkpoint_of(weights, optimizer))
    with pytest.raises(TrainingError, match=words):
        check_fits(path, read_checkpoint(path), SHAPES, [(4,)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": -1}, "step is -1"),
        ({"step": 10**30}, "in its history"),
        ({"step": True}, "step is True"),
        ({"config": [1]}, r"config is \[1\]"),
        ({"history": [3]}, "row of its history is 3"),
        ({"history": [{"loss": "x"}]}, "row of its history"),
        ({"random_layers": [None]}, "random_layers are not names"),
        ({"started_from": None}, "started_from is None"),
    ],
)
def test_what_a_checkpoint_says_is_checked(tmp_path, changes, words):
    write_checkpoint(tmp_path / "checkpoint.npz", checkpoint_of({}, [], **changes))
    with pytest.raises(TrainingError, match=words):
        read_checkpoint(tmp_path / "checkpoint.npz")


def test_a_checkpoint_of_text_is_none(tmp_path):
    write_checkpoint(tmp_path / "c.npz", checkpoint_of({"a": np.array(["x"])}, []))
    with pytest.raises(TrainingError, match="does not hold numbers"):
        read_checkpoint(tmp_path / "c.npz")
