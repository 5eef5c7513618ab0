"""Weight files in the wild: every layout loads whole, everything else is refused with a reason."""

import errno
import os
import subprocess
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from weight_layouts import groups_of, listing, write

from mrcnn_explained.errors import OutOfMemoryError
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.inner_config import config_of_file
from mrcnn_explained.weights.load import load_into, save_weights
from mrcnn_explained.weights.matterport_h5 import read_tensors
from mrcnn_explained.weights.statistics import describe

LAYOUTS = {
    "weights alone": {},
    "whole model": {"whole_model": True},
    "names as bytes": {"as_bytes": True},
    "names in pieces": {"pieces": 3},
    "extra groups": {"extras": True},
    "all at once": {"whole_model": True, "as_bytes": True, "pieces": 2, "extras": True},
}
SMALL = {
    "input_image": {},
    "conv1": {"conv1/kernel:0": (7, 7, 3, 4), "conv1/bias:0": (4,)},
    "bn_conv1": {
        f"bn_conv1/{name}:0": (4,) for name in ("gamma", "beta", "moving_mean", "moving_variance")
    },
    "rpn_model": {"rpn_conv_shared/kernel:0": (3, 3, 4, 8), "rpn_class_raw/kernel:0": (1, 1, 8, 6)},
    "mrcnn_class_logits": {
        "mrcnn_class_logits/kernel:0": (16, 81),
        "mrcnn_class_logits/bias:0": (81,),
    },
    "mrcnn_bbox_fc": {"mrcnn_bbox_fc/kernel:0": (16, 324)},
    "mrcnn_bbox": {},
    "mrcnn_mask": {"mrcnn_mask/kernel:0": (1, 1, 4, 81)},
}


class FakeVariable:
    """What the loader needs of a variable: its shape, and to be assigned once."""

    def __init__(self, shape):
        self.shape, self.value = tuple(shape), None

    def assign(self, value):
        assert self.value is None
        assert value.shape == self.shape
        self.value = value


def numbered(key, shape):
    """Values that differ from key to key and from place to place."""
    start = zlib.crc32(key.encode()) % 97
    return (start + np.arange(np.prod(shape), dtype=np.float32)).reshape(shape) / 100


def variables_of(groups):
    return {
        "/".join(name.removesuffix(":0").split("/")[-2:]): FakeVariable(shape)
        for tensors in groups.values()
        for name, shape in tensors.items()
    }


def changed(groups, layer, tensors):
    return {**groups, layer: tensors}


def untouched(variables):
    return all(variable.value is None for variable in variables.values())


# What loads


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_every_tensor(tmp_path, layout):
    path = write(tmp_path / "w.h5", SMALL, numbered, **layout)
    variables = variables_of(SMALL)
    report = load_into(variables, path)
    assert report.complete
    assert set(report.loaded) == set(variables)
    assert report.unused == (("anchors/Variable",) if layout.get("extras") else ())
    for key, variable in variables.items():
        np.testing.assert_array_equal(variable.value, numbered(key, variable.shape))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "count"),
    [("resnet50", 384), pytest.param("resnet101", 690, marks=pytest.mark.slow)],
)
def test_matterports_own_listing_loads_whole_into_the_real_model(
    tmp_path, weight_by_rule, backbone, count
):
    # The listing is of an 81-class file; its crc32 sums hold the rule and the reading.
    from mrcnn_explained import Config, MaskRCNN

    listed = listing(backbone)
    layout = LAYOUTS["all at once"] if backbone == "resnet50" else LAYOUTS["weights alone"]
    path = write(tmp_path / "w.h5", groups_of(listed), weight_by_rule, **layout)
    assert config_of_file(path).fields["backbone"] == backbone
    model = MaskRCNN(Config(**config_of_file(path).fields))
    report = model.load_weights(path)
    assert len(report.loaded) == count == len(model.weights)
    assert model.randomness() == ""
    sums = {
        "/".join(weight["path"].removesuffix(":0").split("/")[-2:]): weight["crc32"]
        for entry in listed["layers"]
        for weight in entry["weights"]
    }
    for key, variable in model.weights.items():
        assert zlib.crc32(variable.numpy().astype("<f4").tobytes()) == sums[key], key


