"""The VGG Image Annotator's files, versions 1 to 3, read into records; no region makes it fail."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mrcnn_explained.data.document import Document
from mrcnn_explained.data.outlines import (
    Outline,
    OutlineError,
    ellipse,
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
from mrcnn_explained.data.via3 import via3_regions

CENTER = 0.0  # of the first pixel
ONE_CLASS = "object"  # the class of regions in a file without attributes
WITHOUT_AREA = ("point", "line", "polyline", "extreme_rect", "extreme_circle")


class Region(NamedTuple):
    """One region as VIA 1 and 2 write it; VIA 3's are brought to this form."""

    image: Any  # name of its file
    shape: Any  # "shape_attributes"
    attributes: Any  # "region_attributes"
    where: str  # "region 3"


def read_via(document: Document, attribute: str | None = None, *, empty: bool = False) -> Reading:
    """Read a VIA file: JSON of annotations, a project, or CSV.

    attribute    the region attribute that names the class; None: the only one with values
    empty        True: keep images without regions, as images without objects

    Raises DatasetError if several attributes could name the class, or the chosen one is not there.
    """
    file = str(document.path)
    files, regions = _regions(document)
    chosen = _attribute(file, regions, attribute)
    objects: dict[str, list[ObjectRecord]] = {name: [] for name in files}
    problems: dict[str, list[AnnotationProblem]] = {name: [] for name in files}
    nowhere: list[AnnotationProblem] = []
    for region in regions:
        if not isinstance(region.image, str) or not region.image:
            why = f"its image has no name, but {type(region.image).__name__}"
            nowhere.append(AnnotationProblem("", -1, why, file, region.where))
            continue
        try:
            name = _class_name(region.attributes, chosen)
            thing = ObjectRecord(None, name, outline_of(region.shape), False, region.where)
        except OutlineError as error:
            found = problems[region.image]
            index = len(objects[region.image]) + len(found)
            found.append(
                AnnotationProblem(_where(region.image), index, str(error), file, region.where)
            )
            continue
        objects[region.image].append(thing)
    names = sorted({thing.class_name for things in objects.values() for thing in things})
    kept = [name for name in files if empty or objects[name] or problems[name]]
    left = len(files) - len(kept)
    notes = []
    if left:
        why = f"images without regions, which are left out as not annotated: {left}"
        notes.append(AnnotationProblem("", -1, why, file, lost=0))
    images = [
        ImageRecord(name, name, None, tuple(objects[name]), tuple(problems[name]), _where(name))
        for name in kept
    ]
    return Reading(
        tool="via",
        file=file,
        images=tuple(images),
        class_names=tuple(names),
        class_ids=tuple(range(1, len(names) + 1)),
        problems=tuple(nowhere),
        notes=tuple(notes),
        objects_in_file=len(regions),
    )


def _where(name: str) -> str:
    """Return what messages call an image."""
    return f"image {short(name)}"


def _regions(document: Document) -> tuple[list[str], list[Region]]:
    """Return the names of a file's images, each once and in order, and all its regions."""
    if document.table is not None:
        found = list(_rows_of(document))
    else:
        content = document.content
        content = content.get("_via_img_metadata", content)
        if not isinstance(content, Mapping):
            raise DatasetError(
                f"{document.path} is not an export of the VGG Image Annotator: its list of images "
                f"is {type(content).__name__}"
            )
        is_via3 = {"metadata", "view", "file"} <= set(content)
        found = list(via3_regions(content) if is_via3 else _entries(content))
    files: dict[str, None] = {}
    regions: list[Region] = []
    counts: Counter[str] = Counter()
    for image, things in found:
        if isinstance(image, str) and image:
            files[image] = None
        for shape, attributes in things:
            number = counts[str(image)]
            counts[str(image)] += 1
            regions.append(Region(image, shape, attributes, f"region {number + 1}"))
    return list(files), regions


Entries = Iterator[tuple[Any, list[tuple[Any, Any]]]]  # image, its (shape, attributes)


def _entries(content: Mapping[str, Any]) -> Entries:
    """Return the images of VIA 1 and 2 with their regions."""
    for entry in content.values():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            continue
        regions = entry.get("regions")
        if isinstance(regions, Mapping):  # version 1 numbers them
            regions = list(regions.values())
        if not isinstance(regions, list):
            regions = [] if regions is None else [regions]
        yield entry["filename"], [_pair(region) for region in regions]


def _pair(region: Any) -> tuple[Any, Any]:
    """Return the shape and the attributes of a region."""
    if not isinstance(region, Mapping):
        return region, {}
    return region.get("shape_attributes"), region.get("region_attributes", {})


