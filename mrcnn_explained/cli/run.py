"""One run of the detector, as the commands make it: checks first, then TensorFlow, then the run.

Everything that can be wrong is checked before TensorFlow is imported, which takes seconds.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import typer

from mrcnn_explained.cli.common import print_text
from mrcnn_explained.cli.options import ModelOptions
from mrcnn_explained.cli.values import claim_folder

if TYPE_CHECKING:
    from mrcnn_explained.detector.model import MaskRCNN
    from mrcnn_explained.detector.trace import Trace

Image = Annotated[Path | None, typer.Argument(help="An image; default: the demo image.")]


class DetectorRun(NamedTuple):
    """A model, and its trace of one image."""

    trace: "Trace"
    image_name: str
    model: "MaskRCNN"


def open_model(
    options: ModelOptions,
    step: Callable[[str], None],
    out: Path | None = None,
    *,
    traced: bool = False,
) -> "MaskRCNN":
    """Check the options, then import TensorFlow and make the model.

    out       folder to write to; it is created, if missing, once the options are checked, and
              held until the command ends
    traced    whether every tensor of a run is kept, which needs more memory

    Raises ConfigError, WeightFileError and DeviceError, which say what to do.
    """
    from mrcnn_explained.detector.memory import check_run
    from mrcnn_explained.weights.resolve import weights_and_config

    step("Reading the weights' config")
    weights, config = weights_and_config(options.weights, options.changes())
    check_run(config, traced=traced)
    if out is not None:
        claim_folder(out)
    step("Importing TensorFlow")
    from mrcnn_explained.detector.open import make_model
    from mrcnn_explained.errors import RandomWeightsWarning
    from mrcnn_explained.system.devices import select_device

    warnings.simplefilter("ignore", RandomWeightsWarning)  # print_randomness reports it at the end
    select_device(options.device or "auto")
    step("Building the model")
    return make_model(weights, config)


def run_detector(
    options: ModelOptions,
    image: Path | None,
    step: Callable[[str], None],
    out: Path | None = None,
) -> DetectorRun:
    """Trace the detector on an image, or on the demo image.

    step    is called with the name of each step
    out     folder to write to; it is created if missing

    Raises InputError for an image that cannot be read, and what `open_model` raises.
    """
    from mrcnn_explained.media.images import demo_image, load_image

    step("Reading the image")
    pixels = load_image(image or demo_image(), **options.pixels())
    model = open_model(options, step, out, traced=True)
    step("Running the detector")
    return DetectorRun(model.trace(pixels), image.name if image else "the demo image", model)


class MayBeRandom(Protocol):
    """A model or a trace: either knows whether some of its weights are random."""

    def randomness(self) -> str:
        """Return a sentence about random weights; empty if there are none."""
        ...


def print_randomness(model_or_trace: MayBeRandom) -> None:
    """Print which weights are random, if some are."""
    if words := model_or_trace.randomness():
        print_text(f"Note: {words}")
