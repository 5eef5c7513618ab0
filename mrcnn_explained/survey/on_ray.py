"""The same job on a Ray cluster, for more images than one machine can handle.

Ray Data hands the images to actors. Each actor holds a model, on a GPU of its own if the cluster
has GPUs. Parts go to the job's folder, which all machines must see; the images of a worker that
dies are surveyed again by another one.
"""

import logging
import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn_explained.errors import InputError
from mrcnn_explained.survey.job import Job, prepare
from mrcnn_explained.survey.surveyor import FirstImages, Surveyor

_NO_CLUSTER = (
    "no Ray cluster answers at {!r} ({}); start one with `ray start --head`, or use --ray local"
)
LOCAL = "local"  # instead of an address: start a cluster on this machine, for this run only


def run_on_ray(
    job: Job,
    folder: Path,
    address: str,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Survey the images that are still to be surveyed on a Ray cluster.

    address     of the cluster, as `ray start` prints it; "auto", or "local" to start one
    workers     actors, each with its own model; at most one per image
    progress    called after each image: images done, all

    Raises InputError if Ray is not installed, no cluster answers, or the first images all fail.
    """
    missing, total = prepare(job, folder), len(job.names)
    done = total - len(missing)
    progress(done, total)
    if not missing:
        return
    workers = min(workers, len(missing))
    ray = _connect(address, workers)
    try:
        gpus = ray.cluster_resources().get("GPU", 0)
        items = [{"number": number} for number in missing]
        found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Actor,
            fn_constructor_args=(job, str(folder.resolve())),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0 if gpus else 1,
            num_gpus=1 if gpus else 0,
        )
        check = FirstImages(job, missing)
        for row in found.iter_rows():
            done += 1
            progress(min(done, total), total)
            check(row["error"])
    finally:
        ray.shutdown()


class Actor:
    """Holds a model: surveys batches {"number": [n]} and returns their errors, "" for no error."""

    def __init__(self, job: Job, folder: str):
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            # Actors share the processor: each uses one core, and Ray counts the cores.
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.surveyor = Surveyor(job, Path(folder))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        errors = [self.surveyor(int(number)) for number in batch["number"]]
        return {"error": np.array(errors, object)}


def _connect(address: str, workers: int) -> Any:
    """Connect to a cluster, or start one, quietly; return the module `ray`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no request leaves the machine
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # messages of its C++ code
    try:
        with warnings.catch_warnings():  # from Ray's own dependencies
            warnings.simplefilter("ignore")
            import ray
            import ray.data
    except ImportError as error:
        raise InputError(
            f"--ray needs Ray, which is not installed ({error}): pip install 'mrcnn-explained[ray]'"
        ) from error
    _check_answers(address)
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address == LOCAL:
                ray.init(num_cpus=workers, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(_NO_CLUSTER.format(address, error)) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _check_answers(address: str) -> None:
    """Refuse an address that does not answer at once: Ray itself waits for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # "local" and "auto" are Ray's own words
    if not (port.isdecimal() and len(port) <= 5):
        raise InputError(_NO_CLUSTER.format(address, "the port is not a number of 5 digits"))
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:  # ports end at 65535
        raise InputError(_NO_CLUSTER.format(address, error)) from error
