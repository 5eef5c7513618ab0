"""Broken files of every kind end in the project's own error, in time and without gigabytes."""

import pytest

from .registry import load_all
from .run import Answer, Worker

COUNT = 40  # of each kind; `make fuzz` reads thousands
QUICK = {"image": 300, "video": 300}  # kinds that are read in milliseconds


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", load_all())
def test_broken_files_are_refused_in_words(worker, kind):
    count = QUICK.get(kind, COUNT)
    answers: list[Answer] = [worker.ask(kind, number) for number in range(count)]
    wrong = [str(answer) for answer in answers if answer.came == "wrong"]
    assert not wrong, "\n".join(wrong)
    assert answers[0].came == "read", answers[0]
    assert sum(answer.came == "refused" for answer in answers) > count // 4
