"""A seeded generator of broken files: what disks, editors, other programs and attackers make.

Every function takes a `random.Random`, so a file can be made again from its kind and number.
"""

import io
import json
import random
import struct
import zipfile

import h5py
import numpy as np

#: Values that a field of a JSON file does not expect.
EVIL = (
    None, True, False, "", "3", "NaN", "text", "\x00", "\ud800", "名", "a" * 5000, "../../x",
    "=1+1", 0, -1, 1, 3, 0.5, 2**31, -(2**31), 2**63, 2**64, 10**30, 10**400, 1e30, -1e30, 1e308,
    1e-308, float("nan"), float("inf"), float("-inf"), [], [[]], {}, [None], [1, 2], ["a", "b"],
    [[[1, 2]]], {"a": 1}, {"": None}, [0] * 5000,
)  # fmt: skip

#: Sizes and counts that a field of a binary file does not expect.
EXTREME = (
    0,
    1,
    2**7,
    2**8 - 1,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)


# Bytes ---------------------------------------------------------------------------------------


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return a file with bytes changed, lost, doubled or put elsewhere."""
    change = rng.choice((_flip, _flip, _flip, _cut, _splice, _insert, _delete, _fill, _number))
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = change(rng, content) if content else content
    return bytes(content)


def _flip(rng: random.Random, data: bytearray) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    return data


def _cut(rng: random.Random, data: bytearray) -> bytearray:
    return data[: rng.randrange(len(data))]


def _splice(rng: random.Random, data: bytearray) -> bytearray:
    start, length = rng.randrange(len(data)), rng.randrange(1, 1 + min(len(data), 512))
    part = data[start : start + length]
    place = rng.randrange(len(data))
    data[place : place + len(part)] = part
    return data


def _insert(rng: random.Random, data: bytearray) -> bytearray:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.choice((1, 2, 7, 100)))
    return data


def _delete(rng: random.Random, data: bytearray) -> bytearray:
    place = rng.randrange(len(data))
    del data[place : place + rng.choice((1, 2, 7, 100))]
    return data


def _fill(rng: random.Random, data: bytearray) -> bytearray:
    place, length = rng.randrange(len(data)), rng.choice((1, 8, 64, 512))
    data[place : place + length] = bytes([rng.choice((0, 0xFF))]) * len(
        data[place : place + length]
    )
    return data


def _number(rng: random.Random, data: bytearray) -> bytearray:
    """Put an extreme number where a size, a count or an address may be."""
    form, size = rng.choice((("<H", 2), ("<I", 4), ("<Q", 8), (">I", 4)))
    place = rng.randrange(len(data))
    part = struct.pack(form, rng.choice(EXTREME) % 2 ** (8 * size))
    data[place : place + size] = part[: len(data) - place]
    return data


# JSON ----------------------------------------------------------------------------------------


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Return a JSON file with values, keys or the text changed."""
    kind = rng.randrange(20)
    if kind == 0:
        return mutate_bytes(rng, data)
    if kind == 1:
        return rng.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe")) + rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b"null", b"3", b'"x"', b"[]", b"{}", b"NaN")
        )
    if kind == 2:
        return data.decode().encode(rng.choice(("utf-16", "utf-8-sig", "utf-32")))
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = mutate_value(rng, value)
    return json.dumps(value).encode()


def mutate_value(rng: random.Random, value: object) -> object:
    """Return a value read from JSON with one of its parts changed."""
    places = list(_places(value))
    if not places:
        return rng.choice(EVIL)
    holder, key = rng.choice(places)
    action = rng.randrange(10)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[rng.choice(("extra", "", "\x00", "name", str(key).upper()))] = rng.choice(EVIL)
    elif action == 1:
        holder.insert(rng.randrange(len(holder) + 1), rng.choice(EVIL))
    elif action == 2:
        other, name = rng.choice(places)
        holder[key], other[name] = json.loads(json.dumps((other[name], holder[key])))
    elif action == 3:
        deep = holder[key]
        for _ in range(rng.choice((1, 2, 50))):
            deep = [deep]
        holder[key] = deep
    elif action == 4 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key][: rng.randrange(len(holder[key]))]
    elif action == 5 and isinstance(holder[key], int | float):
        holder[key] = rng.choice(
            (-holder[key], str(holder[key]), holder[key] * 10**6, [holder[key]])
        )
    else:
        holder[key] = rng.choice(EVIL)
    return value


