"""Run the fuzz: ask a worker to read one broken file after the other, and count what comes."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIME_LIMIT = 10.0  # seconds to read one file
MAKE_LIMIT = 300.0  # seconds to make it; for the first, also to import TensorFlow
MEMORY_LIMIT = 2**30  # bytes that the process may grow by


@dataclass(frozen=True)
class Answer:
    """What came of one broken file."""

    kind: str
    number: int
    came: str  # refused, read, or wrong
    words: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number}: {self.came}: {self.words}"


class Worker:
    """A worker process; a new one is started after one that hung or died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, kind: str, number: int) -> Answer:
        """Return what comes of a broken file; what took too long is read a second time.

        Another program may have used the processor; a file that hangs, hangs again.
        """
        answer = self._ask(kind, number)
        return self._ask(kind, number) if answer.words.startswith("no end") else answer

    def _ask(self, kind: str, number: int) -> Answer:
        """Return what comes of a broken file, read once."""
        process = self.process or self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{kind} {number}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            return Answer(kind, number, "wrong", f"the worker had ended: {self.stop()}")
        for limit, what in ((MAKE_LIMIT, "making the file"), (TIME_LIMIT, "reading it")):
            start = time.monotonic()
            ready, _, _ = select.select([process.stdout], [], [], limit)
            line = process.stdout.readline() if ready else b""
            if not line:
                why = "the worker ended" if ready else f"no end after {limit:.0f} s"
                return Answer(kind, number, "wrong", f"{why}, {what}: {self.stop()}")
        answer = json.loads(line)
        took, grew = time.monotonic() - start, answer["bytes"]
        if answer["came"] != "wrong" and grew > MEMORY_LIMIT:
            return Answer(kind, number, "wrong", f"took {grew / 2**30:.1f} GB: {answer['words']}")
        return Answer(kind, number, answer["came"], f"{answer['words']} ({took:.1f} s)")

    def stop(self) -> str:
        """End the process; return its exit status and the last line of what it printed."""
        if self.process is None:
            return ""
        self.process.kill()
        self.process.communicate()
        status, self.process = self.process.returncode, None
        with self.printed:
            self.printed.seek(0)
            words = self.printed.read().decode(errors="replace")[-300:]
        return f"exit status {status}, {words!r}"

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process; its own package is found beside the tests' helpers."""
        paths = [str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "MALLOC_ARENA_MAX": "2",
        }
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            bufsize=0,  # `select` sees no line that a buffer holds
        )
        return self.process


def fuzz(
    kinds: Iterable[str],
    numbers: Iterable[int],
    progress: Callable[[Answer], None] = lambda answer: None,
) -> Iterator[Answer]:
    """Yield what comes of each broken file.

    numbers     of the files of each kind; the first ones are what is not a file at all
    progress    called with each answer
    """
    worker = Worker()
    try:
        for kind in kinds:
            for number in numbers:
                answer = worker.ask(kind, number)
                progress(answer)
                yield answer
    finally:
        worker.stop()


def table(answers: Iterable[Answer]) -> str:
    """Return the summary: for each kind how many were tried, refused, read and wrong."""
    counts: dict[str, Counter[str]] = {}
    for answer in answers:
        counts.setdefault(answer.kind, Counter())[answer.came] += 1
    counts["all"] = sum(counts.values(), Counter())
    lines = [f"{'kind':<12}{'tried':>8}{'refused':>9}{'read':>8}{'wrong':>7}"]
    for kind, came in counts.items():
        lines.append(
            f"{kind:<12}{came.total():>8}{came['refused']:>9}{came['read']:>8}{came['wrong']:>7}"
        )
    return "\n".join(lines)
