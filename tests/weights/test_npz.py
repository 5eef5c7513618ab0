"""The reader of .npz files: declared sizes are checked before anything is allocated."""

import io
import os
import resource
import struct
import zipfile

import numpy as np
import pytest

from mrcnn_explained.errors import InputError, OutOfMemoryError
from mrcnn_explained.weights.npz import Expected, NpzFile, read_npz


class BrokenError(InputError):
    """The error of these tests."""


THING = Expected("a thing", "Make it again", BrokenError)


def npy(header, values=b""):
    """An .npy file with any header."""
    text = f"{header}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values


def archive(path, method=zipfile.ZIP_STORED, **members):
    """An archive of members by name."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def array(value):
    """The content of a member."""
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


def declared(shape, dtype="<f4"):
    """A member that declares a shape and holds 16 bytes."""
    return npy({"descr": dtype, "fortran_order": False, "shape": shape}, bytes(16))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_comes_back(tmp_path, save):
    arrays = {
        "a/b": np.arange(12, dtype=np.float16).reshape(3, 4),
        "c": np.asfortranarray(np.ones([2, 3])),
        "d": np.zeros([0, 5], np.int64),
        "e": np.array(True),
        "text": np.array('{"x": [1]}'),
    }
    save(tmp_path / "a.npz", **arrays)
    found = read_npz(tmp_path / "a.npz", THING)
    assert list(found) == list(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
    with NpzFile(tmp_path / "a.npz", THING) as file:
        assert file.json("text", dict) == {"x": [1]}
        assert file.headers["a/b"].shape == (3, 4)
        for call in (
            lambda: file.json("text", list),
            lambda: file.text("c"),
            lambda: file.read("z"),
        ):
            with pytest.raises(BrokenError, match="is not a thing, or is damaged"):
                call()


BROKEN = {
    "petabytes": {"a": declared((2**50,))},
    "overflow": {"a": declared((2**32, 2**32))},
    "negative": {"a": declared((-4,))},
    "more than there is": {"a": declared((5,))},
    "less than there is": {"a": declared((3,))},
    "objects": {"a": declared((2,), "|O")},
    "other byte order": {"a": declared((4,), ">f4")},
    "fields": {"a": declared((1,), [("x", "<f4"), ("y", "<f4")])},
    "not a header": {"a": npy("(" * 900)},
    "deep header": {"a": npy("-" * 990 + "1")},
    "long header": {"a": npy(" " * 60_000)},
    "code": {"a": npy("__import__('os').abort()")},
    "other version": {"a": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{}"},
    "no magic": {"a": b"hello"},
    "nothing": {"a": b""},
}


@pytest.mark.parametrize("members", BROKEN.values(), ids=BROKEN)
def test_members_that_are_not_what_they_declare(tmp_path, members):
    path = archive(tmp_path / "a.npz", good=array(np.zeros(3)), **members)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenError, match="is not a thing, or is damaged") as caught:
        read_npz(path, THING)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    assert len(str(caught.value)) < 300 + len(str(path)) and "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    path, block = tmp_path / "a.npz", bytes(2**20)
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**29,)}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(header))
        for _ in range(2**9):
            member.write(block)
    assert path.stat().st_size < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenError, match="bytes unpack to 536,870,912"):
        read_npz(path, THING)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_members_that_share_their_bytes(tmp_path):
    path = archive(tmp_path / "a.npz", a=array(np.zeros(2**16)), b=array(np.zeros(4)))
    content = bytearray(path.read_bytes())
    second = content.rfind(b"PK\x01\x02")
    content[second + 20 : second + 28] = struct.pack("<II", *[array(np.zeros(2**16)).__len__()] * 2)
    path.write_bytes(content)
    with pytest.raises(BrokenError, match="larger than the file"):
        read_npz(path, THING)


def test_what_is_not_an_archive_of_arrays(tmp_path):
    for content, words in (
        (b"", "is empty"),
        (b"PK nothing", "not a zip file"),
        (b"\x93NUMPY\x01\x00", "not a zip file"),
    ):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(BrokenError, match=words):
            read_npz(tmp_path / "a.npz", THING)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(BrokenError, match=r"readme\.txt' is not an array"):
        read_npz(tmp_path / "b.npz", THING)
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.npy", array(np.zeros(3)))
    with pytest.raises(BrokenError, match="compressed in another way"):
        read_npz(tmp_path / "c.npz", THING)


@pytest.mark.parametrize("what", ["pipe", "loop", "folder", "missing", "long", "nul"])
def test_what_is_not_a_file_is_refused_unopened(tmp_path, what):
    path = tmp_path / "a.npz"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "folder":
        path.mkdir()
    elif what == "long":
        path = tmp_path / ("a" * 300)
    elif what == "nul":
        path = tmp_path / "a\x00b"
    with pytest.raises(BrokenError) as caught:
        read_npz(path, THING)
    assert "give a thing" in str(caught.value)


def test_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=np.zeros(10))

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", fails)
    with pytest.raises(OutOfMemoryError, match=r"reading a of .*a\.npz, which needs 80 bytes"):
        read_npz(tmp_path / "a.npz", THING)
