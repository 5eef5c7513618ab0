"""Labelme's files, one per image, read into records; no shape makes it fail."""

import base64
import binascii
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.data.document import Document, check_tool, identify, read_document
from mrcnn_explained.data.layouts import files_below
from mrcnn_explained.data.outlines import (
    Bitmap,
    Outline,
    OutlineError,
    Polygon,
    ellipse,
    number,
    numbers,
    polygon,
    rectangle,
)
from mrcnn_explained.data.records import (
    AnnotationProblem,
    DatasetError,
    ImageRecord,
    ObjectRecord,
    Reading,
    short,
)

CENTER = 0.5  # of the first pixel
BACKGROUNDS = ("_background_", "__background__")
WITHOUT_AREA = ("point", "points", "line", "linestrip")


def read_labelme(source: Path) -> Reading:
    """Read a Labelme file, or all of a folder and the folders below it.

    A file of the folder that cannot be read is a problem, one of another tool a note.

    Raises DatasetError for a single file that is not Labelme's, or a folder without any.
    """
    problems: list[AnnotationProblem] = []
    notes: list[AnnotationProblem] = []
    images: list[ImageRecord] = []
    count = 0
    if not os.path.isdir(source):
        document = read_document(source, "labelme")
        check_tool(document, "labelme")
        image, count = _image(document)
        images = [image]
    for path in files_below(source, (".json",)) if os.path.isdir(source) else ():
        try:
            document = read_document(path, "labelme")
        except DatasetError as error:
            problems.append(AnnotationProblem("", -1, str(error), str(source), lost=0))
            continue
        if identify(document) != "labelme":
            why = f"{short(path.name)} is not a Labelme file and was not read"
            notes.append(AnnotationProblem("", -1, why, str(source), lost=0))
            continue
        image, objects = _image(document)
        images.append(image)
        count += objects
    if not images:
        raise DatasetError(f"{source} holds no Labelme file; expected one .json for each image")
    names = sorted({thing.class_name for image in images for thing in image.objects})
    return Reading(
        tool="labelme",
        file=str(source),
        images=tuple(images),
        class_names=tuple(names),
        class_ids=tuple(range(1, len(names) + 1)),
        problems=tuple(problems),
        notes=tuple(notes),
        objects_in_file=count,
    )


def _image(document: Document) -> tuple[ImageRecord, int]:
    """Return the image of a Labelme file, and how many objects the file holds."""
    path, content = document.path, document.content
    name = content.get("imagePath")
    name = name if isinstance(name, str) and name else path.with_suffix(".jpg").name
    objects: list[ObjectRecord] = []
    problems: list[AnnotationProblem] = []
    groups = _groups(content["shapes"])
    for index, (where, parts) in enumerate(groups):
        try:
            outline = _together([_outline(part) for part in parts])
            objects.append(ObjectRecord(None, _label(parts[0]), outline, False, where))
        except OutlineError as error:
            problems.append(
                AnnotationProblem(f"image {short(name)}", index, str(error), str(path), where)
            )
    image = ImageRecord(
        file=name,
        id=name,
        size=_declared_size(content),
        objects=tuple(objects),
        problems=tuple(problems),
        where=f"image {short(name)}",
        annotations=str(path),
    )
    return image, len(groups)


def _declared_size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the declared height and width; None: there is none."""
    try:
        size = numbers((content.get("imageHeight"), content.get("imageWidth")), "the size")
    except OutlineError:
        return None
    return (int(size[0]), int(size[1])) if min(size) >= 1 else None


def _groups(shapes: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Return the shapes of each object: those of one label and one group number are one object."""
    alone: list[tuple[str, list[Any]]] = []
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for index, shape in enumerate(shapes):
        where = f"shape {index + 1}"
        group = shape.get("group_id") if isinstance(shape, Mapping) else None
        if group is None:
            alone.append((where, [shape]))
            continue
        key = str(shape.get("label")), str(group)
        if key not in groups:
            alone.append((f"{where} (group {short(group)})", groups[key]))
        groups[key].append(shape)
    return alone


def _label(shape: Any) -> str:
    """Return the class of a shape. Raises OutlineError for one without."""
    label = shape.get("label") if isinstance(shape, Mapping) else None
    if not isinstance(label, str) or not label.strip():
        raise OutlineError("it has no label")
    if label in BACKGROUNDS:
        raise OutlineError("its label is the background")
    return label.encode("utf-8", "backslashreplace").decode()


def _outline(shape: Any) -> Outline:
    """Return the outline of one shape. Raises OutlineError for one without area."""
    if not isinstance(shape, Mapping):
        raise OutlineError(f"it is {type(shape).__name__}; expected a shape")
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in WITHOUT_AREA:
        raise OutlineError(f"a shape of the kind {kind!r} has no area; draw a polygon around it")
    if not isinstance(points, list):
        raise OutlineError("it has no points")
    if kind == "polygon":
        return polygon(_pairs(points, None), CENTER)
    if kind == "rectangle":
        corners = np.array(_pairs(points, None))
        if len(corners) not in (2, 4):
            raise OutlineError(f"its rectangle has {len(corners)} points; expected two or four")
        (x1, y1), (x2, y2) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return rectangle(x1, y1, x2 - x1, y2 - y1, CENTER)
    if kind == "circle":
        (cx, cy), (x, y) = _pairs(points, 2)
        radius = float(np.hypot(x - cx, y - cy))
        return ellipse(cx, cy, radius, radius, 0, CENTER)
    if kind == "mask":
        return _bitmap(shape.get("mask"), _pairs(points, 2))
    raise OutlineError(f"shapes of the kind {short(kind)!r} are not known")


def _pairs(points: list[Any], count: int | None) -> list[tuple[float, float]]:
    """Return points as pairs of numbers."""
    if count is not None and len(points) != count:
        raise OutlineError(f"it has {len(points)} points; expected {count}")
    if not points:
        raise OutlineError("it has no points")
    pairs = [numbers(point, "a point") for point in points]
    if any(len(pair) != 2 for pair in pairs):
        raise OutlineError("a point does not have two coordinates")
    return [(pair[0], pair[1]) for pair in pairs]


def _bitmap(mask: Any, corners: list[tuple[float, float]]) -> Bitmap:
    """Return a mask that lies between two corners, written as a PNG in base64."""
    if not isinstance(mask, str):
        raise OutlineError("its mask is missing")
    try:
        png = base64.b64decode(mask, validate=True)
    except (binascii.Error, ValueError) as error:
        raise OutlineError("its mask is not in base64") from error
    x, y = (number(min(corner[axis] for corner in corners), "a corner") for axis in (0, 1))
    return Bitmap(int(x), int(y), png)


def _together(outlines: Sequence[Outline]) -> Outline:
    """Return the outlines of a group as one; only polygons can be put together."""
    if len(outlines) == 1:
        return outlines[0]
    parts = [part for outline in outlines if isinstance(outline, Polygon) for part in outline.parts]
    if len(parts) < len(outlines):
        raise OutlineError("its group holds shapes other than polygons, which are not put together")
    return Polygon(tuple(parts), CENTER)
