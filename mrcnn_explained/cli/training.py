"""The command `train`. Its arguments are checked before TensorFlow is imported."""

import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mrcnn_explained.cli.common import progress
from mrcnn_explained.cli.dataset_options import DatasetOptions, DatasetSource, Kind, Seed
from mrcnn_explained.cli.options import LARGEST, LARGEST_SIDE, grouped
from mrcnn_explained.cli.values import claim_folder

if TYPE_CHECKING:
    from mrcnn_explained.data.dataset import AnyDataset, Dataset
    from mrcnn_explained.detector.model import MaskRCNN
    from mrcnn_explained.training.run import RunPlan
    from mrcnn_explained.training.schedule import Plan


class Optimizer(enum.StrEnum):
    """The optimizers of a Plan."""

    sgd = "sgd"
    adamw = "adamw"


class Broken(enum.StrEnum):
    """What to do with an annotation that cannot be used."""

    skip = "skip"
    refuse = "refuse"


@dataclass(frozen=True, kw_only=True)
class TrainingData(DatasetOptions):
    """A dataset to train on."""

    seed: Seed = 0

    def open(self, source: Path | None, **more: Any) -> "Dataset":
        """Open the dataset; by default the training set, and many scenes."""
        if self.dataset is Kind.shapes and self.count is None:
            more["count"] = 10_000
        if self.subset is None and source is not None and source.is_dir():
            more |= {"subset": "train"} if self.dataset is Kind.coco else {}
        return super().open(source, **more)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """A training run: its folder, its first weights, and how it learns."""

    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/latest")
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: a preset, a weight file, 'coco' or 'imagenet'; default: "
            "train from scratch.",
            metavar="PRESET|FILE|coco|imagenet",
        ),
    ] = None
    exclude: Annotated[
        str, typer.Option(help="Layers not to load from the file, separated by commas.")
    ] = ""
    config: Annotated[
        Path | None,
        typer.Option(help="JSON file with fields of the config; other fields keep their default."),
    ] = None
    layers: Annotated[
        str, typer.Option(help="Layers to train: heads, 3+, 4+, 5+, all, or a pattern.")
    ] = "all"
    steps: Annotated[
        int, typer.Option(help="Number of batches to train on.", min=1, max=LARGEST)
    ] = 1000
    batch: Annotated[int, typer.Option(help="Images per batch.", min=1, max=2**16)] = 2
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the molded image; default: that of the config or the weights, 512 from "
            "scratch.",
            metavar="PIXELS",
            min=64,
            max=LARGEST_SIDE,
        ),
    ] = None
    optimizer: Annotated[Optimizer, typer.Option(help="sgd is Matterport's.")] = Optimizer.sgd
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.", min=0)] = 0.001
    warmup: Annotated[
        int, typer.Option(help="Steps in which the learning rate rises from 0.", min=0)
    ] = 0
    final_rate: Annotated[
        float,
        typer.Option(
            help="Share of the learning rate that is left at the end of a cosine; 1: constant.",
            min=0,
            max=1,
        ),
    ] = 1.0
    ema: Annotated[
        float,
        typer.Option(
            help="Momentum of the moving average of the weights; 0: no average.",
            min=0,
            max=0.999999,
        ),
    ] = 0.0
    validation: Annotated[
        int,
        typer.Option(help="Images at the end of the dataset to validate on.", min=0, max=LARGEST),
    ] = 0
    validate_every: Annotated[
        int, typer.Option(help="Steps between validations; 0: none.", min=0, max=LARGEST)
    ] = 200
    checkpoint_every: Annotated[
        int, typer.Option(help="Steps between checkpoints.", min=1, max=LARGEST)
    ] = 200
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the folder's checkpoint.")
    ] = False
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write logs for TensorBoard.")
    ] = False
    images_every: Annotated[
        int,
        typer.Option(help="Steps between images of detections; 0: no images.", min=0, max=LARGEST),
    ] = 0
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic", help="Two runs give equal numbers to the last bit; slower."
        ),
    ] = False
    broken: Annotated[
        Broken, typer.Option(help="Skip annotations that cannot be used, or refuse the dataset.")
    ] = Broken.refuse
    keep_empty: Annotated[
        bool,
        typer.Option(
            "--keep-empty",
            help="Train on images without objects too, as background; default: skip them.",
        ),
    ] = False

    def settings(self) -> dict[str, Any]:
        """Return the fields of the config: those of the --config file, then --size if given."""
        from mrcnn_explained.config import read_settings

        settings = read_settings(self.config) if self.config else {}
        size = {} if self.size is None else {"image_min_dim": self.size, "image_max_dim": self.size}
        return {**settings, **size}

    def plan(self, seed: int) -> "Plan":
        """Return how the run learns. Imports TensorFlow."""
        from mrcnn_explained.training.schedule import Plan

        return Plan(
            steps=self.steps,
            layers=self.layers,
            optimizer="adamw" if self.optimizer is Optimizer.adamw else "sgd",
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup,
            final_rate=self.final_rate,
            ema=self.ema,
            seed=seed,
        )

    def run_plan(self) -> "RunPlan":
        """Return everything else about the run. Imports TensorFlow."""
        from mrcnn_explained.training.run import RunPlan

        return RunPlan(
            out=self.out,
            weights=self.weights,
            exclude=tuple(filter(None, self.exclude.split(","))),
            settings=self.settings(),
            batch_size=self.batch,
            validation=self.validation,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            resume=self.resume,
            tensorboard=self.tensorboard,
            images_every=self.images_every,
            broken=self.broken.value,
            keep_empty=self.keep_empty,
        )


@grouped
def train(data: TrainingData, training: TrainingOptions, source: DatasetSource = None) -> None:
    """Train a detector; write checkpoint.npz, log.csv, left_out.csv, config.json, weights.h5."""
    from mrcnn_explained.training.checkpoint import check_run

    training.settings()  # reads --config, which may be refused
    check_run(training.out, training.resume)
    with progress() as step:
        step("Opening the dataset")
        dataset = data.open(source, size=training.size or 512)
        claim_folder(training.out)
        check_run(training.out, training.resume)  # another run may have ended since
        step("Importing TensorFlow")
        from mrcnn_explained.system.devices import be_deterministic
        from mrcnn_explained.training.run import start

        if training.deterministic:
            be_deterministic()
        plan = training.plan(data.seed)
        written = start(
            training.run_plan(),
            plan,
            dataset,
            progress=step,
            report=_print_on_stderr,
            draw=_draw_detections,
        )
    for path in written:
        print(path)


def _print_on_stderr(line: str) -> None:
    """Print a line that stays while the progress changes."""
    print(line, file=sys.stderr)


def _draw_detections(model: "MaskRCNN", dataset: "AnyDataset", path: Path) -> None:
    """Draw what a model detects on the first image of a dataset."""
    from mrcnn_explained.data.dataset import load_pixels
    from mrcnn_explained.plots.instances import plot_instances
    from mrcnn_explained.plots.save import save_figure

    image = load_pixels(dataset, dataset.image_ids[0])
    ax = plot_instances(model.trace(image).instances, image, model.config.class_names)
    save_figure(ax.figure, path)
