"""`detect` and `splash`: what the detector finds, for other programs and for the eye."""

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from mrcnn_explained.cli.common import bar, console, quiet_import
from mrcnn_explained.cli.run import (
    Backbone,
    BackboneOption,
    Confidence,
    Device,
    Size,
    Weights,
    print_randomness,
    settings_of,
)
from mrcnn_explained.errors import InputError

Source = Annotated[
    Path | None,
    typer.Argument(help="An image, or a folder of them; without it, the demo image."),
]


def detect(
    source: Source = None,
    out: Annotated[
        Path,
        typer.Option(help="COCO's list of results (.json), or a submission's run lengths (.csv)."),
    ] = Path("detections.json"),
    images: Annotated[
        Path | None, typer.Option(help="Also draw each image, into this folder.")
    ] = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    min_confidence: Confidence = None,
    device: Device = "auto",
) -> None:
    """Find the objects of an image or of a folder; write boxes, scores and masks.

    In .csv an image's masks do not overlap: a pixel belongs to the best score.
    """
    if out.suffix.lower() not in (".json", ".csv"):
        raise InputError(f"--out is {out}; expected a name that ends in .json or .csv")
    from mrcnn_explained.media.images import demo_image, images_in, load_image

    source = source or demo_image()
    if source.is_dir():
        paths, root = images_in(source), source
    else:
        load_image(source)  # refuses at once what would be refused after TensorFlow's import
        paths, root = [source], source.parent
    if images and images.resolve() == root.resolve():
        raise InputError(f"--images is {images}, the source's own folder; give another one")
    model = _model(weights, settings_of(locals()), device)
    found, broken = [], {}
    with bar("Images") as update:
        for place, path in enumerate(paths):
            update(place, len(paths))
            name = path.relative_to(root).as_posix()
            try:
                found += _rows(model, path, name, place, out.suffix.lower(), images)
            except InputError as error:
                if not source.is_dir():
                    raise
                broken[name] = error
        update(len(paths), len(paths))
    _write(found, out)
    for name, why in broken.items():
        console().print(f"could not be read: {name}: {why}", markup=False, highlight=False)
    print_randomness(model)
    print(out)


def splash(
    source: Source = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: splash, as the source ends.")
    ] = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    min_confidence: Confidence = None,
    device: Device = "auto",
) -> None:
    """Keep the colours of the objects and turn the rest grey: of an image, or of a video."""
    from mrcnn_explained.media.images import demo_image, load_image
    from mrcnn_explained.media.splash import color_splash, splash_video
    from mrcnn_explained.media.video import check_target, is_video

    source = source or demo_image()
    out = out or Path(f"splash{source.suffix}")
    if out.resolve() == source.resolve():
        raise InputError(f"--out is {out}, the source itself; give another name")
    moving = is_video(source)
    if moving:
        check_target(out)
        if not source.is_file():
            raise InputError(f"{source} is not a file; give an image or a video")
    else:
        image, kind = load_image(source), _kind(out)
    model = _model(weights, settings_of(locals()), device)

    def masks_of(frame: Any) -> Any:
        """Return the masks of the objects on one frame."""
        return model.detect([frame])[0]["masks"]

    if moving:
        with bar("Frames") as update:
            splash_video(masks_of, source, out, progress=update)
    else:
        from PIL import Image

        from mrcnn_explained.files import atomic_write

        splashed = color_splash(image, masks_of(image))
        with atomic_write(out) as file:
            Image.fromarray(splashed).save(file, format=kind)
    print_randomness(model)
    print(out)


def _kind(path):
    """The format that an image's name asks for."""
    from PIL import Image

    Image.init()
    kind = Image.EXTENSION.get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"--out is {path}; expected a name that ends in .png, .jpg or .webp")
    return kind


def _model(weights, settings, device):
    """Check what can be wrong, then import TensorFlow and make the model."""
    from mrcnn_explained.weights.resolve import weights_and_config

    weights, config = weights_and_config(weights, settings)
    with quiet_import():
        from mrcnn_explained.detector.devices import select_device
        from mrcnn_explained.detector.open import make_model
        from mrcnn_explained.errors import RandomWeightsWarning
    warnings.simplefilter("ignore", RandomWeightsWarning)  # told at the end
    select_device(device)
    return make_model(weights, config)


def _rows(model, path, name, number, suffix, folder):
    """What is written of one image."""
    from mrcnn_explained.evaluation.export import coco_results, run_lengths, without_overlaps
    from mrcnn_explained.media.images import load_image

    image = load_image(path)
    found = model.detect([image])[0]
    if folder is not None:
        _draw(model, image, found, folder / (name if path.suffix == ".png" else f"{name}.png"))
    if suffix == ".json":
        class_name = model.config.class_name
        return [
            {"file_name": name, "class": class_name(row["category_id"]), **row}
            for row in coco_results(number, **found)
        ]
    apart = without_overlaps(found["scores"], found["masks"])
    lengths = [run_lengths(apart[..., i]) for i in range(apart.shape[-1])]
    rows = [row for row in lengths if row] or [""]
    return [{"ImageId": Path(name).stem, "EncodedPixels": row} for row in rows]


def _draw(model, image, found, path):
    from mrcnn_explained.plots.instances import plot_instances
    from mrcnn_explained.plots.save import save_figure
    from mrcnn_explained.stages.instances import Instances

    names = [model.config.class_name(k) for k in range(model.config.num_classes)]
    rows = (range(len(found["scores"])),)
    instances = Instances(**{key: (value,) for key, value in found.items()}, detection=rows)
    save_figure(plot_instances(instances, image, names).figure, path)


def _write(found, path):
    from mrcnn_explained.files import atomic_write, write_csv

    if path.suffix.lower() == ".csv":
        return write_csv(path, ("ImageId", "EncodedPixels"), found)
    with atomic_write(path) as file:
        file.write(json.dumps(found, indent=1).encode())
