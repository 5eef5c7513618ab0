"""`detect` and `splash`: what the detector finds, as data and as images."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mrcnn_explained.cli.common import bar, print_text
from mrcnn_explained.cli.options import DetectOptions, grouped
from mrcnn_explained.cli.run import open_model, print_randomness
from mrcnn_explained.cli.values import claim_folder
from mrcnn_explained.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from mrcnn_explained.cli.result_names import ResultNames
    from mrcnn_explained.detector.model import MaskRCNN

Source = Annotated[
    Path | None, typer.Argument(help="An image, or a folder of images; default: the demo image.")
]


@grouped
def detect(
    options: DetectOptions,
    source: Source = None,
    out: Annotated[
        Path,
        typer.Option(help="File to write: COCO's results (.json) or run lengths (.csv)."),
    ] = Path("detections.json"),
    drawn: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the detections of each image, into this folder.", metavar="DIR"
        ),
    ] = None,
) -> None:
    """Find the objects of an image or of a folder; write boxes, scores and masks.

    In a .csv file the masks of an image do not overlap: a pixel belongs to the best score.
    """
    if out.suffix.lower() not in (".json", ".csv"):
        raise InputError(f"--out is {out}; expected a name that ends in .json or .csv")
    from mrcnn_explained.cli.result_names import result_names
    from mrcnn_explained.media.folder import find_images
    from mrcnn_explained.media.images import demo_image, load_image

    source = source or demo_image()
    left_out = ""
    if source.is_dir():
        images = find_images(source)
        paths, root, left_out = images.paths, source, images.report()
        _check_apart(drawn, source)
    else:
        # An image that cannot be read is refused before TensorFlow's import.
        load_image(source, **options.pixels())
        paths, root = [source], source.parent
        if drawn and os.path.realpath(drawn) == os.path.realpath(root):
            raise InputError(f"--drawn is {drawn}, the folder of the images; give another folder")
    if drawn:
        claim_folder(drawn)
    model = open_model(options, step=lambda name: None)
    names = [path.relative_to(root).as_posix() for path in paths]
    called = result_names(names, model.config.class_names)
    rows: list[Any] = []
    broken: dict[str, InputError] = {}
    with bar("Images") as update:
        for number, path in enumerate(paths):
            update(number, len(paths))
            try:
                image = load_image(path, **options.pixels())
                found = model.detect([image])[0]
                if drawn is not None:
                    _draw(model, image, found, drawn / called.drawn[number])
                if out.suffix.lower() == ".json":
                    rows += _coco_rows(model, found, names[number], number, called)
                else:
                    rows += _csv_rows(found, called.csv_ids[number])
            except InputError as error:
                if not source.is_dir():
                    raise
                broken[names[number]] = error
        update(len(paths), len(paths))
    _write(rows, out)
    for name, reason in broken.items():
        print_text(f"could not be read: {name}: {reason}")
    if left_out:
        print_text(left_out)
    if out.suffix.lower() == ".json":
        print_text(called.note)
    print_randomness(model)
    print(out)


@grouped
def splash(
    options: DetectOptions,
    source: Annotated[
        Path | None, typer.Argument(help="An image or a video; default: the demo image.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; default: splash, with the source's extension."),
    ] = None,
) -> None:
    """Keep the colours of the objects and turn the rest grey: of an image, or of a video."""
    from mrcnn_explained.media.images import demo_image, load_image
    from mrcnn_explained.media.splash import color_splash, splash_video
    from mrcnn_explained.media.video import CONTAINERS, check_target, is_video

    source = source or demo_image()
    moving = is_video(source)
    if out is None:
        readable = moving and source.suffix.lower() not in CONTAINERS
        out = Path(f"splash{'.mp4' if readable else source.suffix}")
    if os.path.realpath(out) == os.path.realpath(source):
        raise InputError(f"--out is {out}, the source itself; give another name")
    if moving:
        if given := [o for o in options.given() if o in ("--frame", "--value-range")]:
            raise InputError(f"{given[0]} is for images, and {source} is a video; leave it out")
        check_target(out)
        if not source.is_file():
            raise InputError(f"{source} is not a file; give an image or a video")
    else:
        image, kind = load_image(source, **options.pixels()), _image_format(out)
    model = open_model(options, step=lambda name: None)

    def masks_of(frame: "np.ndarray") -> "np.ndarray":
        """Return the masks of the objects on a frame."""
        return model.detect([frame])[0]["masks"]

    if moving:
        with bar("Frames") as update:
            splash_video(masks_of, source, out, progress=update)
    else:
        from PIL import Image

        from mrcnn_explained.system.files import atomic_write

        with atomic_write(out) as file:
            Image.fromarray(color_splash(image, masks_of(image))).save(file, format=kind)
    print_randomness(model)
    print(out)


def _image_format(path: Path) -> str:
    """Return Pillow's name of the format that a file's extension stands for.

    Raises InputError for a format that Pillow cannot write.
    """
    from PIL import Image

    Image.init()
    kind = Image.EXTENSION.get(path.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise InputError(f"--out is {path}; expected a name that ends in .png, .jpg or .webp")
    return kind


def _check_apart(drawn: Path | None, folder: Path) -> None:
    """Raise InputError for a folder of drawn images within that of the images.

    Another run would take them for images.
    """
    if drawn is None:
        return
    inner, outer = Path(os.path.realpath(drawn)), Path(os.path.realpath(folder))
    if inner.is_relative_to(outer):
        where = "the folder of the images" if inner == outer else "in the folder of the images"
        raise InputError(f"--drawn is {drawn}, {where}; give another folder")


def _coco_rows(
    model: "MaskRCNN",
    found: dict[str, "np.ndarray"],
    name: str,
    number: int,
    called: "ResultNames",
) -> list[dict[str, Any]]:
    """Return COCO's results of one image, with the names of its file and of the classes."""
    import numpy as np

    from mrcnn_explained.evaluation.export import coco_results

    categories = called.categories(found["class_ids"].tolist())
    with_ids = {**found, "class_ids": np.array(categories, np.int64)}
    results = coco_results(called.image_ids[number], **with_ids)
    return [
        {"file_name": name, "class": model.config.class_name(class_id), **row}
        for class_id, row in zip(found["class_ids"], results, strict=True)
    ]


