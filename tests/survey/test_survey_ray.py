"""The same survey on Ray: two workers, and one of them killed half-way."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import noise_image
from PIL import Image

from mrcnn_explained.config import Config
from mrcnn_explained.errors import InputError
from mrcnn_explained.survey.job import folder_job, read_parts
from mrcnn_explained.survey.on_ray import run_on_ray
from mrcnn_explained.survey.parts import PARTS, part_path
from mrcnn_explained.survey.surveyor import run_here

pytest.importorskip("ray", reason="needs the extra ray; ends where it is installed")
pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and processes to the interpreter's end, and says so through warnings.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]
CONFIG = Config.slim(
    image_min_dim=128, image_max_dim=128, post_nms_rois_inference=20, detection_min_confidence=0.0
)
IMAGES = 60


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i in range(IMAGES):
        Image.fromarray(noise_image(200, 300, i)).save(folder / f"{i:02}.png")
    (folder / "00.png").write_text("broken")
    return folder_job(folder, "random", CONFIG)


@pytest.fixture(scope="module")
def here(job, tmp_path_factory):
    out = tmp_path_factory.mktemp("here")
    run_here(job, out)
    return list(read_parts(job, out))


def agree(parts, here):
    """The same images with the same boxes; floats may round otherwise with other threads."""
    assert len(parts) == len(here)
    for ours, theirs in zip(parts, here, strict=True):
        assert (ours["image"], ours["error"]) == (theirs["image"], theirs["error"])
        kinds = [[row["kind"] for row in part["rows"]].count("roi") for part in (ours, theirs)]
        assert kinds[0] == kinds[1]
        sides = [[row["side"] for row in part["rows"] if row["kind"] == "roi"]
                 for part in (ours, theirs)]  # fmt: skip
        assert sides[0] == pytest.approx(sides[1], rel=1e-3)


def workers():
    """Process ids of Ray's actors on this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::MapWorker" in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue  # it ended while we looked


def test_two_workers_one_of_them_killed(job, here, tmp_path):
    killed, seen = [], set()

    def kill_one():
        end = time.time() + 200
        while time.time() < end:
            seen.update(workers())
            if len(list(tmp_path.glob("parts/[0-9]*.json"))) >= 8:
                killed.append(next(iter(workers())))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=kill_one)
    thread.start()
    told = []
    run_on_ray(job, tmp_path, "local", workers=2, progress=lambda done, total: told.append(done))
    thread.join()
    assert len(killed) == 1 and len(seen) >= 2
    assert len(list(tmp_path.glob(PARTS))) == IMAGES
    agree(list(read_parts(job, tmp_path)), here)
    assert told[0] == 0 and told[-1] == IMAGES


def test_what_is_there_is_not_done_again(job, here, tmp_path):
    """But for the broken one: it may have been mended."""
    run_here(job, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob(PARTS)}
    run_on_ray(job, tmp_path, "local")
    after = {p: p.stat().st_mtime_ns for p in tmp_path.glob(PARTS)}
    assert {p for p in after if after[p] != before[p]} == {part_path(tmp_path, 0)}


def test_where_all_images_fail_it_ends(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_text("broken")
    job = folder_job(tmp_path, "random", CONFIG)
    with pytest.raises(InputError, match="none of the first 3 images could be surveyed"):
        run_on_ray(job, tmp_path / "out", "local", workers=1)


def test_no_cluster_answers(job, tmp_path):
    with pytest.raises(InputError, match="no Ray cluster answers at '127.0.0.1:1'"):
        run_on_ray(job, tmp_path, "127.0.0.1:1")


@pytest.mark.parametrize("address", ["127.0.0.1:²", "ray://host:port", "127.0.0.1:" + "9" * 5000])
def test_an_address_without_a_port_is_refused(job, tmp_path, address):
    with pytest.raises(InputError, match="the port is not a number"):
        run_on_ray(job, tmp_path, address)
