"""Make docs/stages.md from the annotations of the stages' results.

`--check` changes nothing and fails where the file is out of date.
"""

import sys
from pathlib import Path

from mrcnn_explained.stages.catalog import STAGES, TRAINING_STAGES, Stage, fields

TARGET = Path(__file__).parent.parent / "docs" / "stages.md"
HEAD = """<!-- Made by tools/stages_md.py from the code; do not edit. -->
# The stages

Every stage returns a NamedTuple of everything it computed. The letters of the shapes are
those of [notation.md](notation.md); `_` is a side that differs from entry to entry. A type in
`tuple[…]` holds one tensor a pyramid level or an image. Stages 1 to 13 detect; T1 to T3 stand
between them when the detector learns, and their trace is that of `model.training_trace`.
"""


def section(stage: Stage) -> str:
    """One stage: the head of its module, where a trace holds it, its fields."""
    title, _, head = stage.doc.partition("\n")
    places = " and ".join(f"`trace.{field}`" for field in stage.trace_fields)
    lines = [
        f"## {stage.number}. {title}",
        "",
        f"`stages/{stage.module}.py`: `{stage.callable_name}` → `{stage.result_name}`, "
        f"in a trace {places}",
        "",
        "```text",
        head.strip(),
        "```",
        "",
        "| field | type | shape | meaning |",
        "|---|---|---|---|",
    ]
    for field in fields(stage.result):
        kind = f"tuple[{field.dtype}, …]" if field.each else field.dtype
        shape = f"`{field.shape}`" if field.shape else ""
        lines.append(f"| `{field.name}` | `{kind}` | {shape} | {field.meaning} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = HEAD + "\n" + "\n".join(section(stage) for stage in (*STAGES, *TRAINING_STAGES))
    if "--check" not in sys.argv:
        TARGET.write_text(text)
    elif not TARGET.exists() or TARGET.read_text() != text:
        sys.exit("docs/stages.md does not fit the stages: run `make docs`")


if __name__ == "__main__":
    main()
