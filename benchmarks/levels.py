"""Surveys: memory over many images, and two Ray workers against one single-threaded process.

.venv/bin/python benchmarks/levels.py memory --images 2000 --size 256 --proposals 1000
.venv/bin/python benchmarks/levels.py ray --images 200

Rates count from the first image that is done to the last, by the times of their files:
what it costs to start is told apart. Memory is the peak so far (Linux); that of the last line is
the system's own count of the whole process, the merge of the parts and the page included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PART = "parts/[0-9]*.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("memory", "ray"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--proposals", type=int, help="ROIs of an image; as the preset has it")
    options = parser.parse_args()
    more = ["--size", str(options.size)]
    more += ["--proposals", str(options.proposals)] if options.proposals else []
    with tempfile.TemporaryDirectory() as folder:
        {"memory": memory, "ray": ray}[options.what](Path(folder), options.images, *more)


def survey(out: Path, images: int, *more: str, threads: int = 0) -> subprocess.Popen:
    environment = {**os.environ}
    if threads:
        environment |= {"TF_NUM_INTRAOP_THREADS": str(threads),
                        "TF_NUM_INTEROP_THREADS": str(threads)}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "mrcnn_explained", "levels", "--dataset", "shapes", "--limit",
         str(images), "--out", str(out), *more],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def memory(folder: Path, images: int, *more: str) -> None:
    out, start = folder / "out", time.perf_counter()
    child = survey(out, images, *more)
    told = 0
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        done = len(list(out.glob(PART)))
        if done >= told and (peak := peak_mb(child.pid)) is not None:
            print(f"{done:6} images  peak {peak:7.0f} MB  "
                  f"{time.perf_counter() - start:6.0f} s", flush=True)  # fmt: skip
            told = done + max(1, images // 10)
        time.sleep(0.5)
    _, status, usage = ended
    print(f"{len(list(out.glob(PART))):6} images  peak {usage.ru_maxrss / 1024:7.0f} MB  "
          f"{time.perf_counter() - start:6.0f} s, merged, "
          f"exit code {os.waitstatus_to_exitcode(status)}")  # fmt: skip


def peak_mb(pid: int) -> float | None:
    """Peak memory of a process so far, MB (Linux); None once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")), None)


def ray(folder: Path, images: int, *options: str) -> None:
    rates = {}
    for name, more, threads in (
        ("one process, one thread", (), 1),
        ("two Ray workers", ("--ray", "local", "--workers", "2"), 0),
    ):
        out, start = folder / name.replace(" ", ""), time.perf_counter()
        code = survey(out, images, *options, *more, threads=threads).wait()
        times = sorted(path.stat().st_mtime for path in out.glob(PART))
        rates[name] = (len(times) - 1) / (times[-1] - times[0])
        print(f"{name:24} {rates[name]:5.2f} images/s, {time.perf_counter() - start:5.0f} s in "
              f"all, exit code {code}", flush=True)  # fmt: skip
    one, two = rates.values()
    print(f"ratio {two / one:.2f} (to be at least 1.5)")


if __name__ == "__main__":
    main()
