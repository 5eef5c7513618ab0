"""Things made by threads: in order, errors in their place, and no thread that stays."""

import gc
import itertools
import threading
import time

import pytest

from mrcnn_explained.data.background import Background


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("background")]


def all_end(within=10):
    until = time.monotonic() + within
    while threads() and time.monotonic() < until:
        time.sleep(0.02)
    return not threads()


@pytest.fixture(autouse=True)
def no_thread_stays():
    gc.collect()
    assert all_end()
    yield
    gc.collect()
    assert all_end()


def slow_square(n):
    time.sleep(0.02 * (n % 3))
    return n * n


def fails_at_five(n):
    if n == 5:
        raise KeyError("five")
    return n


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_things_come_in_order_and_end(workers, ahead):
    source = Background(slow_square, range(9), workers=workers, ahead=ahead)
    assert list(source) == [n * n for n in range(9)]
    assert next(source, None) is None


def test_an_error_comes_in_its_place_and_ends_it():
    source = Background(fails_at_five, itertools.count(), workers=3, ahead=20)
    assert [next(source) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="five"):
        next(source)
    assert next(source, None) is None and all_end()


def test_no_more_is_made_than_may_be_ahead():
    made = []
    source = Background(made.append, itertools.count(), workers=1, ahead=3)
    next(source)
    time.sleep(0.2)
    assert made == [0, 1, 2, 3]
    source.close()


def test_a_closed_or_forgotten_one_leaves_no_thread():
    for _ in range(5):
        source = Background(slow_square, itertools.count(), workers=2, ahead=9)
        next(source)
        source.close()
        assert next(source, None) is None
        forgotten = Background(slow_square, itertools.count(), workers=2, ahead=9)
        next(forgotten)
        del forgotten
    gc.collect()
    assert all_end()


def test_one_may_feed_another_and_be_closed_first():
    inner = Background(slow_square, itertools.count(), workers=2, ahead=4)
    outer = Background(lambda _: next(inner) + 1, itertools.count(), workers=1, ahead=4)
    assert [next(outer) for _ in range(4)] == [1, 2, 5, 10]
    inner.close()
    outer.close()
