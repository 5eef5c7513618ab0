"""Surveys: memory over many images, and two Ray workers against one single-threaded process.

.venv/bin/python benchmarks/levels.py memory --images 2000 --size 256 --proposals 1000
.venv/bin/python benchmarks/levels.py ray --images 200

Rates count from the first finished image to the last one, by the times of their files, so they
leave out the start. Memory is the peak so far (Linux); the last line has the system's own count
for the whole process, with the merge of the parts and the page.
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
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("memory", "ray"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--proposals", type=int, help="ROIs per image; default: the preset's")
    options = parser.parse_args()
    more = ["--size", str(options.size)]
    if options.proposals:
        more += ["--proposals", str(options.proposals)]
    benchmark = {"memory": memory, "ray": ray}[options.what]
    with tempfile.TemporaryDirectory() as folder:
        benchmark(Path(folder), options.images, *more)


def survey(out: Path, images: int, *more: str, threads: int = 0) -> subprocess.Popen:
    """Start a survey of drawn scenes in a process of its own.

    threads    of TensorFlow; 0: as many as it wants
    """
    environment = {**os.environ}
    if threads:
        environment["TF_NUM_INTRAOP_THREADS"] = str(threads)
        environment["TF_NUM_INTEROP_THREADS"] = str(threads)
    command = [sys.executable, "-m", "mrcnn_explained", "levels", "--dataset", "shapes"]
    command += ["--limit", str(images), "--out", str(out), *more]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def memory(folder: Path, images: int, *more: str) -> None:
    """Print the peak memory of a survey about ten times while it runs, and at its end."""
    out, start = folder / "out", time.perf_counter()
    child = survey(out, images, *more)
    next_print = 0
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        done = len(list(out.glob(PART)))
        if done >= next_print and (peak := peak_mb(child.pid)) is not None:
            passed = time.perf_counter() - start
            print(f"{done:6} images  peak {peak:7.0f} MB  {passed:6.0f} s", flush=True)
            next_print = done + max(1, images // 10)
        time.sleep(0.5)
    _, status, usage = ended
    done, passed = len(list(out.glob(PART))), time.perf_counter() - start
    print(
        f"{done:6} images  peak {usage.ru_maxrss / 1024:7.0f} MB  {passed:6.0f} s, merged, "
        f"exit code {os.waitstatus_to_exitcode(status)}"
    )


def peak_mb(pid: int) -> float | None:
    """Return the peak memory of a process so far, MB (Linux); None once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")), None)


def ray(folder: Path, images: int, *options: str) -> None:
    """Print the rates of one process and of two Ray workers, and their ratio."""
    one = rate("one process, one thread", folder / "one", images, *options, threads=1)
    workers = ("--ray", "local", "--workers", "2")
    two = rate("two Ray workers", folder / "two", images, *options, *workers)
    print(f"ratio {two / one:.2f} (figure: at least 1.5)")


def rate(name: str, out: Path, images: int, *more: str, threads: int = 0) -> float:
    """Run a survey and return its images per second."""
    start = time.perf_counter()
    code = survey(out, images, *more, threads=threads).wait()
    total = time.perf_counter() - start
    times = sorted(path.stat().st_mtime for path in out.glob(PART))
    found = (len(times) - 1) / (times[-1] - times[0])
    print(f"{name:24} {found:5.2f} images/s, {total:5.0f} s in all, exit code {code}", flush=True)
    return found


if __name__ == "__main__":
    main()
