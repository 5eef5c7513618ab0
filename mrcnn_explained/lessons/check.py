"""check_answer: what a notebook's exercise cell calls."""

from typing import Any

from mrcnn_explained.errors import InputError, shown
from mrcnn_explained.lessons.exercises import NotReady, Question, verdict
from mrcnn_explained.lessons.questions_around import AROUND
from mrcnn_explained.lessons.questions_first import FIRST
from mrcnn_explained.lessons.questions_second import SECOND

#: By notebook and question, "07.3".
QUESTIONS: dict[str, Question] = {**FIRST, **SECOND, **AROUND}

_wrong: dict[str, list[str]] = {}  # the wrong answers of this session, each once


def check_answer(question: str, answer: Any, about: Any = None) -> None:
    """Print whether an answer is right and why, or else the next hint.

    question    notebook and number, "07.2"
    answer      the reader's; None if there is none yet, True if a task is done
    about       what the right answer is computed from: the trace, or what the notebook passes; of
                a task the explorer in which it was done

    Each further wrong answer brings the next of three hints. Raises InputError for an unknown
    question, and for an answer or `about` of another kind.
    """
    if question not in QUESTIONS:
        raise InputError(f"there is no question {shown(question)}; they are numbered as {'07.2'!r}")
    asked = QUESTIONS[question]
    if answer is None:
        todo = "Do the task, put True" if asked.is_task else "Put your answer"
        print(f"{todo} in place of None and run the cell again.")
        return
    if asked.about and not isinstance(about, asked.about):
        raise InputError(
            f"question {question} got {type(about).__name__}; expected {asked.about.__name__}: "
            "leave the last argument of check_answer as it was"
        )
    try:
        correct, remark = verdict(asked, answer, about)
    except NotReady as reason:
        print(reason)
        return
    if correct:
        print(f"Right. {asked.why}")
        return
    tried = _wrong.setdefault(question, [])
    given = _settings_of(about) if asked.is_task else repr(answer)
    if given not in tried:
        tried.append(given)
    step = min(len(tried), len(asked.hints))
    print(f"Not yet.{remark} Hint {step} of {len(asked.hints)}: {asked.hints[step - 1]}")


def _settings_of(explorer: Any) -> str:
    """Return the values of an explorer's controls and its object, to notice a change."""
    values = {name: control.value for name, control in explorer.settings.items()}
    return repr((values, getattr(explorer, "object", None)))


def forget_tries() -> None:
    """Forget all wrong answers, so that every question begins with its first hint again."""
    _wrong.clear()
