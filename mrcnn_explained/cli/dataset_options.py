"""Options of a dataset: which file, which images, which classes. See options.py."""

import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mrcnn_explained.cli.options import LARGEST, MOST_SCENES, ValueRange

if TYPE_CHECKING:
    from mrcnn_explained.data.dataset import Dataset


class Kind(enum.StrEnum):
    """The kinds of dataset that `open_dataset` opens."""

    shapes = "shapes"
    coco = "coco"
    via = "via"
    labelme = "labelme"


class FrameChoice(enum.StrEnum):
    """Which way up photos were when they were annotated."""

    auto = "auto"
    upright = "upright"
    stored = "stored"


class Crowds(enum.StrEnum):
    """What COCO's iscrowd means in a file."""

    regions = "regions"
    objects = "objects"


DatasetSource = Annotated[
    Path | None,
    typer.Argument(
        help="COCO's folder or JSON file, VIA's JSON or CSV file, Labelme's folder or file; not "
        "for dataset shapes."
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="Seed of the scenes of dataset shapes, and of all random draws.", min=0, max=LARGEST
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        help="Number of scenes of dataset shapes; default: 500, to train 10,000.",
        min=1,
        max=MOST_SCENES,
    ),
]
Subset = Annotated[
    str | None,
    typer.Option(help="Subset of a folder of dataset coco; default: val, to train train."),
]


@dataclass(frozen=True, kw_only=True)
class AnnotationOptions:
    """Where the annotations of a dataset lie, and how they name classes."""

    subset: Subset = None
    year: Annotated[
        str | None, typer.Option(help="Year of a folder of dataset coco; default: 2017.")
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images; default: where the annotation tools put them."),
    ] = None
    class_attribute: Annotated[
        str | None, typer.Option(help="Region attribute of dataset via that names the class.")
    ] = None
    orientation: Annotated[
        FrameChoice,
        typer.Option(
            help="Whether photos were annotated upright or as stored (EXIF orientation); auto: the "
            "declared sizes decide."
        ),
    ] = FrameChoice.auto
    crowds: Annotated[
        Crowds,
        typer.Option(help="Whether COCO's iscrowd marks regions of many objects, or objects."),
    ] = Crowds.regions
    value_range: ValueRange = None

    def annotations(self) -> dict[str, Any]:
        """Return the arguments of `open_dataset` that these options give."""
        return {
            "subset": self.subset,
            "year": self.year,
            "images": self.images,
            "attribute": self.class_attribute,
            "frame": self.orientation.value,
            "crowds": self.crowds is Crowds.regions,
            "value_range": self.value_range,
        }


@dataclass(frozen=True, kw_only=True)
class DatasetOptions(AnnotationOptions):
    """A dataset to measure on."""

    dataset: Annotated[Kind, typer.Option(help="Kind of dataset.")] = Kind.shapes
    seed: Seed = 1
    count: Count = None

    def open(self, source: Path | None, **more: Any) -> "Dataset":
        """Open the dataset, and print on stderr what of its file is not used as it is written."""
        from mrcnn_explained.data.open import open_dataset

        settings = {**self.annotations(), "count": self.count, "seed": self.seed, **more}
        dataset = open_dataset(self.dataset.value, source, **settings)
        print_findings(dataset)
        return dataset


def print_findings(dataset: "Dataset", most: int = 5) -> None:
    """Print on stderr what of a dataset's file is left out, or not used as it is written."""
    for findings, what in ((dataset.problems, "left out"), (dataset.notes, "note")):
        for finding in findings[:most]:
            print(f"{what}: {finding}", file=sys.stderr)
        if len(findings) > most:
            more = len(findings) - most
            print(f"{what}: {more} more; mrcnn-explained data lists all", file=sys.stderr)
