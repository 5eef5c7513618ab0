"""Matterport's weight files: what an .h5 file of Keras 2.0 to 2.15 holds, tensor by tensor.

Layout    A group (the root, or `model_weights` where a whole model was saved) has the
          attribute `layer_names`; the group of each layer has the attribute `weight_names`,
          whose entries are the paths of its tensors below it: /conv1/conv1/kernel:0.
          Attributes above 64 KB are cut into pieces: layer_names0, layer_names1, …
Keys      A tensor's key is "<layer>/<weight>": "conv1/kernel", "rpn_conv_shared/kernel"
          (the inner layer's name, not that of the nested group "rpn_model").
Reading   By h5py alone. Nothing in the file is unpickled or executed, and nothing outside
          the file is read: links to elsewhere are refused.
"""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np

from mrcnn_explained.errors import memory_for, shown
from mrcnn_explained.weights.errors import EXPECTED, WeightFileError, some
from mrcnn_explained.weights.hdf5_file import check_is_hdf5, check_texts, damage_explained

#: Bytes of one tensor, at most. The largest of the model, mrcnn_class_conv1/kernel, has 51 million.
LARGEST_TENSOR = 2**30
#: Bytes of all tensors, at most, for each byte of the file; small files may hold more.
MOST_EXPANSION = 100
SMALL = 2**26
LONGEST_NAME = 1000  # characters
DEEPEST = 4  # models in models, and groups above a model
MOST_GROUPS = 200  # groups that are looked at for a list of layers

WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
#: What Keras 1 called them. Its running_std held the variance in spite of the name.
OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}

_ALL_NAMES = "|".join((*WEIGHTS, *OLD_NAMES))
_NUMBERED = re.compile(rf"({_ALL_NAMES})_\d+")  # kernel_1: the second kernel of its graph
_JOINED = re.compile(rf"(.+)_({_ALL_NAMES})(?:_\d+)?")  # Keras 1: conv1_W, conv1_W_1


class FileTensor(NamedTuple):
    """One tensor of a weight file, not yet read."""

    group: str  # the layer, or the nested model ("rpn_model"), that it was saved under
    dataset: h5py.Dataset

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the values."""
        return self.dataset.shape


class WeightFile:
    """An open weight file: names and shapes are known, values are read on request.

    path       the file
    root       its root group, whose attributes hold the config of our own files
    layers     every layer that it lists, including those without weights
    tensors    by key, in the order of the file
    """

    def __init__(self, path: Path, file: h5py.File):
        self.path = path
        self._file = file
        root = _keras_root(path, file)
        self.root = file["/"]
        self.layers = _names(root, "layer_names")
        if len(set(self.layers)) < len(self.layers):
            twice = next(name for name in self.layers if self.layers.count(name) > 1)
            raise WeightFileError(f"{path} lists the layer {twice!r} twice; {EXPECTED}")
        self.tensors: dict[str, FileTensor] = {}
        self._add_all(root, self.layers)
        self._check_total()

    def _add_all(self, root: h5py.Group, layers: Sequence[str], depth: int = 0) -> None:
        """Add the tensors of layers; a layer may be a model with a list of its own layers."""
        if depth > DEEPEST:
            raise ValueError(f"its models are nested more than {DEEPEST} deep")
        for layer in layers:
            group = _follow(self.path, root, layer, h5py.Group)
            if _lists_layers(group) and not _has_names(group, "weight_names"):
                self._add_all(group, _names(group, "layer_names"), depth + 1)
            else:
                self._add(layer, group)

    def _add(self, layer: str, group: h5py.Group) -> None:
        """Add the tensors of one layer, or of one nested model."""
        names = _names(group, "weight_names")
        for name, key in zip(names, _keys(layer, names), strict=True):
            dataset = _follow(self.path, group, name, h5py.Dataset)
            if key in self.tensors:
                raise WeightFileError(
                    f"{self.path} holds two tensors for {key}, {self.tensors[key].dataset.name} "
                    f"and {dataset.name}; {EXPECTED}, with one tensor of each name"
                )
            _check_storage(self.path, key, dataset)
            self.tensors[key] = FileTensor(layer, dataset)

    def _check_total(self) -> None:
        """Refuse a small file that unpacks to a large one: gigabytes of zeros in 8 KB."""
        sizes = [t.dataset.size * t.dataset.dtype.itemsize for t in self.tensors.values()]
        total, file_size = sum(map(int, sizes)), self.path.stat().st_size
        if total > max(SMALL, MOST_EXPANSION * file_size):
            raise WeightFileError(
                f"{self.path}: its {file_size:,} bytes unpack to {total:,}, which no weights do: "
                "it is damaged, or made to do harm; get it again from its source"
            )

    def read(self, key: str) -> np.ndarray:
        """Return the values of one tensor as float32; values beyond its range become infinite.

        Raises WeightFileError for types that are not floats and for a damaged file, and
        OutOfMemoryError.
        """
        dataset = self.tensors[key].dataset
        if not is_float(dataset.dtype):
            raise WeightFileError(
                f"{key} in {self.path} has the type {dataset.dtype}; weights are float16, "
                "float32 or float64: save the file again from the model"
            )
        size = math.prod(dataset.shape) * (dataset.dtype.itemsize + 4)  # as stored, and float32
        what = f"{key} of {self.path}"
        with damage_explained(self.path), memory_for(what, size), np.errstate(over="ignore"):
            return dataset[()].astype(np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_tensors(path: str | PathLike[str]) -> WeightFile:
    """Open a weight file, `with read_tensors(path) as file:`, and list what it holds.

    Raises WeightFileError for anything that is not such a file.
    """
    path = Path(path)
    check_is_hdf5(path)
    names = f"the names in {path}"
    with damage_explained(path), memory_for(names, path.stat().st_size):
        file = h5py.File(path, "r")
        try:
            return WeightFile(path, file)
        except BaseException:
            file.close()
            raise


def shapes_in(path: str | PathLike[str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a weight file, by `layer/weight`.

    Raises WeightFileError as `read_tensors`.
    """
    with read_tensors(path) as file:
        return {key: tensor.shape for key, tensor in file.tensors.items()}


