"""The folder of a training run, checked before TensorFlow is imported."""

from pathlib import Path

from mrcnn_explained.errors import InputError


def check_run(out: Path, resume: bool) -> None:
    """Refuse to overwrite a run, or to go on with one that is not there."""
    there = (out / "checkpoint.npz").exists()
    if there and not resume:
        raise InputError(
            f"{out} holds a run already: go on with it (--resume), or give another --out"
        )
    if resume and not there:
        raise InputError(f"{out} holds no checkpoint to go on with; leave --resume out")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must be a folder")
