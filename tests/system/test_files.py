"""Files appear whole or not at all."""

import contextlib
import csv
import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from mrcnn_explained.errors import InputError
from mrcnn_explained.system import folders
from mrcnn_explained.system.files import atomic_write, check_file, read_json, write_csv
from mrcnn_explained.system.folders import (
    LOCK,
    FolderInUseError,
    check_folder,
    clear_leftovers,
    use_folder,
)


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


# What a kill leaves behind, and folders in use: real processes


WRITER = """
import sys, time
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.system.folders import use_folder
with use_folder(sys.argv[1]), atomic_write(sys.argv[1] + "/03.png") as file:
    file.write(b"half")
    file.flush()
    print("ready", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def writing(folder):
    """A process that writes into a folder until the block ends; then it is killed."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_kill_leaves_is_removed_at_the_next_start(tmp_path):
    users = [".03.png.ym9wlz1r", ".mrcnn-explained-notes", "x.part", ".mrcnn-explained-1.part.txt"]
    for name in users:
        (tmp_path / name).write_text("mine")
    with writing(tmp_path):
        pass
    left = set(os.listdir(tmp_path)) - set(users)
    assert len(left) == 2 and LOCK in left  # a temporary file and the lock
    with use_folder(tmp_path):
        assert sorted(os.listdir(tmp_path)) == sorted([*users, LOCK])
    assert sorted(os.listdir(tmp_path)) == sorted(users)


def test_the_first_file_that_is_written_removes_it_too(tmp_path):
    with writing(tmp_path):
        pass
    with atomic_write(tmp_path / "a.txt") as file:
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == [LOCK, "a.txt"]


def test_a_file_that_is_being_written_stays(tmp_path):
    with writing(tmp_path):
        before = sorted(os.listdir(tmp_path))
        assert clear_leftovers(tmp_path) == []
        for name in before:  # written long ago, and the number of another process
            os.utime(tmp_path / name, (0, 0))
        assert clear_leftovers(tmp_path) == [] and sorted(os.listdir(tmp_path)) == before
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    mine = tmp_path / f".mrcnn-explained-{int(gone.stdout)}-x.part"
    (tmp_path / "target").write_text("mine")
    mine.symlink_to("target")
    clear_leftovers(tmp_path)
    assert mine.is_symlink() and (tmp_path / "target").read_text() == "mine"


def test_a_folder_in_use_is_refused_with_the_process_and_free_after_a_kill(tmp_path):
    with writing(tmp_path) as process:
        with pytest.raises(FolderInUseError) as caught, use_folder(tmp_path):
            pass
        assert str(process.pid) in str(caught.value) and str(tmp_path) in str(caught.value)
        other_name = tmp_path / ".." / tmp_path.name
        with pytest.raises(FolderInUseError), use_folder(other_name):
            pass
    with use_folder(tmp_path), use_folder(str(tmp_path)):  # the same thread may hold it twice
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    assert os.listdir(tmp_path) == []


def test_of_many_threads_one_holds_a_folder(tmp_path):
    inside, most, refused = [], [], []

    def hold():
        for _ in range(50):
            try:
                with use_folder(tmp_path):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except FolderInUseError:
                refused.append(1)

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(most) + len(refused) == 400
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks_refuses_nothing(tmp_path, monkeypatch):
    def no_locks(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(folders.fcntl, "flock", no_locks)
    with use_folder(tmp_path), atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_and_a_folder_are_not_written_over(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(OSError, match="in the way"), atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a"] and not (tmp_path / "a").is_file()


@pytest.mark.parametrize("name", ["x" * 250 + ".png", "a\nb", "käfer 写真 🐞", "\udcff.png", "-rf"])
def test_every_name_that_a_file_can_have(tmp_path, name):
    with atomic_write(tmp_path / name) as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == [name]


# Cells that a spreadsheet would run


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_texts_that_a_spreadsheet_would_run(tmp_path, start):
    formula = f'{start}HYPERLINK("x")|cmd'
    rows = [{"name": formula, "n": -1.5}, {"name": "'quoted", "n": -2}, {"name": "a=b", "n": "+1"}]
    write_csv(tmp_path / "a.csv", ("name", "n"), rows)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read == [["name", "n"], [f"'{formula}", "-1.5"], ["'quoted", "-2"], ["a=b", "'+1"]]


def test_a_text_that_is_not_unicode_is_written_as_its_code(tmp_path):
    write_csv(tmp_path / "a.csv", ("name",), [{"name": "\udcff"}])
    assert (tmp_path / "a.csv").read_bytes() == b"name\n\\udcff\n"


# Reading --------------------------------------------------------------------------------------


class WrongError(InputError):
    """The error of these tests."""


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("pipe", "is a pipe or a device, not a file"),
        ("loop", "cannot be read"),
        ("folder", "is a folder"),
        ("missing", "does not exist"),
        ("empty", "is empty"),
        ("long", "cannot be read"),
        ("nul", "is not a valid path"),
    ],
)
def test_what_cannot_be_read_is_refused_unopened(tmp_path, what, words):
    path = tmp_path / "a.json"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "folder":
        path.mkdir()
    elif what == "empty":
        path.touch()
    elif what == "long":
        path = tmp_path / ("a" * 5000)
    elif what == "nul":
        path = tmp_path / "a\x00b"
    for read in (check_file, read_json):
        with pytest.raises(WrongError, match=words) as caught:
            read(path, "a thing", WrongError)
        assert "a thing" in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_json_with_and_without_a_byte_order_mark(tmp_path, start):
    (tmp_path / "a.json").write_bytes(start + '{"ü": [1, null]}'.encode())
    assert read_json(tmp_path / "a.json", "a thing") == {"ü": [1, None]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"\xff\xfe[\x00]\x00", "is not JSON in UTF-8"),
        (b"1" * 5000, "is not JSON"),
        (b" " * 2000, "has more than 1,000 bytes"),
    ],
)
def test_what_is_not_json_is_refused(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content)
    largest = 1000 if content.isspace() else 10**6
    with pytest.raises(WrongError, match=words) as caught:
        read_json(tmp_path / "a.json", "a thing", WrongError, largest=largest)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