def is_float(dtype: np.dtype) -> bool:
    """Return whether weights of this type are read: float16, float32 and float64."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8)


def _keys(layer: str, names: Sequence[str]) -> list[str]:
    """Turn the weight names of one group into keys.

    An ordinary group holds one layer and has its name; the scope inside may have another one
    (conv1_1/kernel: the second conv1 of the session that saved it). A nested model, which is
    `rpn_model` or any group with several scopes, names its layers inside.
    """
    pairs = [_split(name) for name in names]
    scopes = {scope for scope, _ in pairs}
    if len(scopes) <= 1 and not re.fullmatch(r"rpn_model(_\d+)?", layer):
        return [f"{layer}/{weight}" for _, weight in pairs]
    plain = {scope: re.sub(r"_\d+$", "", scope) for scope in scopes}
    if len(set(plain.values())) < len(scopes):  # block_1 and block_2 are two layers
        plain = {scope: scope for scope in scopes}
    return [f"{plain[scope] or layer}/{weight}" for scope, weight in pairs]


def _split(name: str) -> tuple[str, str]:
    """Split a weight name into layer and weight: rpn_conv_shared/kernel_1:0, conv1_W:0."""
    name = re.sub(r":\d+$", "", name)  # TensorFlow's number of the output
    if "/" not in name and (joined := _JOINED.fullmatch(name)):
        scope, weight = joined.groups()
    else:
        scope, _, weight = name.rpartition("/")
        if numbered := _NUMBERED.fullmatch(weight):
            weight = numbered[1]
    return scope.rpartition("/")[2], OLD_NAMES.get(weight, weight)


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Read a list of names, bytes or str, from one attribute or from its numbered pieces."""
    pieces = [attribute] if attribute in group.attrs else []
    while not pieces or pieces[-1] != attribute:
        piece = f"{attribute}{len(pieces)}"
        if piece not in group.attrs:
            break
        pieces.append(piece)
    if not pieces:
        raise ValueError(f"the group {group.name} has no attribute {attribute}")
    names: list[Any] = []
    for piece in pieces:
        if check_attribute(group, piece).dtype.hasobject:  # texts of variable length
            path = Path(group.file.filename)
            check_texts(path, path.stat().st_size, path.stat().st_mtime_ns)
        names += np.atleast_1d(group.attrs[piece]).tolist()
    return [_checked_name(name) for name in names]


def _checked_name(name: Any) -> str:
    """Return a name as text; raise ValueError for one that no program writes."""
    text = name.decode() if isinstance(name, bytes) else str(name)
    if not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"the name {shown(text)} has characters that no name has")
    return text


