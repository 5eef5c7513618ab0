"""LeftOut: what a training run did not use of its dataset, each thing once, with its reason."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mrcnn_explained.data.records import AnnotationProblem, lost_objects, short

MOST_REASONS = 8  # that a summary lists
LONGEST_LINE = 280  # characters
COLUMNS = ("file", "image", "annotation", "objects_left_out", "reason")


class LeftOut:
    """Collects problems and notes from all threads of a run; one that comes again counts once."""

    def __init__(self) -> None:
        self._found: dict[AnnotationProblem, None] = {}
        self._lock = threading.Lock()

    def add(self, problem: AnnotationProblem) -> None:
        """Keep a problem or a note (`lost` is 0), unless it is known."""
        with self._lock:
            self._found[problem] = None

    def problems(self) -> list[AnnotationProblem]:
        """Return everything that was found, in the order in which it came."""
        with self._lock:
            return list(self._found)

    def lines(self) -> list[str]:
        """Return a summary: a count, and each kind of reason with its first example.

        Reasons that differ only in numbers are of one kind.
        """
        found = self.problems()
        if not found:
            return []
        kinds = Counter(_kind(problem) for problem in found)
        first = {_kind(problem): problem for problem in reversed(found)}
        lines = [f"Objects left out: {lost_objects(found)}. Problems and notes: {len(found)}"]
        for kind, count in kinds.most_common(MOST_REASONS):
            lines.append(short(f"  {count} x {first[kind]}", LONGEST_LINE))
        if len(kinds) > MOST_REASONS:
            lines.append(f"  and {len(kinds) - MOST_REASONS} other reasons")
        return lines

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of COLUMNS for each problem and note."""
        for problem in self.problems():
            index = "" if problem.object < 0 else f"object {problem.object}"
            values = (
                problem.file,
                problem.image,
                problem.annotation or index,
                problem.lost,
                problem.reason,
            )
            yield dict(zip(COLUMNS, values, strict=True))


def _kind(problem: AnnotationProblem) -> str:
    """Return the reason without its numbers."""
    return re.sub(r"\d+", "#", problem.reason)
