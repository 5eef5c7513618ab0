"""Files appear whole or not at all."""

import errno
import os
import stat

import pytest

from mrcnn_explained.files import atomic_write


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