def check_attribute(group: h5py.Group, name: str) -> h5py.h5a.AttrID:
    """Return an attribute, not yet read.

    Raises ValueError for one that claims more bytes than its file has: NumPy would allocate them.
    """
    stored = group.attrs.get_id(name)
    size = math.prod(stored.shape or ()) * stored.dtype.itemsize
    if size > group.file.id.get_filesize():
        raise ValueError(f"the attribute {name} of {group.name} claims {size:,} bytes")
    return stored


def _follow(path: Path, group: h5py.Group, name: str, kind: type) -> Any:
    """Return the group or dataset of this name; links to other places are refused."""
    here = group
    for part in filter(None, name.split("/")):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            raise WeightFileError(
                f"{path}: {here.name.rstrip('/')}/{part} is a link to another place, which no "
                f"program for weights writes and which is not followed; {EXPECTED}"
            )
        if link is None:
            raise ValueError(f"it lists {name!r} below {group.name}, but does not hold it")
        here = here[part]
    if not isinstance(here, kind) or here == group:
        raise ValueError(f"{name!r} below {group.name} is not a {kind.__name__.lower()}")
    return here


def _check_storage(path: Path, key: str, dataset: h5py.Dataset) -> None:
    """Refuse a tensor whose values are in another file, or that claims an impossible size."""
    if dataset.external or dataset.is_virtual:
        raise WeightFileError(
            f"{path}: the values of {key} are in another file, which is not read; {EXPECTED}"
        )
    if dataset.shape is None:
        raise ValueError(f"{key} has no shape")
    size = math.prod(map(int, dataset.shape)) * dataset.dtype.itemsize
    file_size = path.stat().st_size
    compressed = dataset.chunks is not None
    if size > LARGEST_TENSOR or (not compressed and size > file_size):
        raise WeightFileError(
            f"{path}: {key} claims the shape {list(dataset.shape)}, {size:,} bytes, which no model "
            f"needs or this file of {file_size:,} bytes cannot hold: the file is damaged, or made "
            "to do harm; get it again from its source"
        )


def _keras_root(path: Path, file: h5py.File) -> h5py.Group:
    """Return the group that lists the layers.

    That is the root of a file of weights, `model_weights` of a whole model, and any one group of
    a file that somebody put such a file into.
    """
    roots = []
    for group in _groups(file):
        if _lists_layers(group):
            roots.append(group)
            if group.name in ("/", "/model_weights"):
                return group
    outer = [g for g in roots if not any(g.name.startswith(f"{other.name}/") for other in roots)]
    if len(outer) == 1:
        return outer[0]
    if outer:
        raise WeightFileError(
            f"{path} holds {len(outer)} models: {shown(', '.join(g.name for g in outer))}; copy "
            "the one you want into a file of its own"
        )
    if {"layers", "_layer_checkpoint_dependencies"} & set(file):
        raise WeightFileError(
            f"{path} is a .weights.h5 file of Keras 3, which numbers tensors instead of "
            f"naming them; {EXPECTED}. In the program that wrote it, save the model once more "
            "with model.save('NAME.h5')"
        )
    names = [shown(name)[1:-1] for name in itertools.islice(file, 6)]
    raise WeightFileError(
        f"{path} is an HDF5 file, but not one of Keras: no group in it lists layers, it holds "
        f"{some(names) or 'nothing'}; {EXPECTED}"
    )


def _groups(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield the root, model_weights, and the groups below; links are not followed."""
    queue = [(file["/"], 0)]
    seen = 0
    while queue and seen < MOST_GROUPS:
        group, depth = queue.pop(0)
        seen += 1
        yield group
        if depth < DEEPEST:
            names = sorted(itertools.islice(group, MOST_GROUPS), key="model_weights".__ne__)
            hard = [name for name in names if isinstance(_link(group, name), h5py.HardLink)]
            inner = [group[name] for name in hard if group.get(name, getclass=True) is h5py.Group]
            queue += [(g, depth + 1) for g in inner]


def _link(group: h5py.Group, name: str) -> Any:
    """Return how a group holds what it calls by this name."""
    return group.get(name, getlink=True)


def _lists_layers(group: h5py.Group) -> bool:
    """Return whether a group lists layers, as the root of a model does."""
    return _has_names(group, "layer_names")


def _has_names(group: h5py.Group, attribute: str) -> bool:
    """Return whether a group has a list of names, whole or in numbered pieces."""
    return attribute in group.attrs or f"{attribute}0" in group.attrs
