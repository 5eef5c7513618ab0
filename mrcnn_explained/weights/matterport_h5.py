"""Weight files: what is in an .h5 file that Keras 2.0 to 2.15 wrote, tensor by tensor.

Layout    A group (the root, or `model_weights` where a whole model was saved) has the
          attribute `layer_names`; the group of each layer has the attribute `weight_names`,
          whose entries are the paths of its tensors below it: /conv1/conv1/kernel:0.
          Attributes above 64 KB are cut in pieces: layer_names0, layer_names1, …
Keys      A tensor's key is "<layer>/<weight>": "conv1/kernel", "rpn_conv_shared/kernel"
          (the inner layer's name, not that of the nested group "rpn_model").
Reading   By h5py alone. Nothing in the file is unpickled or executed, and nothing outside
          the file is read: links to elsewhere are refused.
"""

import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np

from mrcnn_explained.config import BACKBONES
from mrcnn_explained.errors import InputError

EXPECTED = (
    "expected is an .h5 file of a Mask R-CNN, as Matterport's code or a port of it saves with "
    "Keras 2"
)
#: Bytes of one tensor. The largest of the model, mrcnn_class_conv1/kernel, has 51 million.
LARGEST_TENSOR = 2**30

WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
#: What Keras 1 called them. Its running_std held the variance in spite of the name.
OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}

_ALL_NAMES = "|".join((*WEIGHTS, *OLD_NAMES))
_NUMBERED = re.compile(rf"({_ALL_NAMES})_\d+")  # kernel_1: the second one of its graph
_JOINED = re.compile(rf"(.+)_({_ALL_NAMES})(?:_\d+)?")  # Keras 1: conv1_W, conv1_W_1
_RESNET_BLOCK = re.compile(r"(?:res|bn)([2-5])([a-z])_branch[12][abc]?")


class WeightFileError(InputError):
    """A weight file that cannot be used: what came, what was expected, what to do.

    report    the WeightReport, where the file could be read but does not fit the model
    """

    def __init__(self, message: str, report: Any = None):
        super().__init__(message)
        self.report = report


class FileTensor(NamedTuple):
    """One tensor of a weight file, not yet read."""

    group: str  # the layer, or the nested model ("rpn_model"), that it was saved under
    dataset: h5py.Dataset

    @property
    def shape(self) -> tuple[int, ...]:
        return self.dataset.shape


