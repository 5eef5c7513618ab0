"""Files appear whole or not at all."""

import csv
import errno
import os
import stat

import pytest

from mrcnn_explained.files import atomic_write, check_folder, write_csv


def test_a_file_appears_with_its_content_and_nothing_beside_it(tmp_path):
    with atomic_write(tmp_path / "a.txt") as file:
        file.write(b"content")
        assert not (tmp_path / "a.txt").exists()  # not before the block ends well
    assert (tmp_path / "a.txt").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_folders_above_it_are_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "c.txt") as file:
        file.write(b"x")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")]
)
def test_whatever_goes_wrong_the_old_file_stays(tmp_path, error):
    (tmp_path / "a.txt").write_bytes(b"old")

    def write_half():
        with atomic_write(tmp_path / "a.txt") as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert (tmp_path / "a.txt").read_bytes() == b"old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_disk_that_fills_up_at_the_last_moment(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), atomic_write(tmp_path / "a.txt") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == []


def test_others_may_read_it_as_far_as_the_umask_lets_them(tmp_path):
    old = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a.txt") as file:
            file.write(b"x")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644
        assert os.umask(0o022) == 0o022  # and the umask is what it was
    finally:
        os.umask(old)


def test_a_folder_in_its_place_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError), atomic_write(tmp_path / "a") as file:  # noqa: PT011
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a"]


def test_a_table_by_hand(tmp_path):
    rows = [{"b": 2, "a": 0.1234567890123}, {"a": 'x, "y"\n', "b": None}, {"b": "käfer 写真"}]
    write_csv(tmp_path / "a.csv", ("a", "b"), rows)
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        'a,b\n0.1234567890123,2\n"x, ""y""\n",\n,käfer 写真\n'
    )
    write_csv(tmp_path / "a.csv", ("a", "b"), iter(rows), digits=6)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read[0] == {"a": "0.123457", "b": "2"} and len(read) == 3


def test_a_table_whose_rows_fail_leaves_the_old_one(tmp_path):
    def rows():
        yield {"a": 1}
        raise ZeroDivisionError

    (tmp_path / "a.csv").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write_csv(tmp_path / "a.csv", ("a",), rows())
    with pytest.raises(ValueError, match="'b'"):
        write_csv(tmp_path / "a.csv", ("a",), [{"b": 1}])
    assert (tmp_path / "a.csv").read_bytes() == b"old" and os.listdir(tmp_path) == ["a.csv"]


def test_an_output_folder_is_made_or_refused_by_name(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    check_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="in the way of the output folder: .*file"):
        check_folder(tmp_path / "file")
