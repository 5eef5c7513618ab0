"""COCO's format, read into records and checked as a whole; no object makes it fail.

Objects are found by their image, never by their own ids, which some tools start again on every
image.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from mrcnn_explained.data.coco_outlines import outline_of
from mrcnn_explained.data.document import Document
from mrcnn_explained.data.outlines import OutlineError, numbers
from mrcnn_explained.data.records import (
    AnnotationProblem,
    DatasetError,
    ImageRecord,
    Notes,
    ObjectRecord,
    Reading,
    short,
)

BACKGROUNDS = ("_background_", "__background__", "background", "BG")


class _Unusable(Exception):
    """An object that is left out: why."""


def read_coco(document: Document, *, crowds: bool = True) -> Reading:
    """Read a COCO file.

    crowds    False: objects with iscrowd 1 are single objects, as some tools mean it

    Raises DatasetError if the lists of images, categories and annotations are not there.
    """
    file, content = str(document.path), document.content
    lists = [_list(document, name) for name in ("images", "categories", "annotations")]
    notes, problems = Notes(), list[AnnotationProblem]()
    names = _categories(content["categories"], content["annotations"], file, notes, problems)
    images = _images(lists[0], file, notes, problems)
    objects, lost = _objects(lists[2], images, names, file, notes, crowds)
    problems += lost.pop(None, [])
    used = [thing for things in objects.values() for thing in things]
    if used and all(thing.crowd for thing in used):
        problems.append(AnnotationProblem("", -1, _only_crowds(len(used)), file, lost=0))
    by_name: dict[str, Any] = {}
    for key in sorted(names, key=_order):
        by_name.setdefault(names[key], key)
    records = [
        image._replace(objects=tuple(objects[key]), problems=tuple(lost.get(key, ())))
        for key, image in sorted(images.items(), key=lambda pair: _order(pair[0]))
    ]
    return Reading(
        tool="coco",
        file=file,
        images=tuple(records),
        class_names=tuple(by_name),
        class_ids=tuple(by_name.values()),
        problems=tuple(problems),
        notes=tuple(notes.listed(file)),
        objects_in_file=len(lists[2]),
    )


def _list(document: Document, name: str) -> list[Any]:
    """Return one of the three lists of a COCO file."""
    found = document.content.get(name)
    if not isinstance(found, list):
        what = "it has none" if found is None else f"it is {type(found).__name__}"
        raise DatasetError(
            f"{document.path} is not in COCO's format: expected a list of {name}, but {what}"
        )
    return found


def _only_crowds(count: int) -> str:
    """Return what is wrong with a file that has crowds only."""
    return (
        f"all {count} objects have iscrowd 1, so no loss would be computed from them; if they are "
        "single objects (CVAT writes its brush masks so), use --crowds objects"
    )


def _key(value: Any) -> Any:
    """Return an id as it is compared: a whole number if it is one, also if it is written as text.

    None: the value is not an id.
    """
    if type(value) is int and abs(value) < 2**63:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip()
        digits = text.removeprefix("-")
        return int(text) if digits.isdecimal() and len(digits) < 19 else text or None
    return int(value) if value == value and abs(value) < 2**63 and value == int(value) else None


def _order(key: Any) -> tuple[bool, Any]:
    """Return what ids are sorted by: numbers first."""
    return isinstance(key, str), key


def _categories(
    categories: list[Any],
    annotations: list[Any],
    file: str,
    notes: Notes,
    problems: list[AnnotationProblem],
) -> dict[Any, str]:
    """Return the name of each category by its id, without a background that has no object."""
    names: dict[Any, str] = {}
    twice: set[Any] = set()
    groups = set()
    for index, category in enumerate(categories):
        entry = category if isinstance(category, Mapping) else {}
        key, name = _key(entry.get("id")), entry.get("name")
        if key is None or not isinstance(name, str) or not name.strip():
            why = f"category {index + 1} of the list has no id or no name: it is left out"
            problems.append(AnnotationProblem("", -1, why, file, lost=0))
            continue
        if isinstance(entry["id"], str) and isinstance(key, int):
            notes.add("ids of categories that are text and taken as numbers: {n}")
        if names.get(key, name) != name:
            twice.add(key)
            why = f"category {key} is both {short(names[key])} and {short(name)}"
            problems.append(AnnotationProblem("", -1, why, file, lost=0))
        names[key] = name.encode("utf-8", "backslashreplace").decode()
        group = entry.get("supercategory")
        if isinstance(group, str) and group != name:
            groups.add(group)
    used = {_key(a.get("category_id")) for a in annotations if isinstance(a, Mapping)}
    for key, name in list(names.items()):
        if key in twice:
            del names[key]
        elif key not in used and (name in BACKGROUNDS or (key == 0 and name in groups)):
            notes.add(f"category {key} ({short(name)}) has no object: it is not a class")
            del names[key]
    for name, count in Counter(names.values()).items():
        if count > 1:
            notes.add(f"{count} categories are called {short(name)}: they are one class")
    return names


def _images(
    entries: list[Any], file: str, notes: Notes, problems: list[AnnotationProblem]
) -> dict[Any, ImageRecord]:
    """Return the images by their ids."""
    images: dict[Any, ImageRecord] = {}
    twice: set[Any] = set()
    for index, entry in enumerate(entries):
        entry = entry if isinstance(entry, Mapping) else {}
        key, name = _key(entry.get("id")), entry.get("file_name")
        if key is None or not isinstance(name, str) or not name:
            why = f"image {index + 1} of the list has no id or no file_name: it is left out"
            problems.append(AnnotationProblem("", -1, why, file, lost=0))
            continue
        if isinstance(entry["id"], str) and isinstance(key, int):
            notes.add("ids of images that are text and taken as numbers: {n}")
        if key in images and images[key].file != name:
            twice.add(key)
            why = f"image id {key} belongs to {short(images[key].file)} and to {short(name)}"
            problems.append(AnnotationProblem("", -1, why, file, lost=0))
        size = _declared_size(entry, notes)
        where = f"image {short(key)} ({short(name)})"
        images[key] = ImageRecord(name, key, size, (), (), where)
    return {key: image for key, image in images.items() if key not in twice}


def _declared_size(entry: Mapping[str, Any], notes: Notes) -> tuple[int, int] | None:
    """Return the declared height and width of an image; None: there is none."""
    try:
        height, width = numbers((entry.get("height"), entry.get("width")), "the size")
    except OutlineError:
        notes.add("images without height and width, whose files count: {n}")
        return None
    if height < 1 or width < 1:
        notes.add("images without height and width, whose files count: {n}")
        return None
    return int(height), int(width)


def _objects(
    annotations: list[Any],
    images: Mapping[Any, ImageRecord],
    names: Mapping[Any, str],
    file: str,
    notes: Notes,
    crowds: bool,
) -> tuple[dict[Any, list[ObjectRecord]], dict[Any, list[AnnotationProblem]]]:
    """Return the objects of each image, and the problems of each image; None: of no image."""
    objects: dict[Any, list[ObjectRecord]] = {key: [] for key in images}
    problems: dict[Any, list[AnnotationProblem]] = defaultdict(list)
    for index, (annotation, where) in enumerate(_named(annotations)):
        key = _key(annotation.get("image_id")) if isinstance(annotation, Mapping) else None
        image = images.get(key)
        try:
            if not isinstance(annotation, Mapping):
                raise _Unusable(f"it is {type(annotation).__name__}; expected an object")
            if image is None:
                raise _Unusable(f"there is no image {short(annotation.get('image_id'))}")
            thing = _object(annotation, image, names, where, notes, crowds)
        except (_Unusable, OutlineError) as error:
            name = image.where if image else ""
            problem = AnnotationProblem(name, index, str(error), file, where)
            problems[key if image else None].append(problem)
            continue
        objects[key].append(thing)
    return objects, problems


def _named(annotations: list[Any]) -> Iterator[tuple[Any, str]]:
    """Return each annotation with its name for messages, which is unique."""
    ids = [_key(a.get("id")) if isinstance(a, Mapping) else None for a in annotations]
    counts = Counter(ids)
    for index, (annotation, key) in enumerate(zip(annotations, ids, strict=True)):
        if key is None:
            yield annotation, f"annotation number {index + 1}"
        elif counts[key] > 1:
            yield annotation, f"annotation {short(key)} (number {index + 1} of the file)"
        else:
            yield annotation, f"annotation {short(key)}"


def _object(
    annotation: Mapping[str, Any],
    image: ImageRecord,
    names: Mapping[Any, str],
    where: str,
    notes: Notes,
    crowds: bool,
) -> ObjectRecord:
    """Read one annotation. Raises _Unusable or OutlineError."""
    category = annotation.get("category_id")
    name = names.get(_key(category))
    if name is None:
        raise _Unusable(f"there is no category {short(category)}")
    if isinstance(category, str) or isinstance(annotation["image_id"], str):
        notes.add("annotations whose ids of image or category are text and taken as numbers: {n}")
    is_crowd = _is_crowd(annotation.get("iscrowd"), notes)
    if is_crowd and not crowds:
        notes.add("objects with iscrowd 1 that are taken as single objects: {n}")
    outline = outline_of(annotation, image, notes)
    return ObjectRecord(annotation.get("id"), name, outline, is_crowd and crowds, where)


def _is_crowd(value: Any, notes: Notes) -> bool:
    """Return whether an object is a crowd; raise _Unusable if the file does not say it."""
    if value is None or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and (text := value.strip().lower()) in (
        "0",
        "1",
        "true",
        "false",
        "",
    ):
        notes.add("annotations with iscrowd as text: {n}")
        return text in ("1", "true")
    raise _Unusable(f"iscrowd is {short(value)}; expected 0 or 1")