class WeightFile:
    """An open weight file: names and shapes at once, values when asked for.

    path       where it lies
    layers     every layer that it lists, those without weights included
    tensors    by key, in the order of the file
    """

    def __init__(self, path: Path, file: h5py.File):
        self.path = path
        self._file = file
        root = _keras_root(path, file)
        self.layers = _names(root, "layer_names")
        if len(set(self.layers)) < len(self.layers):
            twice = next(name for name in self.layers if self.layers.count(name) > 1)
            raise WeightFileError(f"{path} lists the layer {twice!r} twice; {EXPECTED}")
        self.tensors: dict[str, FileTensor] = {}
        for layer in self.layers:
            self._add(layer, _follow(path, root, layer, h5py.Group))

    def _add(self, layer: str, group: h5py.Group) -> None:
        """Take in the tensors of one layer, or of one nested model."""
        names = _names(group, "weight_names")
        for name, key in zip(names, _keys(layer, names), strict=True):
            dataset = _follow(self.path, group, name, h5py.Dataset)
            if key in self.tensors:
                raise WeightFileError(
                    f"{self.path} holds two tensors for {key}, {self.tensors[key].dataset.name} "
                    f"and {dataset.name}: which of them is meant cannot be known; {EXPECTED}"
                )
            _check_storage(self.path, key, dataset)
            self.tensors[key] = FileTensor(layer, dataset)

    def read(self, key: str) -> np.ndarray:
        """Return the values of one tensor as float32; beyond its range they are infinite."""
        dataset = self.tensors[key].dataset
        if not is_float(dataset.dtype):
            raise WeightFileError(
                f"{key} in {self.path} has the type {dataset.dtype}; weights are float16, "
                "float32 or float64: save the file again from the model"
            )
        with _damage_in_words(self.path), np.errstate(over="ignore"):
            return dataset[()].astype(np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_tensors(path: str | PathLike[str]) -> WeightFile:
    """Open a weight file, `with read_tensors(path) as file:`, and list what it holds.

    Raises WeightFileError for whatever is not such a file.
    """
    path = Path(path)
    _check_is_hdf5(path)
    with _damage_in_words(path):
        file = h5py.File(path, "r")
        try:
            return WeightFile(path, file)
        except BaseException:
            file.close()
            raise


def config_from_file(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the fields of `Config` that a weight file tells, so that nobody must give them.

    A field that it does not tell, for want of the layer, is absent.
    """
    with read_tensors(path) as file:
        shapes = {key: tensor.shape for key, tensor in file.tensors.items()}
    told_by = {  # a convolution's kernel is (height, width, channels in, channels out)
        "num_classes": ("mrcnn_class_logits/kernel", 2, 1),
        "image_channel_count": ("conv1/kernel", 4, 2),
        "backbone_width": ("conv1/kernel", 4, 3),
        "top_down_pyramid_size": ("fpn_c5p5/kernel", 4, 3),
        "rpn_channels": ("rpn_conv_shared/kernel", 4, 3),
        "fpn_classif_fc_layers_size": ("mrcnn_class_conv1/kernel", 4, 3),
        "mask_channels": ("mrcnn_mask_conv1/kernel", 4, 3),
    }
    found: dict[str, Any] = {
        field: shapes[key][axis]
        for field, (key, rank, axis) in told_by.items()
        if len(shapes.get(key, ())) == rank
    }
    backbone = {blocks: name for name, blocks in BACKBONES.items()}.get(resnet_blocks(shapes))
    return {**found, "backbone": backbone} if backbone else found


def resnet_blocks(keys: Sequence[str]) -> tuple[int, ...]:
    """Count the residual blocks of stages 2…5 that the layers' names speak of.

    (3, 4, 6, 3) is ResNet-50, (3, 4, 23, 3) ResNet-101; without a ResNet (0, 0, 0, 0).
    """
    matches = (_RESNET_BLOCK.fullmatch(key.split("/")[0]) for key in keys)
    blocks = {match.groups() for match in matches if match}
    return tuple(sum(stage == str(k) for stage, _ in blocks) for k in range(2, 6))


def is_float(dtype: np.dtype) -> bool:
    """Whether weights of this type are read: float16, float32 and float64."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8)


def _keys(layer: str, names: Sequence[str]) -> list[str]:
    """Turn the weight names of one group into keys.

    An ordinary group holds one layer and bears its name; the scope inside may have got
    another one (conv1_1/kernel: the second conv1 of the session that saved it). A nested
    model, which is `rpn_model` or whatever has several scopes, names its layers inside.
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
    names = [name for piece in pieces for name in np.atleast_1d(group.attrs[piece])]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _follow(path: Path, group: h5py.Group, name: str, kind: type) -> Any:
    """Return the group or dataset of this name, refusing links that lead elsewhere."""
    here = group
    for part in filter(None, name.split("/")):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            raise WeightFileError(
                f"{path}: {here.name.rstrip('/')}/{part} is a link to elsewhere, which no "
                f"program for weights writes and which is not followed; {EXPECTED}"
            )
        if link is None:
            raise ValueError(f"it lists {name!r} below {group.name}, but holds no such thing")
        here = here[part]
    if not isinstance(here, kind) or here == group:
        raise ValueError(f"{name!r} below {group.name} is not a {kind.__name__.lower()}")
    return here


def _check_storage(path: Path, key: str, dataset: h5py.Dataset) -> None:
    """Refuse a tensor whose values lie elsewhere, or which is larger than can be."""
    if dataset.external or dataset.is_virtual:
        raise WeightFileError(
            f"{path}: the values of {key} lie in another file, which is not read; {EXPECTED}"
        )
    if dataset.shape is None:
        raise ValueError(f"{key} has no shape")
    size = (
        int(np.prod([int(side) for side in dataset.shape], dtype=object)) * dataset.dtype.itemsize
    )
    compressed = dataset.chunks is not None
    if size > LARGEST_TENSOR or (not compressed and size > path.stat().st_size):
        raise WeightFileError(
            f"{path}: {key} claims the shape {list(dataset.shape)}, {size:,} bytes, which this "
            f"file of {path.stat().st_size:,} bytes does not hold or no model needs: it is "
            "damaged, or made to do harm; get it again from its source"
        )


def _keras_root(path: Path, file: h5py.File) -> h5py.Group:
    """Return the group that lists the layers: the root, or model_weights of a whole model."""
    for name in ("/", "model_weights"):
        if name in file:
            root = file if name == "/" else _follow(path, file, name, h5py.Group)
            if {"layer_names", "layer_names0"} & set(root.attrs):
                return root
    held = some(list(file))
    if {"layers", "_layer_checkpoint_dependencies"} & set(file):
        raise WeightFileError(
            f"{path} is a .weights.h5 file of Keras 3, which numbers its tensors instead of "
            f"naming them; {EXPECTED}. In the program that wrote it, save the model once more "
            "with model.save('NAME.h5')"
        )
    raise WeightFileError(
        f"{path} is an HDF5 file, but not one of Keras: nothing in it lists layers, it holds "
        f"{held or 'nothing'}; {EXPECTED}"
    )


def some(names: Sequence[str], limit: int = 5) -> str:
    """Name the first few: 'a, b, c and 12 more'."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _check_is_hdf5(path: Path) -> None:
    """Raise in words whatever keeps a path from being an HDF5 file."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise WeightFileError(f"{path} is a directory; {EXPECTED}: give the file inside")
        if not stat.S_ISREG(mode):  # reading a pipe or a device may never end
            raise WeightFileError(f"{path} is not a regular file; {EXPECTED}")
        with path.open("rb") as file:
            start = file.read(512)
        if not h5py.is_hdf5(path):
            raise WeightFileError(f"{path} {_what_came(path, start)}; {EXPECTED}")
    except FileNotFoundError:
        raise WeightFileError(f"there is no file {path}; {EXPECTED}: check the path") from None
    except PermissionError:
        raise WeightFileError(
            f"no permission to read {path}: change it (chmod u+r), or copy the file to where "
            "you may read"
        ) from None
    except OSError as error:
        raise WeightFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _what_came(path: Path, start: bytes) -> str:
    """Say what a file that is not HDF5 is, from its first bytes."""
    again = "download the file itself"
    if not start:
        return "is empty: download or copy it again"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return f"is HTML: a web page was saved instead of the file; {again}"
    if start.startswith(b"version https://git-lfs"):
        return f"is a pointer of Git LFS, not the file it points to; {again} (git lfs pull)"
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            keras3 = "model.weights.h5" in archive.namelist()
        if keras3:
            return (
                "is a .keras file of Keras 3, a zip archive; in the program that wrote it, save "
                "the model once more with model.save('NAME.h5')"
            )
        return "is a zip archive (weights of PyTorch come as such); unpack it if the file is inside"
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return "is compressed; unpack it first"
    return f"is not HDF5: it begins with {start[:8]!r}"


@contextmanager
def _damage_in_words(path: Path) -> Iterator[None]:
    """Turn what h5py raises over a damaged file into a WeightFileError.

    What it raises depends on the byte that is wrong, hence the long list.
    """
    try:
        yield
    except WeightFileError:
        raise
    except (
        *(OSError, LookupError, RuntimeError, TypeError, ValueError),
        *(AttributeError, ArithmeticError, MemoryError, NotImplementedError),
    ) as error:
        sizes = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", str(error))
        what = (
            f"is truncated: {int(sizes[1]):,} of {int(sizes[2]):,} bytes came"
            if sizes
            else f"is a damaged HDF5 file ({error})"
        )
        raise WeightFileError(f"{path} {what}; download or copy it again") from error