def _rows_of(document: Document) -> Entries:
    """Return the rows of a CSV file as images with at most one region."""
    table = document.table or ()
    if table and "spatial_coordinates" in table[0]:
        yield from via3_regions(_via3_of(document))
        return
    for row in table:
        shape = _json(row.get("region_shape_attributes"))
        attributes = _json(row.get("region_attributes"))
        is_region = shape != {} and row.get("region_count") != "0"
        yield row.get("filename"), [(shape, attributes)] if is_region else []


def _via3_of(document: Document) -> dict[str, Any]:
    """Return the CSV of VIA 3 as its project would hold it."""
    files: dict[str, Any] = {}
    views: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    known = next((c for c in document.comments if c.startswith("ATTRIBUTE")), "")
    for number, row in enumerate(document.table or ()):
        key = str(number)
        names = _json(row.get("file_list"))
        files[key] = {"fname": names[0] if isinstance(names, list) and names else names}
        views[key] = {"fid_list": [key]}
        metadata[key] = {
            "vid": key,
            "xy": _json(row.get("spatial_coordinates")),
            "av": _json(row.get("metadata")),
            "z": _json(row.get("temporal_coordinates")),
        }
    attributes = _json(known.partition("=")[2]) if known else {}
    return {"file": files, "view": views, "metadata": metadata, "attribute": attributes}


def _json(text: Any) -> Any:
    """Return what a cell holds; the text itself if that is not JSON."""
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _attribute(file: str, regions: Sequence[Region], wanted: str | None) -> str | None:
    """Return the attribute that names the class; None: no region has any."""
    attributes = [r.attributes for r in regions if isinstance(r.attributes, Mapping)]
    known = sorted({str(name) for each in attributes for name in each})
    with_values = sorted({str(n) for each in attributes for n, v in each.items() if _values(v)})
    if wanted is not None:
        if wanted not in known:
            names = ", ".join(map(short, known[:5])) or "none"
            raise DatasetError(
                f"{file}: no region has the attribute {short(wanted)}; its attributes are {names}"
            )
        return wanted
    if len(with_values) > 1:
        names = ", ".join(short(name, 20) for name in with_values[:5])
        raise DatasetError(
            f"regions in {file} have the attributes {names}: choose the one that names "
            "the class (attribute=…, --class-attribute …)"
        )
    if with_values:
        return with_values[0]
    return None


def _values(value: Any) -> list[str]:
    """Return the values that an attribute has: of a checkbox, every one that is ticked."""
    if isinstance(value, Mapping):
        return [str(name) for name, ticked in value.items() if ticked is True]
    if value is None or isinstance(value, bool | list):
        return []
    text = str(value).strip()
    return [text] if text and text != "undefined" else []


def _class_name(attributes: Any, chosen: str | None) -> str:
    """Return the class that the chosen attribute names.

    Raises OutlineError for a region without a class, or with several.
    """
    if not isinstance(attributes, Mapping | None):
        raise OutlineError(f"its attributes are {type(attributes).__name__}; expected names")
    if chosen is None:
        return ONE_CLASS
    values = _values((attributes or {}).get(chosen))
    if not values:
        raise OutlineError(f"it has no class: its attribute {short(chosen)} is empty")
    if len(values) > 1:
        ticked = ", ".join(short(value, 20) for value in values[:4])
        raise OutlineError(f"it has {len(values)} classes: {ticked}")
    return values[0].encode("utf-8", "backslashreplace").decode()


def outline_of(shape: Any) -> Outline:
    """Return the outline of a region. Raises OutlineError for one without area."""
    if not isinstance(shape, Mapping):
        raise OutlineError(f"its shape is {'missing' if shape is None else type(shape).__name__}")
    kind = shape.get("name")
    if kind == "polygon":
        x, y = (numbers(shape.get(f"all_points_{axis}"), "its polygon") for axis in "xy")
        if len(x) != len(y):
            raise OutlineError(f"its polygon has {len(x)} values of x, but {len(y)} of y")
        return polygon(list(zip(x, y, strict=True)), CENTER)
    get = shape.get
    if kind == "rect":
        return rectangle(get("x"), get("y"), get("width"), get("height"), CENTER)
    if kind == "circle":
        return ellipse(get("cx"), get("cy"), get("r"), get("r"), 0, CENTER)
    if kind == "ellipse":
        return ellipse(get("cx"), get("cy"), get("rx"), get("ry"), get("theta", 0), CENTER)
    if kind in WITHOUT_AREA:
        raise OutlineError(f"a region of the kind {kind!r} has no area; draw a polygon around it")
    raise OutlineError(
        f"a region of the kind {short(kind)!r} has no area; draw polygons, rectangles, circles or "
        "ellipses"
    )