def _places(value: object):
    """Yield (holder, key) of every part of a value."""
    items = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))[:50]
    for key, part in items:
        yield value, key
        yield from _places(part)


# .npz ----------------------------------------------------------------------------------------


def mutate_npz(rng: random.Random, data: bytes) -> bytes:
    """Return an .npz file with its bytes, its members or its arrays changed."""
    if rng.randrange(3) == 0:
        return mutate_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        _mutate_member(rng, members)
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = bytearray(out.getvalue())
    if rng.randrange(8) == 0:  # the sizes that the archive's own list declares
        place = content.rfind(b"PK\x01\x02", 0, rng.randrange(len(content)))
        if place >= 0:
            field = place + rng.choice((10, 16, 20, 24, 28, 42))
            content[field : field + 4] = struct.pack("<I", rng.choice(EXTREME) % 2**32)
    return bytes(content)


def _mutate_member(rng: random.Random, members: dict[str, bytes]) -> None:
    """Change one member of an archive."""
    name = rng.choice(list(members)) if members else "a.npy"
    action = rng.randrange(9)
    if action == 0:
        members.pop(name, None)
    elif action == 1:
        members[rng.choice(("extra.npy", "x", "../a.npy", "config.npy"))] = members.get(name, b"")
    elif action == 2:
        members[name] = mutate_bytes(rng, members.get(name, b""))
    elif action == 3:
        shape = rng.choice(("(10**9,)", "(2147483647, 2147483647)", "(-1,)", "(4294967296,)", "()"))
        members[name] = _header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}")
    elif action == 4:
        header = rng.choice(("(" * 900, "-" * 900 + "1", "{" * 500, "__import__('os')", "None"))
        members[name] = _header(header)
    elif action == 5:
        members[name] = _saved(np.zeros([2**21 * rng.choice((1, 8))], np.uint8))
    else:
        members[name] = _mutate_array(rng, members.get(name, b""))


def _mutate_array(rng: random.Random, content: bytes) -> bytes:
    """Change the values, the kind or the shape of an array; mutate the JSON that a text holds."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return content
    if array.dtype.kind == "U" and array.shape == ():
        try:
            text = mutate_json(rng, str(array).encode()).decode("utf-8", "replace")
        except (ValueError, RecursionError):
            text = "{"
        return _saved(np.array(text))
    action = rng.randrange(7)
    if action == 0:
        kinds = ("f2", "f4", "f8", "i1", "i4", "i8", "u8", "?", ">f4", "U3", "S3", "c8")
        with np.errstate(all="ignore"):
            return _saved(array.astype(rng.choice(kinds)))
    if action == 1:
        return _saved(array.reshape(rng.choice(((-1,), (1, -1), (-1, 1, 1)))))
    if action == 2:
        return _saved(array[:-1] if array.ndim else array.reshape(1))
    if action == 3:
        return _saved(np.concatenate([array, array]) if array.ndim else np.array([array, array]))
    array = array.copy()
    if array.size:
        for _ in range(rng.choice((1, 3, 30))):
            place = rng.randrange(array.size)
            if array.dtype.kind == "f":
                array.flat[place] = rng.choice((np.nan, np.inf, -np.inf, 60000, -1, 0, 2, 0.5))
            elif array.dtype.kind in "iu":
                info = np.iinfo(array.dtype)
                low = min(-1, info.max) if info.min < 0 else 0
                array.flat[place] = rng.choice((low, info.min, info.max, 0, 1, 7, 100))
            else:
                array.flat[place] = not array.flat[place]
    return _saved(array)


def _saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


def _header(text: str) -> bytes:
    """Return the start of an .npy file with this header, and a few bytes of values."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + bytes(16)


