"""Training: it learns, it goes on where it stopped, and replicas add up to one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import close

from mrcnn_explained.config import Config
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.trainer import (
    LAYER_SETS,
    Plan,
    Trainer,
    TrainingError,
    clip,
    read_checkpoint,
)

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


def source(model, seed=3, batch_size=2):
    dataset = ShapesDataset(6, seed=7, size=128)
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
    with pytest.raises(TrainingError, match="another plan: steps 1 there, 2 here"):
        Trainer(model, Plan(steps=2), source(model), tmp_path).resume()
    other = small_model(train_rois_per_image=10)
    with pytest.raises(TrainingError, match="another config: train_rois_per_image 12 there, 10"):
        Trainer(other, Plan(steps=1), source(other), tmp_path).resume()
    (tmp_path / "checkpoint.npz").write_bytes(b"PK half of it")
    with pytest.raises(TrainingError, match="is not a checkpoint, or is broken"):
        read_checkpoint(tmp_path / "checkpoint.npz")


def test_layer_sets_learn_what_they_say():
    model = small_model()
    for layers, frozen in (("heads", "res5"), ("5+", "res4"), ("4+", "res3"), ("3+", "res2")):
        learning = Trainer(model, Plan(layers=layers), source(model)).learning
        assert any(name.startswith("mrcnn_mask_conv1") for name in learning)
        assert not any(name.startswith(frozen) for name in learning)
        if layers != "heads":
            assert any(name.startswith(f"bn{layers[0]}") for name in learning)
    everything = Trainer(model, Plan(), source(model)).learning
    assert len(everything) == sum(v.trainable for v in model.weights.values())
    with pytest.raises(TrainingError, match="matches no layer; one of heads, 3\\+"):
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
    with pytest.raises(TrainingError, match="more than those to warm up"):
        Plan(steps=5, warmup_steps=5)


@pytest.mark.slow
def test_validation_measures_and_learns_nothing():
    model = small_model()
    trainer = Trainer(
        model, Plan(steps=1), source(model),
        validation=lambda: batches(
            ShapesDataset(2, seed=1, size=128), model.config, batch_size=2, count=1, shuffle=False
        ),
    )  # fmt: skip
    before = arrays(model)
    assert trainer.validate() == trainer.validate()
    assert all((value == before[name]).all() for name, value in arrays(model).items())
    assert "val_loss" in trainer.run(validate_every=1)[0]


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
