"""VIA 3's projects, brought to the form of VIA 2: names of images, shapes and attributes."""

from collections.abc import Iterator, Mapping
from typing import Any

#: Kinds of shapes by their numbers, and what the numbers after it are.
SHAPES: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
    5: ("line", ()),
    6: ("polyline", ()),
    7: ("polygon", ()),
    8: ("extreme_rect", ()),
    9: ("extreme_circle", ()),
}
CHECKBOX = 2  # the type of an attribute with several values


def via3_regions(content: Mapping[str, Any]) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Return each image of a project with its (shape, attributes).

    Entries without coordinates describe a whole image or a part of a video: they are no regions.
    """
    files, views = _mapping(content.get("file")), _mapping(content.get("view"))
    attributes = _mapping(content.get("attribute"))
    for entry in files.values():
        yield _mapping(entry).get("fname"), []
    for entry in _mapping(content.get("metadata")).values():
        entry = _mapping(entry)
        coordinates = entry.get("xy")
        if coordinates in ([], {}, None):
            continue
        view = _mapping(views.get(str(entry.get("vid"))))
        ids = view.get("fid_list")
        first = str(ids[0]) if isinstance(ids, list) and ids else ""
        name = _mapping(files.get(first)).get("fname")
        values = _mapping(entry.get("av"))
        named = dict(_named(key, value, attributes) for key, value in values.items())
        yield name, [(_shape(coordinates), named)]


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _named(key: str, value: Any, attributes: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the name and the value of an attribute; options are known by their numbers."""
    attribute = _mapping(attributes.get(key))
    name = str(attribute.get("aname", key))
    options = _mapping(attribute.get("options"))
    if not options:
        return name, value
    chosen = [part.strip() for part in str(value).split(",") if part.strip()]
    if attribute.get("type") == CHECKBOX or len(chosen) > 1:
        return name, {str(options.get(option, option)): True for option in chosen}
    return name, str(options.get(chosen[0], chosen[0])) if chosen else ""


def _shape(coordinates: Any) -> Any:
    """Return VIA 2's form of a list [kind, number, number, …]; other values as they are."""
    if not isinstance(coordinates, list) or not isinstance(coordinates[0], int):
        return coordinates
    name, fields = SHAPES.get(coordinates[0], (f"number {coordinates[0]}", ()))
    rest = coordinates[1:]
    if fields:
        return {"name": name, **dict(zip(fields, rest, strict=False))}
    return {"name": name, "all_points_x": rest[::2], "all_points_y": rest[1::2]}
