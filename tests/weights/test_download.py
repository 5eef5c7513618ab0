"""Matterport's COCO weights: downloaded once, whole or not at all."""

import http.server
import threading

import numpy as np
import pytest

from mrcnn_explained.weights import download
from mrcnn_explained.weights.download import cached_coco_weights, find_coco_weights
from mrcnn_explained.weights.errors import WeightFileError
from mrcnn_explained.weights.load import save_weights


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server on this machine; `server.answer` is (status, headers, body)."""
    monkeypatch.setenv("MRCNN_EXPLAINED_CACHE", str(tmp_path / "cache"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}/mask_rcnn_coco.h5"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def weight_file(folder):
    save_weights(folder / "w.h5", {"conv1/kernel": np.ones([2, 3])})
    return (folder / "w.h5").read_bytes()


def test_the_download_is_kept_and_asked_for_once(server, tmp_path):
    body = weight_file(tmp_path)
    server.answer = (200, {"Content-Length": str(len(body))}, body)
    seen = []
    path = find_coco_weights(url=server.url, progress=lambda *x: seen.append(x))
    assert path.read_bytes() == body
    assert seen[-1] == (len(body), len(body))
    server.answer = (500, {}, b"")
    assert find_coco_weights(url=server.url) == path


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"Content-Length": "9"}, b"<html>ha!"), "not a weight file"),
        ((200, {"Content-Length": "100"}, b"\x89HDF\r\n\x1a\n and no more"), "broke off"),
        ((404, {}, b""), "404"),
        ((200, {"Content-Length": "0"}, b""), "broke off"),
    ],
)
def test_a_bad_answer_leaves_nothing_behind(server, answer, words):
    server.answer = answer
    with pytest.raises(WeightFileError, match=words):
        find_coco_weights(url=server.url, progress=lambda *_: None)
    folder = cached_coco_weights().parent
    assert not folder.exists() or not list(folder.iterdir())


def test_without_a_network_it_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MRCNN_EXPLAINED_CACHE", str(tmp_path))
    with pytest.raises(WeightFileError) as caught:
        find_coco_weights(url="http://127.0.0.1:9/mask_rcnn_coco.h5")
    assert "no connection" in str(caught.value)
    assert str(tmp_path / "mask_rcnn_coco.h5") in str(caught.value)


def test_a_full_disk_is_named(server, tmp_path, monkeypatch):
    # It used to end in a traceback.
    body = weight_file(tmp_path)
    server.answer = (200, {"Content-Length": str(len(body))}, body)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(WeightFileError, match="cannot be written: No space left on device"):
        find_coco_weights(url=server.url, progress=lambda *_: None)


def test_a_length_that_is_not_a_number_is_not_used(server, tmp_path):
    body = weight_file(tmp_path)
    server.answer = (200, {"Content-Length": "many"}, body)
    seen = []
    path = find_coco_weights(url=server.url, progress=lambda *x: seen.append(x))
    assert path.read_bytes() == body and seen[-1] == (len(body), 0)
