"""Exercises: is an answer right, and if not, the next hint. No notebook holds a solution."""

from collections.abc import Callable, Set
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.errors import InputError, shown

NEAR = 0.1  # share of the right value within which a measured answer is called close


class NotReady(Exception):
    """There is nothing to check yet; the message says what is missing."""


class Question(NamedTuple):
    """One exercise: its right answer is computed from what the notebook passes."""

    right: Callable[[Any], Any]  # what the notebook passes → the right answer, or a set of them
    why: str  # the explanation after a right answer
    hints: tuple[str, str, str]  # a nudge, where to look, the rule
    about: type | None = None  # what the notebook passes; None: nothing is needed
    options: tuple[str, ...] = ()  # the answers to choose from; (): a number
    within: float = 0.0  # how far a measured number may be from the right one; 0: a count or choice
    is_task: bool = False  # what was done in an explorer is the answer: `right` returns a bool


def verdict(question: Question, answer: Any, about: Any) -> tuple[bool, str]:
    """Return whether an answer is right, and what to say of a wrong one.

    Raises InputError for an answer of another kind, and NotReady.
    """
    right = question.right(about)
    if question.is_task:
        return bool(right), ""
    if question.options:
        return _as_option(answer, question.options) == right, ""
    accepted = right if isinstance(right, Set) else {right}
    if any(isinstance(one, tuple) for one in accepted):
        return _as_numbers(answer) in accepted, ""
    number, known = _as_number(answer), [float(one) for one in accepted]
    if any(abs(number - one) <= question.within for one in known):
        return True, ""
    close = question.within and any(abs(number - one) <= NEAR * abs(one) for one in known)
    return False, " It is within 10 %." if close else ""


def _as_option(answer: Any, options: tuple[str, ...]) -> str:
    """Return one of the options; True and False are yes and no."""
    if isinstance(answer, bool | np.bool_):
        answer = "yes" if answer else "no"
    text = str(answer).strip().lower()
    if text not in options:
        names = " or ".join(f'"{option}"' for option in options)
        raise InputError(f"{shown(answer)} is not one of the answers: {names}")
    return text


def _as_number(answer: Any) -> float:
    """Return a number; InputError for anything else."""
    values = np.asarray(answer)
    if values.size != 1 or values.dtype.kind not in "iuf":
        raise InputError(f"the answer is {shown(answer)}; expected one number")
    return float(values.item())


def _as_numbers(answer: Any) -> tuple[int, ...]:
    """Return several whole numbers, (2, 3); InputError for anything else."""
    values = np.asarray(answer)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise InputError(f"the answer is {shown(answer)}; expected whole numbers, (2, 3)")
    return tuple(values.tolist())
