"""The commands `train` and `evaluate`. Arguments are checked before TensorFlow is imported."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli.common import console, progress, quiet_import


class Kind(enum.StrEnum):
    shapes = "shapes"
    coco = "coco"
    via = "via"


class Optimizer(enum.StrEnum):
    sgd = "sgd"
    adamw = "adamw"


class Broken(enum.StrEnum):
    skip = "skip"
    refuse = "refuse"


Source = Annotated[Path | None, typer.Argument(help="COCO's folder, or VIA's JSON file.")]
DatasetOption = Annotated[Kind, typer.Option(help="What to learn from.")]
Seed = Annotated[int, typer.Option(help="Of the scenes drawn and of everything drawn by lot.")]
Count = Annotated[int, typer.Option(help="Scenes of dataset shapes.", min=1)]
Subset = Annotated[str, typer.Option(help="Of dataset coco: train, val, …")]
Year = Annotated[str, typer.Option(help="Of dataset coco.")]
Images = Annotated[Path | None, typer.Option(help="Folder of VIA's images.")]
ClassAttribute = Annotated[
    str | None, typer.Option(help="VIA's region attribute that names the class.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="A preset (shapes), an .h5 file, 'coco' or 'imagenet'; none: from nothing.",
        metavar="PRESET|FILE|coco|imagenet",
    ),
]


def train(
    source: Source = None,
    dataset: DatasetOption = Kind.shapes,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/latest"),
    weights: Weights = None,
    exclude: Annotated[
        str, typer.Option(help="Layers of the file to leave, with commas between.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="JSON with config fields; others keep their default.")
    ] = None,
    layers: Annotated[str, typer.Option(help="heads, 3+, 4+, 5+, all, or a pattern.")] = "all",
    steps: Annotated[int, typer.Option(help="Batches to learn from.")] = 1000,
    batch: Annotated[int, typer.Option(help="Images of a batch.", min=1)] = 2,
    size: Annotated[int, typer.Option(help="Side of the molded image.")] = 512,
    optimizer: Annotated[Optimizer, typer.Option(help="sgd: Matterport's.")] = Optimizer.sgd,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 0.001,
    warmup: Annotated[int, typer.Option(help="Steps from nothing to the learning rate.")] = 0,
    final_rate: Annotated[
        float, typer.Option(help="Share of it at the end, along a cosine; 1: constant.")
    ] = 1.0,
    ema: Annotated[float, typer.Option(help="Momentum of the weights' average; 0: none.")] = 0.0,
    seed: Seed = 0,
    count: Count = 10000,
    validation: Annotated[int, typer.Option(help="Scenes held out to measure on.")] = 0,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.")] = 200,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 200,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log there.")] = False,
    images_every: Annotated[
        int, typer.Option(help="Steps between images of what is found; 0: none.")
    ] = 0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Equal to the last bit, run by run; slower.")
    ] = False,
    broken: Annotated[Broken, typer.Option(help="Annotations that cannot be learnt.")] = (
        Broken.refuse
    ),
    subset: Subset = "train",
    year: Year = "2017",
    images: Images = None,
    class_attribute: ClassAttribute = None,
) -> None:
    """Train a detector; writes checkpoint.npz, log.csv, config.json and weights.h5."""
    from mrcnn_explained.config import read_settings
    from mrcnn_explained.data.open import open_dataset
    from mrcnn_explained.training.run_folder import check_run

    settings = read_settings(config) if config else {}
    check_run(out, resume)
    with progress() as step:
        step("Opening the dataset")
        data = open_dataset(
            dataset.value,
            source,
            count=count,
            seed=seed,
            size=size,
            subset=subset,
            year=year,
            images=images,
            attribute=class_attribute,
        )
        step("Importing TensorFlow")
        with quiet_import():
            from mrcnn_explained.detector.devices import be_deterministic
            from mrcnn_explained.training.run import RunPlan, start
            from mrcnn_explained.training.trainer import Plan
        if deterministic:
            be_deterministic()
        plan = Plan(
            steps=steps,
            layers=layers,
            optimizer=optimizer.value,
            learning_rate=learning_rate,
            warmup_steps=warmup,
            final_rate=final_rate,
            ema=ema,
            seed=seed,
        )
        run = RunPlan(
            out=out,
            weights=weights,
            exclude=tuple(filter(None, exclude.split(","))),
            settings={"image_min_dim": size, "image_max_dim": size, **settings},
            batch_size=batch,
            validation=validation,
            validate_every=validate_every,
            checkpoint_every=checkpoint_every,
            resume=resume,
            tensorboard=tensorboard,
            images_every=images_every,
            broken=broken.value,
        )
        written = start(run, plan, data, progress=step)
    for path in written:
        print(path)


def evaluate(
    source: Source = None,
    dataset: DatasetOption = Kind.shapes,
    weights: Weights = "shapes",
    config: Annotated[
        Path | None, typer.Option(help="config.json of the run that made an .h5 file.")
    ] = None,
    seed: Seed = 1,
    count: Count = 500,
    json: Annotated[Path | None, typer.Option(help="Write the figures here.")] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Draw the precision-recall curves.", metavar="PNG")
    ] = None,
    subset: Subset = "val",
    year: Year = "2017",
    images: Images = None,
    class_attribute: ClassAttribute = None,
    limit: Annotated[int, typer.Option(help="Images at most; 0: all.")] = 0,
) -> None:
    """Measure a detector: COCO's average precision, and recall along the pyramid."""
    from mrcnn_explained.data.open import open_dataset

    with progress() as step:
        step("Opening the dataset")
        data = open_dataset(
            dataset.value,
            source,
            count=count,
            seed=seed,
            subset=subset,
            year=year,
            images=images,
            attribute=class_attribute,
        )
        step("Importing TensorFlow")
        with quiet_import():
            from mrcnn_explained.evaluation.evaluate import evaluate as measure
            from mrcnn_explained.training.run import model_of
        model = model_of(weights, config, data)
        ids = data.image_ids[: limit or None]
        found = measure(
            model, data, image_ids=ids, progress=lambda i, n: step(f"Image {i + 1} of {n}")
        )
    from mrcnn_explained.cli.tables import evaluation_table

    console().print(evaluation_table(found))
    if json:
        found.save(json)
        print(json)
    if curve:
        from mrcnn_explained.plots.evaluation import plot_precision_recall
        from mrcnn_explained.plots.save import save_figure

        print(save_figure(plot_precision_recall(found).figure, curve))


