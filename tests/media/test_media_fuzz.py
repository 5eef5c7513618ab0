"""Mutated images and videos end in the project's own error, in time, within 1 GB.

`MRCNN_EXPLAINED_FUZZ=30000` runs as many mutations of each kind as that; 300 are the default.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = int(os.environ.get("MRCNN_EXPLAINED_FUZZ", "300"))
WORKER = Path(__file__).with_name("fuzz_worker.py")


def problems_of(kind, folder):
    """What went wrong, by the number of the mutation."""
    found, first = {}, 0
    while first < COUNT:
        command = [sys.executable, str(WORKER), kind, str(folder), str(first), str(COUNT)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = [json.loads(x) for x in done.stdout.splitlines() if x.startswith('{"number"')]
        assert lines, done.stderr[-2000:]
        found |= {x["number"]: x for x in lines if x.get("problem")}
        last = lines[-1]
        if "problem" not in last:  # the process died on it
            found[last["number"]] = {**last, "problem": f"exit {done.returncode}"}
        first = last["number"] + 1
    return found


@pytest.mark.timeout(120 + COUNT)
@pytest.mark.parametrize("kind", ["images", "videos"])
def test_mutated_files_are_refused_in_words(kind, tmp_path):
    assert problems_of(kind, tmp_path) == {}
