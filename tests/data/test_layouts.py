"""Where images are looked for: one walk for datasets and for folders of images."""

import pytest

from mrcnn_explained.data import layouts
from mrcnn_explained.data.open import open_dataset
from mrcnn_explained.data.records import DatasetError
from mrcnn_explained.media.folder import images_in

NAMES = ("a.json", "deep/b.JSON", ".hidden/c.json", "__MACOSX/d.json", "~$e.json", "f.txt")


def make(folder):
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_leftovers_are_left_out_and_suffixes_are_read_in_any_case(tmp_path):
    make(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in layouts.files_below(tmp_path, (".json",))]
    assert found == ["a.json", "deep/b.JSON"]


def test_a_linked_folder_is_read_and_a_loop_ends(tmp_path):
    make(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "data")
    found = layouts.files_below(tmp_path / "data", (".json",))
    assert [path.name for path in found] == ["a.json", "b.JSON"]
    (tmp_path / "elsewhere" / "x.png").touch()
    assert [path.name for path in images_in(tmp_path / "data")] == ["x.png"]


def test_a_folder_with_too_many_files_is_refused(tmp_path, monkeypatch):
    make(tmp_path)  # four files are counted: two lie in hidden folders
    monkeypatch.setattr(layouts, "MOST_FILES", 4)
    assert len(layouts.files_below(tmp_path, (".json",))) == 2
    monkeypatch.setattr(layouts, "MOST_FILES", 3)
    with pytest.raises(DatasetError, match="more than 3 files; give a folder of the dataset"):
        layouts.files_below(tmp_path, (".json",))


def test_a_folder_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="none cannot be read: No such file"):
        layouts.files_below(tmp_path / "none", (".json",))


@pytest.mark.parametrize(
    ("kind", "source", "option", "message"),
    [
        ("shapes", None, {"subset": "val"}, "takes no --subset, but val came"),
        ("shapes", None, {"year": "2017"}, "takes no --year, but 2017 came"),
        ("coco", "a.json", {"subset": "val"}, "--subset chooses a file in a folder"),
        ("coco", "a.json", {"year": "2017"}, "--year chooses a file in a folder"),
        ("via", "a.json", {"count": 3}, "--count is for dataset shapes"),
    ],
)
def test_an_option_without_effect_is_refused(tmp_path, kind, source, option, message):
    file = source and tmp_path / source
    if file:
        file.write_text("{}")
    with pytest.raises(DatasetError, match=message):
        open_dataset(kind, file, **option)