# .h5 -----------------------------------------------------------------------------------------


def mutate_h5(rng: random.Random, data: bytes) -> bytes:
    """Return an .h5 file with its bytes, or its groups, attributes and datasets changed."""
    if rng.randrange(2):
        return mutate_bytes(rng, data)
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        for _ in range(rng.choice((1, 1, 2, 3))):
            names: list[str] = []
            file.visit(names.append)
            if names:
                _mutate_h5(rng, file, names)
    return out.getvalue()


def _mutate_h5(rng: random.Random, file: h5py.File, names: list[str]) -> None:
    """Change one thing of an open file."""
    name = rng.choice(names)
    if name not in file:
        return
    action = rng.randrange(12)
    if action == 0:
        del file[name]
    elif action <= 3:
        _mutate_attribute(rng, file[rng.choice(("/", name))])
    elif action == 4:
        del file[name]
        file[name] = rng.choice(
            (h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("other.h5", "/"))
        )
    elif action == 5:  # a hard link to a group above it: a circle
        del file[name]
        file[name] = file[rng.choice(("/", rng.choice(names)))] if len(names) > 1 else file["/"]
    else:
        if not isinstance(file[name], h5py.Dataset):
            return
        shape = file[name].shape
        del file[name]
        _put_dataset(rng, file, name, shape)


def _put_dataset(rng: random.Random, file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    """Write another dataset in the place of one."""
    kind = rng.randrange(9)
    if kind == 0:  # a bomb: gigabytes without one byte in the file
        side = rng.choice((10**5, 2**16, 10**9))
        file.create_dataset(name, (side, 2**14), "f4", chunks=(1024, 1024), compression="gzip")
    elif kind == 1:
        file.create_dataset(name, shape, "f4", chunks=True, fillvalue=np.nan)
    elif kind == 2:
        layout = h5py.VirtualLayout(shape, "f4")
        file.create_virtual_dataset(name, layout)
    elif kind == 3:
        file.create_dataset(name, (4,), "f4", external=[("/etc/hostname", 0, 16)])
    elif kind == 4:
        types = ("i4", "S5", "f2", "f8", "?", h5py.string_dtype(), "c8", "g")
        file.create_dataset(name, shape, rng.choice(types))
    elif kind == 5:
        file[name] = h5py.Empty("f4")
    elif kind == 6:
        file[name] = np.float32(1)
    elif kind == 7:
        file[name] = np.zeros([*shape, rng.choice((0, 1, 2))], np.float32)
    else:
        file[name] = np.full(shape, rng.choice((np.nan, np.inf, 1e30)), np.float32)


def _mutate_attribute(rng: random.Random, holder: h5py.Group | h5py.Dataset) -> None:
    """Change an attribute: the lists of names, or the config inside."""
    known = list(holder.attrs)
    name = rng.choice([*known, "layer_names", "weight_names", "mrcnn_explained_config0"])
    old = holder.attrs.get(name)
    if isinstance(old, bytes) and old.startswith(b"{"):
        holder.attrs[name] = np.bytes_(mutate_json(rng, old)[:60_000] or b"{")
        return
    values = (
        3, 0.5, "text", h5py.Empty("S1"), np.zeros(0, "S1"), np.zeros([2, 2], "S4"),
        [b"a\x00b", b"conv1"], np.array([b"\xff\xfe"]), ["a/../b"], ["/"], ["conv1"] * 3,
        ["a" * 5000], ["conv1/conv1/kernel:0"], ["conv1/" * 500], np.zeros(5000, "S8"),
        np.array([b"\xff" * 9]),
    )  # fmt: skip
    value = rng.choice(values)
    if rng.randrange(2) and old is not None and np.ndim(old) == 1:
        value = list(old)
        rng.shuffle(value)
        value = value[: rng.randrange(len(value) + 1)] or np.zeros(0, "S1")
    del_first = name in holder.attrs
    if del_first:
        del holder.attrs[name]
    holder.attrs[name] = value
