"""Make annotation files with the tools' own packages, for tests/data/made_by_tools.

    python -m venv V && V/bin/pip install labelme==5.5.0 datumaro==1.13.12
    QT_QPA_PLATFORM=offscreen V/bin/python tools/foreign_files.py tests/data/made_by_tools

Datumaro is what CVAT exports COCO with. Neither package is a dependency of this project.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 60)  # height, width
TRIANGLE = [[10.0, 5.0], [30.0, 5.0], [30.0, 25.0]]  # (x, y)
RECTANGLE = [[35.0, 10.0], [55.0, 30.0]]  # two corners
CIRCLE = [[20.0, 30.0], [20.0, 36.0]]  # the center, and a point on it


def image() -> np.ndarray:
    """Return the image of every file."""
    return np.full((*SIZE, 3), 90, np.uint8)


def labelme(folder: Path) -> None:
    """Write what Labelme's window saves: with the image in the file, without it, and a mask."""
    from labelme import utils
    from labelme.label_file import LabelFile

    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    Image.fromarray(image()).save(packed, "PNG")
    (folder / "outside.png").write_bytes(packed.getvalue())
    drawn = [("sail", TRIANGLE, "polygon"), ("crate", RECTANGLE, "rectangle")]
    drawn += [("buoy", CIRCLE, "circle")]
    mask = np.zeros([8, 12], np.uint8)
    mask[2:6, 3:9] = 1
    shapes = [_shape(*each, None) for each in drawn]
    hull = [_shape("hull", [[5, 20], [16, 27]], "mask", utils.img_arr_to_b64(mask))]
    inside = packed.getvalue()
    for name, data, these in (
        ("inside", inside, shapes),
        ("outside", None, shapes),
        ("mask", inside, hull),
    ):
        LabelFile().save(
            filename=str(folder / f"{name}.json"),
            shapes=these,
            imagePath="outside.png",
            imageHeight=SIZE[0],
            imageWidth=SIZE[1],
            imageData=data,
            otherData={},
            flags={},
        )


def _shape(label: str, points: list, kind: str, mask: str | None) -> dict:
    """Return a shape as Labelme's window passes it on."""
    shape = {"label": label, "points": points, "shape_type": kind, "mask": mask}
    return {**shape, "group_id": None, "flags": {}, "description": ""}


def coco(folder: Path) -> None:
    """Write Datumaro's COCO: a polygon, a box without one, and a mask, in a subfolder."""
    import datumaro as dm
    from datumaro.components.media import Image as Media

    pixels = np.zeros(SIZE, bool)
    pixels[30:38, 3:20] = True
    objects = [
        dm.Polygon([v for point in TRIANGLE for v in point], label=0, id=1, group=1),
        dm.Bbox(35, 10, 20, 20, label=1, id=2, group=2),
        dm.Mask(pixels, label=2, id=3, group=3, attributes={"is_crowd": False}),
    ]
    item = dm.DatasetItem("boats/one", media=Media.from_numpy(image()), annotations=objects)
    dataset = dm.Dataset.from_iterable([item], categories=["sail", "crate", "hull"])
    dataset.export(str(folder), "coco_instances", save_media=True)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    labelme(out / "labelme")
    coco(out / "datumaro_coco")