def _csv_rows(found: dict[str, "np.ndarray"], image_id: str) -> list[dict[str, str]]:
    """Return the image and run lengths of each mask; one row without any if there is no mask."""
    from mrcnn_explained.evaluation.export import run_lengths, without_overlaps

    masks = without_overlaps(found["scores"], found["masks"])
    every = [run_lengths(masks[..., i]) for i in range(masks.shape[-1])]
    visible = [lengths for lengths in every if lengths] or [""]
    return [{"ImageId": image_id, "EncodedPixels": lengths} for lengths in visible]


def _draw(
    model: "MaskRCNN", image: "np.ndarray", found: dict[str, "np.ndarray"], path: Path
) -> None:
    """Draw what the detector found on an image."""
    import numpy as np

    from mrcnn_explained.plots.instances import plot_instances
    from mrcnn_explained.plots.save import save_figure
    from mrcnn_explained.stages.instances import Instances

    names = [model.config.class_name(k) for k in range(model.config.num_classes)]
    one_image = {key: (value,) for key, value in found.items()}
    instances = Instances(**one_image, detection=(np.arange(len(found["scores"])),))
    save_figure(plot_instances(instances, image, names).figure, path)


def _write(rows: list[Any], path: Path) -> None:
    """Write rows as JSON or CSV, as the file's extension says."""
    from mrcnn_explained.system.files import atomic_write, write_csv

    if path.suffix.lower() == ".csv":
        write_csv(path, ("ImageId", "EncodedPixels"), rows)
        return
    with atomic_write(path) as file:
        file.write(json.dumps(rows, indent=1).encode())