def oracle(
    source: Source = None,
    dataset: DatasetOption = Kind.shapes,
    weights: Weights = "shapes",
    config: Annotated[
        Path | None, typer.Option(help="config.json of the run that made an .h5 file.")
    ] = None,
    seed: Seed = 1,
    count: Count = 50,
    subset: Subset = "val",
    year: Year = "2017",
    images: Images = None,
    class_attribute: ClassAttribute = None,
    limit: Annotated[int, typer.Option(help="Images at most; 0: all.")] = 0,
) -> None:
    """How much average precision would be gained if one stage after the other were perfect."""
    from mrcnn_explained.data.open import open_dataset

    with progress() as step:
        step("Opening the dataset")
        data = open_dataset(
            dataset.value,
            source,
            count=count,
            seed=seed,
            subset=subset,
            year=year,
            images=images,
            attribute=class_attribute,
        )
        step("Importing TensorFlow")
        with quiet_import():
            from mrcnn_explained.evaluation.oracle import oracle_report
            from mrcnn_explained.training.run import model_of
        found = oracle_report(
            model_of(weights, config, data),
            data,
            image_ids=data.image_ids[: limit or None],
            progress=lambda stage, i, n: step(f"Perfect {stage}: image {i + 1} of {n}"),
        )
    from mrcnn_explained.cli.tables import oracle_table

    console().print(oracle_table(found))
