"""Fixtures that several test files share. TensorFlow is imported only where it is needed."""

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # `import witness`, whichever folder pytest was started in


def _load(name):
    """All arrays of a golden file, read-only, so that no test can change them for another."""
    with np.load(HERE / "goldens" / name, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for all tests: a process can run Playwright's sync API once."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium here; ends where it is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def goldens():
    """What Matterport's code computes for two images: tests/goldens/inference.npz."""
    return _load("inference.npz")


@pytest.fixture(scope="session")
def roi_goldens():
    """What its PyramidROIAlign computes for 64 hand-made boxes: tests/goldens/roi_align.npz."""
    return _load("roi_align.npz")


@pytest.fixture(scope="session")
def training_goldens():
    """What its training path computes: tests/goldens/training.npz."""
    return _load("training.npz")


#: Files that take minutes: a worker that got one last would keep the other one waiting.
LONGEST_FIRST = (
    "test_notebooks",
    "test_trainer",
    "test_cli_training",
    "test_survey_ray",
    "test_browser",
    "test_cli",
    "test_survey",
    "test_explorers",
    "test_lineage",
    "test_why_missed",
    "test_debugging",
)


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture
def whole_gradients():
    """No term of a gradient is lost between threads: see `devices.be_deterministic`."""
    from tensorflow.python.framework.config import disable_op_determinism  # no public name

    from mrcnn_explained.system.devices import be_deterministic

    be_deterministic()
    yield
    disable_op_determinism()


@pytest.fixture(scope="session")
def weight_by_rule():
    """The goldens' weights: (name, shape) -> float32 array."""
    spec = importlib.util.spec_from_file_location(
        "weights_rule", HERE / "goldens" / "weights_rule.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.weight


@pytest.fixture(scope="session")
def golden_model(weight_by_rule):
    """The goldens' model: ResNet-50 at 448x448, 7 classes, weights made by rule."""
    from mrcnn_explained.config import Config
    from mrcnn_explained.detector.model import MaskRCNN

    model = MaskRCNN(
        Config(
            num_classes=7,
            backbone="resnet50",
            image_min_dim=448,
            image_max_dim=448,
            pre_nms_limit=2000,
            post_nms_rois_inference=150,
            detection_max_instances=40,
            detection_min_confidence=0.8,
        )
    )
    for name, variable in model.weights.items():
        variable.assign(weight_by_rule(name, variable.shape))
    model.weights_from, model.random_layers = "goldens/weights_rule.py", {}
    return model


@pytest.fixture(scope="session")
def golden_trace(golden_model, goldens):
    """Its trace of the two golden images, as NumPy arrays."""
    images = [goldens[f"img{i}_original_uint8"] for i in range(2)]
    return golden_model.trace(images).numpy()


def make_tiny_model(**overrides):
    """A whole detector that runs in milliseconds; every score is a detection.

    Its weights are noise from a fixed seed, large enough that classes and boxes differ.
    """
    from mrcnn_explained.config import Config
    from mrcnn_explained.detector.model import MaskRCNN

    settings = {
        "num_classes": 4,
        "image_min_dim": 128,
        "image_max_dim": 128,
        "backbone_width": 4,
        "top_down_pyramid_size": 8,
        "rpn_anchor_scales": (80, 96, 128, 256, 256),  # so that ROIs read P2 and P3
        "rpn_channels": 8,
        "pre_nms_limit": 1000,
        "rpn_nms_threshold": 0.5,
        "post_nms_rois_inference": 32,
        "fpn_classif_fc_layers_size": 16,
        "mask_channels": 8,
        "detection_max_instances": 10,
        "detection_min_confidence": 0.0,
    }
    backbone = overrides.pop("backbone_callable", None)
    model = MaskRCNN(Config.slim(**{**settings, **overrides}), backbone=backbone)
    fill_with_noise(model.weights)
    return model


def weights_of(layer):
    """The variables of a layer by `layer/weight`."""
    return {"/".join(v.path.split("/")[-2:]): v for v in layer.weights}


#: Gains of layers that would make the noise explode: pixels are large, deltas go through exp.
QUIET = {"conv1": 0.03, "rpn_bbox_pred": 0.3, "mrcnn_bbox_fc": 0.5}


def fill_with_noise(weights):
    """Give variables noise from fixed seeds; return it as float64 arrays by name."""
    for number, (name, variable) in enumerate(weights.items()):
        noise = np.random.default_rng(number).standard_normal(variable.shape)
        if name.endswith("kernel"):
            gain = QUIET.get(name.split("/")[0], 1.2)
            variable.assign(gain * noise / np.sqrt(np.prod(variable.shape[:-1])))
        elif name.endswith("moving_variance"):
            variable.assign(np.exp(0.2 * noise))
        elif name.endswith("gamma"):
            variable.assign((0.3 if "branch2c" in name else 1) * (1 + 0.1 * noise))
        else:
            variable.assign(0.1 * noise)
    return {name: variable.numpy().astype(np.float64) for name, variable in weights.items()}


@pytest.fixture(scope="session")
def tiny_model():
    """The detector of `make_tiny_model`; do not change it."""
    return make_tiny_model()


def noise_image(height, width, seed=0):
    """An image with blobs and noise, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, [-(-height // 16), -(-width // 16), 3])
    fine = rng.integers(-20, 20, [height, width, 3])
    blobs = np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1)[:height, :width]
    return np.clip(blobs + fine, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_images():
    """Two images of different shapes."""
    return [noise_image(100, 128, seed=1), noise_image(90, 60, seed=2)]


@pytest.fixture(scope="session")
def tiny_trace(tiny_model, tiny_images):
    """Its trace of them, as NumPy arrays."""
    return tiny_model.trace(tiny_images).numpy()


class Mode(NamedTuple):
    """How a stage is run: `mode(stage)(*tensors, **plain_values)`."""

    name: str

    def __call__(self, function):
        import tensorflow as tf

        def run(*tensors, **plain):
            tensors = tf.nest.map_structure(tf.convert_to_tensor, tensors)
            call = lambda *arguments: function(*arguments, **plain)  # noqa: E731
            if self.name == "graph":  # tensors are arguments, as they are in the model's graph
                call = tf.function(call, autograph=False)
            return tf.nest.map_structure(lambda x: x.numpy(), call(*tensors))

        return run


@pytest.fixture(params=["eager", "graph"])
def mode(request):
    """Run a stage eagerly or as a graph: what it returns comes back as NumPy arrays."""
    return Mode(request.param)


def close(actual, expected, relative=1e-5, spread=None):
    """Floats agree: to `relative` of each number, or to `spread` of the tensor's deviation."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    floor = (spread or relative) * max(expected.std(), 1e-30) if expected.size > 1 else relative
    np.testing.assert_allclose(actual, expected, rtol=0 if spread else relative, atol=floor)


def free_port():
    """A port of this machine that nobody listens at."""
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
