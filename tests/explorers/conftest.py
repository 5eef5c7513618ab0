"""What the tests of explorers share: runs of a tiny model, and a browser."""

import pytest
from conftest import noise_image

from explorers.bench import Bench


@pytest.fixture(scope="session")
def trace(tiny_model):
    """A run that finds something: without a threshold, noise has detections."""
    model = tiny_model.with_config(detection_min_confidence=0.0)
    return model.trace([noise_image(100, 128, seed=1), noise_image(90, 60, seed=2)])


@pytest.fixture(scope="session")
def nothing_found(tiny_model):
    """A run with one ROI and no detection."""
    model = tiny_model.with_config(detection_min_confidence=1.0)
    return model.trace(noise_image(64, 64), rois=[[5, 5, 40, 50]])


@pytest.fixture(scope="session")
def browser(chromium):
    """The Chromium of all benches."""
    return chromium


@pytest.fixture
def on_page(browser):
    """A call that shows an explorer on a page of its own, as a Bench."""
    benches = []

    def show(explorer):
        benches.append(Bench(browser, explorer))
        return benches[-1]

    yield show
    for bench in benches:
        bench.page.close()
