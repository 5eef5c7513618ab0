"""The long run: `python -m tests.fuzz --count 30000`, in the root of the repository."""

import argparse
import sys

from .run import Answer, fuzz, table

SHARES = {"boxes": 0.3, "rois": 0.3}  # cheap ones without a file format: fewer


def main() -> None:
    """Read broken files of all kinds; print what was wrong, then the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000, help="files in all")
    parser.add_argument("--start", type=int, default=0, help="number of the first file of a kind")
    parser.add_argument("--kind", action="append", help="only this kind; may be repeated")
    options = parser.parse_args()
    from .registry import load_all

    kinds = options.kind or list(load_all())
    answers: list[Answer] = []

    def show(answer: Answer) -> None:
        answers.append(answer)
        if answer.came == "wrong":
            print(answer, flush=True)

    total = sum(SHARES.get(kind, 1) for kind in kinds)
    for kind in kinds:
        count = round(options.count * SHARES.get(kind, 1) / total)
        for _ in fuzz([kind], range(options.start, options.start + count), show):
            pass
        print(table(a for a in answers if a.kind == kind).splitlines()[1], flush=True)
    print(table(answers))
    sys.exit(any(answer.came == "wrong" for answer in answers))


if __name__ == "__main__":
    main()
