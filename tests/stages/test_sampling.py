"""Sampling: the candidates with the lowest numbers are taken, and none twice."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.sampling import count, first, marked, random_draws, take


def test_by_hand(mode):
    candidates = np.array([[True, False, True, True], [False, False, True, False]])
    draws = np.array([[0.9, 0.0, 0.2, 0.5], [0.1, 0.2, 0.3, 0.4]], np.float32)
    rows = mode(take)(candidates, draws, places=3)
    # Row 1 of the first image has the lowest number but is no candidate.
    np.testing.assert_array_equal(rows, [[2, 3, 0], [2, -1, -1]])
    np.testing.assert_array_equal(mode(count)(rows), [3, 1])
    np.testing.assert_array_equal(mode(first)(rows, np.int32([2, 5])), [[2, 3, -1], [2, -1, -1]])
    np.testing.assert_array_equal(
        mode(marked)(rows, np.int32(4)), [[True, False, True, True], [False, False, True, False]]
    )


def test_equal_numbers_and_more_places_than_candidates(mode):
    rows = mode(take)(np.ones([1, 3], bool), np.zeros([1, 3], np.float32), places=5)
    np.testing.assert_array_equal(rows, [[0, 1, 2, -1, -1]])
    none = mode(take)(np.ones([2, 0], bool), np.zeros([2, 0], np.float32), places=2)
    np.testing.assert_array_equal(none, np.full([2, 2], -1))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=30),
       st.integers(1, 12))  # fmt: skip
def test_law_no_candidate_left_out_has_a_lower_number(rows, places):
    candidates = np.array([[c for c, _ in rows]])
    draws = np.array([[d for _, d in rows]], np.float32)
    taken = take(tf.constant(candidates), tf.constant(draws), places).numpy()[0]
    taken = taken[taken >= 0]
    assert len(set(taken)) == len(taken) == min(places, candidates.sum())
    left = np.setdiff1d(np.flatnonzero(candidates[0]), taken)
    if len(taken) and len(left):
        assert draws[0][taken].max() <= draws[0][left].min()


def test_draws_repeat_with_the_seed_and_every_candidate_is_taken_sometimes():
    seeds = tf.constant([[1, step] for step in range(300)])
    draws = random_draws(seeds, 5)
    np.testing.assert_array_equal(draws[7:9], random_draws(seeds[7:9], 5))
    wins = take(tf.ones([300, 5], tf.bool), draws, 1)[:, 0]
    assert np.bincount(wins, minlength=5).min() > 300 / 5 / 2
