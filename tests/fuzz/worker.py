"""The process that reads broken files: `kind number` in, `made` and one line of JSON out.

It limits its own memory, so that a file that unpacks to gigabytes does not take the machine along.
"""

import contextlib
import gc
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from .mutations import mutate_bytes
from .registry import Loader, load_all

MORE = 3 * 2**30  # bytes of address space above what the imports took
LONGEST_MESSAGE = 300  # characters, without the path of the file

#: The first numbers of each kind: the sound files, and what is not a file at all.
SPECIAL = ("sound", "empty", "missing", "folder", "pipe", "loop", "long name", "nul")


def memory(field: str) -> int:
    """Return VmSize, VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def make(loader: Loader, samples: list[bytes], number: int, path: Path) -> Path:
    """Write broken file `number` of a kind at a path; return the path to read."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    rng = random.Random(f"{loader.name}/{number}")
    what = SPECIAL[number] if number < len(SPECIAL) else "mutated"
    if what == "sound":
        path.write_bytes(samples[0])
    elif what == "empty":
        path.touch()
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "long name":
        return path.with_name("a" * 300 + loader.suffix)
    elif what == "nul":
        return path.with_name("a\x00b" + loader.suffix)
    elif what == "mutated":
        sample = rng.choice(samples)
        try:
            path.write_bytes(loader.mutate(rng, sample))
        except Exception:  # an edit that the format itself does not allow
            path.write_bytes(mutate_bytes(rng, sample))
    return path


def outcome(loader: Loader, path: Path) -> dict[str, str]:
    """Read a file; return what came of it, and the words."""
    from mrcnn_explained.errors import InputError, OutOfMemoryError

    try:
        loader.read(path)
    except OutOfMemoryError as error:
        return {"came": "wrong", "words": f"tried to get too much memory: {error}"}
    except InputError as error:
        words = str(error)
        if "\n" in words or len(words) - len(str(path)) > LONGEST_MESSAGE:
            return {"came": "wrong", "words": f"long message: {words[:500]}"}
        return {"came": "refused", "words": words}
    except BaseException as error:  # what the fuzz looks for
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        line = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
        return {"came": "wrong", "words": f"{type(error).__name__}: {error!s:.200} at {line}"}
    return {"came": "read", "words": ""}


def main() -> None:
    """Serve requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    warnings.simplefilter("ignore")
    loaders = load_all()
    import tensorflow  # noqa: F401, so that it is part of the base

    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        samples: dict[str, list[bytes]] = {}
        for request in sys.stdin:
            name, number = request.rsplit(maxsplit=1)
            loader, folder = loaders[name], Path(scratch) / name
            if name not in samples:
                folder.mkdir()
                resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
                samples[name] = loader.samples(folder)
                loader.read(make(loader, samples[name], 0, folder / f"file{loader.suffix}"))
                gc.collect()
            limit = memory("VmSize") + MORE
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            path = make(loader, samples[name], int(number), folder / f"file{loader.suffix}")
            answers.write("made\n")
            answers.flush()
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
            before = memory("VmRSS")
            answer = outcome(loader, path)
            answer["bytes"] = memory("VmHWM") - before
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
