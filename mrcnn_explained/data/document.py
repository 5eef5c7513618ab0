"""Document: an annotation file read as a whole, and the name of the tool that wrote it."""

import csv
import io
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn_explained.data.records import DatasetError, short
from mrcnn_explained.errors import memory_for

LARGEST = 2**30  # bytes; COCO's own largest file has 0.45 GB
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
LABEL_STUDIO = "export it from Label Studio as COCO, and use --dataset coco"

#: Formats that are not read: how to tell them, and what to do.
FOREIGN = {
    "createml": "a CreateML file; export it as COCO, and use --dataset coco",
    "labelbox": "a Labelbox export; convert it to COCO, and use --dataset coco",
    "supervisely": "a Supervisely annotation; export it as COCO, and use --dataset coco",
    "label studio": f"Label Studio's own JSON; {LABEL_STUDIO}",
    "geojson": "GeoJSON; convert it to COCO, and use --dataset coco",
    "coco results": "a COCO results file: detections without images and categories; give the file "
    "of annotations",
    "coco annotations": "a list of annotations without images and categories; give the whole COCO "
    "file",
    "config": "a config of this program, not annotations",
}

#: How a file of each kind that is read is called in messages, and the option that reads it.
TOOLS = {
    "coco": ("COCO", "--dataset coco"),
    "via": ("a file of the VGG Image Annotator", "--dataset via"),
    "labelme": ("a Labelme file", "--dataset labelme"),
}


class Document(NamedTuple):
    """The content of an annotation file."""

    path: Path
    content: Any  # of JSON; None: a table
    table: tuple[dict[str, str], ...] | None = None  # rows of a CSV file
    comments: tuple[str, ...] = ()  # of a CSV file


def read_document(path: str | PathLike[str], tool: str = "") -> Document:
    """Read a JSON or CSV file.

    tool    a key of TOOLS: the file is expected to be its, which a refusal says

    Raises DatasetError for anything but a regular file of a sensible size that holds JSON or a
    table in UTF-8 (with or without a byte order mark) or UTF-16.
    """
    path = Path(path)
    text = _text(path, _bytes(path))
    if path.suffix.lower() == ".csv":
        return _table(path, text)
    try:
        with memory_for(str(path), 8 * len(text)):
            return Document(path, json.loads(text))
    except RecursionError as error:
        raise DatasetError(f"{path} is nested too deeply to be an annotation file") from error
    except json.JSONDecodeError as error:
        what = "is empty" if not text.strip() else f"is not JSON ({error.msg}, line {error.lineno})"
        known = f"is not {_format(tool)}: it " if tool else ""
        raise DatasetError(f"{path} {known}{what}; {_expected(tool)}") from error
    except ValueError as error:  # a number of thousands of digits
        raise DatasetError(f"{path} holds a number that is too long to read") from error


def _bytes(path: Path) -> bytes:
    """Return the bytes of a regular file."""
    if "\0" in str(path):
        raise DatasetError(f"{short(path)} cannot be the name of a file")
    try:
        if path.is_dir():
            raise DatasetError(f"{path} is a folder; give an annotation file")
        if not path.is_file():
            what = "it is not a regular file" if path.exists() else "it is not a file"
            raise DatasetError(f"{path} cannot be read: {what}; give a .json or .csv file")
        size = path.stat().st_size
        if size > LARGEST:
            raise DatasetError(
                f"{path} has {size:,} bytes, more than the {LARGEST:,} that are read; divide it"
            )
        with memory_for(str(path), size):
            return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def _text(path: Path, content: bytes) -> str:
    """Decode a file."""
    encoding = BYTE_ORDER_MARKS.get(content[:2], "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not in UTF-8 (byte {error.start}): save it again in UTF-8; in an editor, "
            "open it as Latin-1 or Windows-1252 first"
        ) from error