def test_names_with_a_number_and_names_of_keras_1(tmp_path):
    groups = {
        "conv1": {"conv1_1/kernel_1:0": (7, 7, 3, 4), "conv1_1/bias_1:0": (4,)},
        "bn_conv1": {"bn_conv1_gamma": (4,), "bn_conv1_beta": (4,)}
        | {"bn_conv1_running_mean": (4,), "bn_conv1_running_std": (4,)},
    }
    path = write(tmp_path / "w.h5", groups, numbered)
    with read_tensors(path) as file:
        assert list(file.tensors) == [
            *("conv1/kernel", "conv1/bias", "bn_conv1/gamma", "bn_conv1/beta"),
            *("bn_conv1/moving_mean", "bn_conv1/moving_variance"),
        ]


def test_float16_and_float64_become_float32(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, lambda k, s: numbered(k, s).astype(np.float64))
    variables = variables_of(SMALL)
    load_into(variables, path)
    assert {v.value.dtype for v in variables.values()} == {np.dtype(np.float32)}


def test_excluded_layers_stay_as_they_were_and_are_reported(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    mine = changed(
        SMALL,
        "mrcnn_class_logits",
        {"mrcnn_class_logits/kernel:0": (16, 4), "mrcnn_class_logits/bias:0": (4,)},
    )
    variables = variables_of(mine)
    report = load_into(variables, path, exclude=["mrcnn_class_logits"])
    assert report.excluded == ("mrcnn_class_logits/kernel", "mrcnn_class_logits/bias")
    assert report.left_random == report.excluded
    assert not report.complete
    assert variables["mrcnn_class_logits/kernel"].value is None
    assert ("mrcnn_class_logits/bias", "excluded: left random") in report.rows()
    assert "excluded: mrcnn_class_logits/kernel" in str(report)


# What is refused: with a reason, and before anything is assigned


def refused(path, groups=SMALL, **options):
    variables = variables_of(groups)
    with pytest.raises(WeightFileError) as caught:
        load_into(variables, path, **options)
    assert untouched(variables)
    return str(caught.value)


def test_another_class_count_names_the_four_layers_and_the_price(tmp_path):
    mine = {
        **SMALL,
        "mrcnn_class_logits": {"mrcnn_class_logits/kernel:0": (16, 4)},
        "mrcnn_bbox_fc": {"mrcnn_bbox_fc/kernel:0": (16, 16)},
        "mrcnn_mask": {"mrcnn_mask/kernel:0": (1, 1, 4, 4)},
    }
    words = refused(write(tmp_path / "w.h5", SMALL, numbered), mine)
    assert "81 classes" in words
    assert "this model has 4" in words
    assert "mrcnn_class_logits, mrcnn_bbox_fc, mrcnn_bbox, mrcnn_mask" in words
    assert "no meaning until they are trained" in words
    assert "num_classes=81" in words


def test_the_four_layers_can_be_excluded_though_one_has_no_weights(tmp_path):
    exclude = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
    report = load_into(
        variables_of(SMALL), write(tmp_path / "w.h5", SMALL, numbered), exclude=exclude
    )
    assert len(report.excluded) == 4


def test_a_typing_error_in_exclude_is_reported_with_the_name_that_was_meant(tmp_path):
    words = refused(write(tmp_path / "w.h5", SMALL, numbered), exclude=["mrcnn_class_logit"])
    assert "'mrcnn_class_logit'" in words
    assert "did you mean mrcnn_class_logits" in words


def test_another_models_file(tmp_path):
    path = write(tmp_path / "w.h5", {"dense_1": {"dense_1/kernel:0": (3, 4)}}, numbered)
    words = refused(path)
    assert "dense_1" in words
    assert "conv1" in words
    assert "another model" in words


def test_a_missing_layer_would_stay_random(tmp_path):
    path = write(tmp_path / "w.h5", changed(SMALL, "bn_conv1", {}), numbered)
    words = refused(path)
    assert "lacks 4 tensors" in words
    assert "bn_conv1" in words
    report = load_into(variables_of(SMALL), path, allow_missing=True)
    assert len(report.missing) == 4


def test_other_channels_and_other_shapes_name_both_shapes(tmp_path):
    six = changed(SMALL, "conv1", {"conv1/kernel:0": (7, 7, 6, 4), "conv1/bias:0": (4,)})
    words = refused(write(tmp_path / "w.h5", six, numbered))
    assert "[7, 7, 6, 4]" in words
    assert "[7, 7, 3, 4]" in words
    assert "image_channel_count" in words


def test_a_101_layer_file_in_a_50_layer_model(tmp_path):
    # Keras' by_name loads it in silence: blocks res4a…f fit and the other 17 are dropped.
    def resnet(blocks):
        return {
            f"res{stage}{chr(ord('a') + b)}_branch2a": {
                f"res{stage}{chr(ord('a') + b)}_branch2a/kernel:0": (1, 1, 4, 4)
            }
            for stage, count in enumerate(blocks, 2)
            for b in range(count)
        }

    path = write(tmp_path / "w.h5", resnet((3, 4, 23, 3)), numbered)
    words = refused(path, resnet((3, 4, 6, 3)))
    assert "holds resnet101, but the model is resnet50" in words
    assert "backbone='resnet101'" in words
    path = write(tmp_path / "v.h5", resnet((3, 4, 6, 3)), numbered)
    assert "holds resnet50" in refused(path, resnet((3, 4, 23, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_name_tensor_and_count(tmp_path, bad):
    def poisoned(key, shape):
        values = numbered(key, shape)
        if key == "bn_conv1/beta":
            values[:2] = bad
        return values

    words = refused(write(tmp_path / "w.h5", SMALL, poisoned))
    assert "bn_conv1/beta" in words
    assert "2 values" in words


def make(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>Not found", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x00\x01\x02 something else", "not HDF5"),
        (b"\x1f\x8b\x08", "compressed"),
    ],
)
def test_files_that_are_not_hdf5(tmp_path, content, words):
    assert words in refused(make(tmp_path / "w.h5", content))


def test_a_truncated_file_a_directory_a_missing_one(tmp_path):
    whole = write(tmp_path / "w.h5", SMALL, numbered).read_bytes()
    assert "truncated" in refused(make(tmp_path / "cut.h5", whole[: len(whole) // 2]))
    assert "directory" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "nothing.h5")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; ends with another user")
def test_no_permission(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    path.chmod(0)
    assert "permission" in refused(path)


def test_keras_3_and_foreign_hdf5(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/conv/vars/0"] = np.zeros(3)
    assert "Keras 3" in refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = np.zeros(3)
    assert "not one of Keras" in refused(tmp_path / "b.h5")
    with zipfile.ZipFile(tmp_path / "c.h5", "w") as archive:
        archive.writestr("model.weights.h5", b"")
    assert ".keras file" in refused(tmp_path / "c.h5")


def test_links_to_elsewhere_are_not_followed(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    with h5py.File(path, "a") as file:
        del file["conv1/conv1/kernel:0"]
        file["conv1/conv1/kernel:0"] = h5py.ExternalLink("/etc/passwd", "/")
    assert "link" in refused(path)


def test_a_tensor_that_claims_more_than_the_file_holds(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    with h5py.File(path, "a") as file:
        del file["conv1/conv1/kernel:0"]
        file.create_dataset("conv1/conv1/kernel:0", (10**6, 10**4), "f4", chunks=(100, 100))
    assert "claims the shape" in refused(path)


def test_whole_numbers_are_no_weights(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, lambda k, s: np.zeros(s, np.int32))
    assert "int32" in refused(path)


# What is not the file's fault


def test_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    # "is a damaged HDF5 file (); download or copy it again" was the message.
    path = write(tmp_path / "w.h5", SMALL, numbered)

    def fails(*_):
        raise MemoryError

    with read_tensors(path) as file, monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", fails)
        with pytest.raises(OutOfMemoryError) as caught:
            file.read("conv1/kernel")
    words = str(caught.value)
    wanted = 7 * 7 * 3 * 4 * (4 + 4)  # as stored, and as float32
    assert f"conv1/kernel of {path}, which needs {wanted:,} bytes" in words
    assert "damaged" not in words and "download" not in words
    variables = variables_of(SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", fails)
        with pytest.raises(MemoryError, match="out of memory"):
            load_into(variables, path)
    assert untouched(variables)


def test_lack_of_memory_while_the_names_are_read(tmp_path, monkeypatch):
    path = write(tmp_path / "w.h5", SMALL, numbered)

    def fails(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(h5py.AttributeManager, "__getitem__", fails)
        with pytest.raises(OutOfMemoryError, match=r"the names in .*w\.h5, which needs"):
            read_tensors(path)


def test_a_disk_that_fails_is_not_called_damage(tmp_path, monkeypatch):
    path = write(tmp_path / "w.h5", SMALL, numbered)

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    with read_tensors(path) as file, monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__getitem__", fails)
        with pytest.raises(WeightFileError, match="cannot be read: Input/output error"):
            file.read("conv1/kernel")


def test_an_attribute_that_claims_more_than_the_file_holds(tmp_path):
    """The claim of a damaged file is damage, not a lack of memory."""
    path = tmp_path / "w.h5"
    save_weights(path, {"conv1/kernel": np.zeros([2, 2])})
    with h5py.File(path, "a") as file:
        names = np.array([b"conv1"], "S64000")
        file.attrs["layer_names"] = names  # 64,000 bytes in the file
    content = bytearray(path.read_bytes())
    size = content.find((64_000).to_bytes(4, "little"))
    assert size > 0
    content[size : size + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(WeightFileError, match="damaged"):
        read_tensors(path)


# The table


def test_the_table_has_numbers_and_flags(tmp_path):
    values = {
        "conv1/kernel": np.full([7, 7, 3, 4], 2.0),
        "conv1/bias": np.array([-1, 0, 1, 2000]),
        "bn_conv1/moving_variance": np.array([110_558, 1, 2, 3]),
        "bn_conv1/moving_mean": np.array([-5000, 1, 2, 3]),
        "bn_conv1/gamma": np.array([np.nan, 1, 2, 3]),
    }
    path = write(
        tmp_path / "w.h5",
        SMALL,
        lambda k, s: values.get(k, numbered(k, s)).astype(np.float32),
    )
    rows = {row.name: row for row in describe(path)}
    assert rows["conv1/kernel"].flags == ("constant",)
    assert rows["conv1/bias"].flags == ("large",)
    # Matterport's own table flags the healthy statistics of bn_conv1 as an overflow.
    assert rows["bn_conv1/moving_variance"].flags == ()
    assert rows["bn_conv1/moving_mean"].flags == ()
    assert "NaN" in rows["bn_conv1/gamma"].flags
    assert "rpn_conv_shared/kernel" in rows
    bias = rows["conv1/bias"]
    assert (bias.min, bias.max, bias.mean) == (-1, 2000, 500)
    assert bias.std == pytest.approx(np.std([-1, 0, 1, 2000]))


def test_reading_needs_no_tensorflow(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    code = (
        "import sys; from mrcnn_explained.weights.inner_config import config_of_file; "
        "from mrcnn_explained.weights.statistics import describe; "
        "import mrcnn_explained.weights.load; "
        f"assert config_of_file({str(path)!r}).fields['num_classes'] == 81; "
        f"list(describe({str(path)!r})); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# What was made to do harm ----------------------------------------------------------------------


def bomb(path):
    """8 KB that unpack to gigabytes: chunks that are not there hold the fill value."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"conv{i}" for i in range(6)]
        for i in range(6):
            group = file.create_group(f"conv{i}")
            group.attrs["weight_names"] = [f"conv{i}/kernel:0"]
            group.create_dataset(
                f"conv{i}/kernel:0", (2**14, 2**14), "f4", chunks=(2**10, 2**10), compression="gzip"
            )
    return path


def test_a_small_file_that_unpacks_to_gigabytes(tmp_path):
    path = bomb(tmp_path / "w.h5")
    assert path.stat().st_size < 2**15
    for read in (lambda: list(describe(path)), lambda: config_of_file(path)):
        with pytest.raises(WeightFileError, match="bytes unpack to 6,442,450,944"):
            read()
    words = refused(path)
    assert "unpack to" in words and len(words) < 300 + len(str(path))


def test_the_command_weights_refuses_a_bomb(tmp_path):
    path = bomb(tmp_path / "w.h5")
    command = [sys.executable, "-m", "mrcnn_explained", "weights", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "unpack to" in done.stderr and "Traceback" not in done.stderr


def test_a_heap_in_which_the_library_would_go_round_for_ever(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    assert heap > 0, "names as str lie in a heap"
    place = heap + 16  # of its first object: index, references, size
    content[place : place + 16] = bytes(16)
    path.write_bytes(content)
    assert "empty block in the heap" in refused(path)


def test_compressed_weights_of_an_honest_size_are_read(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    with h5py.File(path, "a") as file:
        values = file["conv1/conv1/kernel:0"][()]
        del file["conv1/conv1/kernel:0"]
        file.create_dataset("conv1/conv1/kernel:0", data=values, compression="gzip", shuffle=True)
    variables = variables_of(SMALL)
    assert load_into(variables, path).complete
    np.testing.assert_array_equal(variables["conv1/kernel"].value, values)


@pytest.mark.parametrize(
    "names", [[b"conv1\x00x"], ["conv1\n"], [b"\xff\xfe"], ["a" * 5000], ["../conv1"], ["/"], ["."]]
)
def test_names_that_no_program_writes(tmp_path, names):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    with h5py.File(path, "a") as file:
        kind = "S2000" if isinstance(names[0], bytes) else h5py.string_dtype()
        del file.attrs["layer_names"]
        file.attrs.create("layer_names", names, dtype=kind)
    words = refused(path)
    assert words.isprintable() and len(words) < 300 + len(str(path))


def test_circles_of_links_end(tmp_path):
    path = write(tmp_path / "w.h5", SMALL, numbered)
    with h5py.File(path, "a") as file:
        file["conv1/conv1/again"] = file["conv1"]  # a hard link upwards
        file["conv1"].attrs["weight_names"] = ["conv1/again/" * 60 + "conv1/kernel:0"]
        file["circle"] = h5py.SoftLink("/circle")
        file["foreign"] = file["/"]
    words = refused(path, {"conv1": {"conv1/kernel:0": (1, 1, 1, 1)}})
    assert len(words) < 300 + len(str(path))


@pytest.mark.parametrize("what", ["pipe", "loop", "nul", "long"])
def test_what_is_not_a_file_is_refused_unopened(tmp_path, what):
    path = tmp_path / "w.h5"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    else:
        path = tmp_path / ("a\x00b.h5" if what == "nul" else "a" * 300 + ".h5")
    assert len(refused(path)) < 300 + len(str(tmp_path))


# Models in models ------------------------------------------------------------------------------


def copied(source, path, place, *, lists=()):
    """A file with the groups of another one at a place; the root may list layers."""
    with h5py.File(source) as old, h5py.File(path, "w") as file:
        if lists:
            file.attrs["layer_names"] = list(lists)
            file.create_group(lists[0]).attrs["weight_names"] = np.zeros(0, "S1")
        inner = file.create_group(place)
        for name, value in old.attrs.items():
            inner.attrs[name] = value
        for name in old:
            old.copy(name, inner)
    return path


def test_a_model_in_a_model_and_a_model_in_a_folder_of_the_file(tmp_path):
    source = write(tmp_path / "s.h5", SMALL, numbered)
    nested = copied(source, tmp_path / "n.h5", "mask_rcnn", lists=("input", "mask_rcnn"))
    folder = copied(source, tmp_path / "f.h5", "runs/7/model_weights")
    for path in (nested, folder):
        variables = variables_of(SMALL)
        assert load_into(variables, path).complete, path
        for key, variable in variables.items():
            np.testing.assert_array_equal(variable.value, numbered(key, variable.shape))


def test_two_models_in_one_file_are_not_mixed(tmp_path):
    source = write(tmp_path / "s.h5", SMALL, numbered)
    path = copied(source, tmp_path / "two.h5", "one/model_weights")
    with h5py.File(path, "a") as file:
        file.copy("one", "two")
    words = refused(path)
    assert "holds 2 models" in words and "/two/model_weights" in words


def test_names_whose_length_would_end_the_process(tmp_path):
    """The length of a text in a damaged file made the library read beyond its memory."""
    path = write(tmp_path / "w.h5", SMALL, numbered)
    content = path.read_bytes()
    reference = (5).to_bytes(4, "little")  # "conv1": its length, then where its heap is
    heap = content.find(b"GCOL").to_bytes(8, "little")
    place = content.find(reference + heap)
    assert place > 0
    for length in (2**31, 2**32 - 1, 10**6):
        broken = bytearray(content)
        broken[place : place + 4] = length.to_bytes(4, "little")
        path.write_bytes(broken)
        assert "damaged HDF5 file" in refused(path)
