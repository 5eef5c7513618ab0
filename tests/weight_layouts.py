"""Weight files as Matterport's code and its ports wrote them, made by rule for the tests."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent


def listing(backbone: str) -> dict:
    """What tests/goldens tells of a file: its layers, and the tensors of each with crc32."""
    return json.loads((HERE / "goldens" / f"matterport_{backbone}.json").read_text())


def groups_of(listed: dict) -> dict[str, dict[str, tuple[int, ...]]]:
    """The groups of a listing: {layer: {weight name: shape}}, those without weights too."""
    tensors = {
        entry["group"]: {
            weight["path"].removeprefix(f"/{entry['group']}/"): tuple(weight["shape"])
            for weight in entry["weights"]
        }
        for entry in listed["layers"]
    }
    return {layer: tensors.get(layer, {}) for layer in listed["layer_names"]}


def write(
    path: Path,
    groups: Mapping[str, Mapping[str, tuple[int, ...]]],
    value: Callable[[str, tuple[int, ...]], np.ndarray],
    *,
    whole_model: bool = False,
    as_bytes: bool = False,
    pieces: int = 1,
    extras: bool = False,
) -> Path:
    """Write groups of {weight name: shape} in one of the layouts seen in the wild.

    value          (layer/weight, shape) → array
    whole_model    below `model_weights`, beside an optimizer's weights
    as_bytes       names as bytes (Keras 2.0 to 2.2) instead of str
    pieces         numbered attributes, as Keras cuts what exceeds 64 KB
    extras         groups that the model does not have: anchors, top_level_model_weights
    """
    encode = (lambda name: name.encode()) if as_bytes else (lambda name: name)

    def put_names(group, attribute, names):
        names = [encode(name) for name in names]
        if pieces == 1:
            group.attrs[attribute] = names if names else np.zeros(0, "S1")
            return
        for i, part in enumerate(np.array_split(np.array(names, object), pieces)):
            group.attrs[f"{attribute}{i}"] = list(part)

    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        layers = dict(groups)
        if extras:
            layers["anchors"] = {"anchors/Variable:0": (1, 8, 4)}
            root.create_group("top_level_model_weights").attrs["weight_names"] = np.zeros(0, "S1")
        put_names(root, "layer_names", list(layers))
        root.attrs["backend"], root.attrs["keras_version"] = encode("tensorflow"), encode("2.2.4")
        for layer, tensors in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = (
                [encode(name) for name in tensors] if tensors else np.zeros(0, "S1")
            )
            for name, shape in tensors.items():
                key = "/".join(name.split(":")[0].split("/")[-2:])
                known = key.rpartition("/")[2] != "Variable"
                group[name] = value(key, shape) if known else np.zeros(shape, np.float32)
        if whole_model:
            file.create_group("optimizer_weights")["SGD/iterations:0"] = np.int64(7)
    return path