def _table(path: Path, text: str) -> Document:
    """Read a CSV file; lines that start with # and a space are comments."""
    lines = text.splitlines(keepends=True)
    comments = [line[1:].strip() for line in lines if line.startswith("# ")]
    rows = [line for line in lines if not line.startswith("# ")]
    header = next((c for c in comments if c.startswith("CSV_HEADER")), "")
    names = [name.strip() for name in header.partition("=")[2].split(",")] if header else None
    csv.field_size_limit(LARGEST)
    try:
        reader = csv.DictReader(io.StringIO("".join(rows)), names, restkey="", restval="")
        table = tuple(
            {str(key or "").lstrip("#"): value for key, value in row.items() if key}
            for row in reader
        )
    except csv.Error as error:
        raise DatasetError(f"{path} is not a table in CSV: {error}") from error
    return Document(path, None, table, tuple(comments))


def identify(document: Document) -> str:
    """Return the tool that wrote a document: a key of TOOLS or FOREIGN, or "" if unknown."""
    if document.table is not None:
        columns = set(document.table[0]) if document.table else set()
        return "via" if {"region_shape_attributes"} & columns or _is_via3(columns) else ""
    content = document.content
    if isinstance(content, Mapping):
        return _identify_mapping(content)
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        return _identify_list(content[0])
    return ""


def _is_via3(columns: set[str]) -> bool:
    """Return whether these are the columns of VIA 3's CSV."""
    return {"spatial_coordinates", "metadata"} <= columns


def _identify_mapping(content: Mapping[str, Any]) -> str:
    """Return the tool that wrote a JSON object."""
    keys = set(content)
    if "_via_img_metadata" in keys or {"metadata", "view", "file"} <= keys:
        return "via"
    if isinstance(content.get("shapes"), list) and keys & {
        "imagePath",
        "imageData",
        "imageHeight",
        "version",
    }:
        return "labelme"
    if content.get("type") == "FeatureCollection":
        return "geojson"
    if "images" in keys and keys & {"annotations", "categories"}:
        return "coco"
    if {"size", "objects"} <= keys:
        return "supervisely"
    if "image_min_dim" in keys or "num_classes" in keys:
        return "config"
    entries = [entry for entry in content.values() if isinstance(entry, Mapping)]
    if entries and any("regions" in entry for entry in entries):
        return "via"
    return ""


def _identify_list(first: Mapping[str, Any]) -> str:
    """Return the tool that wrote a JSON list, by its first element."""
    keys = set(first)
    if {"annotations", "data"} <= keys or {"completions", "data"} <= keys or "result" in keys:
        return "label studio"
    if {"image", "annotations"} <= keys:
        return "createml"
    if "Labeled Data" in keys or "data_row" in keys:
        return "labelbox"
    if {"image_id", "category_id", "score"} <= keys:
        return "coco results"
    return "coco annotations" if {"image_id", "category_id"} <= keys else ""


def check_tool(document: Document, expected: str) -> None:
    """Raise DatasetError, with what the file is, unless the expected tool wrote it."""
    found = identify(document)
    if found == expected:
        return
    raise DatasetError(_refusal(document, found, expected))


def tool_of(document: Document) -> str:
    """Return the key of TOOLS of a document.

    Raises DatasetError, with what the file is, for one that is not read.
    """
    found = identify(document)
    if found not in TOOLS:
        raise DatasetError(_refusal(document, found, ""))
    return found


def _refusal(document: Document, found: str, expected: str) -> str:
    """Return why a document is refused, without its content."""
    path = document.path
    if found in TOOLS:
        name, option = TOOLS[found]
        return f"{path} is not {_format(expected)}: this is {name}: use {option}"
    if found:
        return f"{path} is {FOREIGN[found]}"
    needed = _format(expected) if expected else "in COCO's format, VIA's or Labelme's"
    return f"{path} is not {needed}; {_expected(expected)}"


def _format(tool: str) -> str:
    """Return what a file of a tool is called in a refusal."""
    names = {
        "coco": "in COCO's format",
        "via": "an export of the VGG Image Annotator",
        "labelme": "a Labelme file",
    }
    return names[tool]


def _expected(tool: str) -> str:
    """Return what a file of a tool holds."""
    needs = {
        "coco": 'expected {"images": […], "categories": […], "annotations": […]}',
        "via": "give its JSON or CSV of annotations, or a saved project",
        "labelme": 'expected {"shapes": […], "imagePath": "…", …}',
    }
    return needs.get(tool, "give the annotation file of one of these tools")
