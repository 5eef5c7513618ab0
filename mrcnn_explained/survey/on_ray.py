"""The same job on Ray, where one machine is outgrown: Ray Data hands images to actors.

Each actor holds a model, on a GPU of its own where the cluster has GPUs. Parts go to the job's
folder, which all machines must see; a worker that dies has its images done again by another.
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
from mrcnn_explained.survey.job import FirstImages, Job, Surveyor, prepare

_NO_CLUSTER = (
    "no Ray cluster answers at {!r} ({}); start one with `ray start --head`, or say --ray local"
)
LOCAL = "local"  # in place of an address: a cluster of this machine alone, for this run


def run_on_ray(
    job: Job,
    folder: Path,
    address: str,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Survey what is still to be done on a Ray cluster.

    address    of the cluster, as `ray start` tells it; "auto", or "local" to start one
    workers    actors, each with its own model; no more than there are images

    Raises InputError where Ray is not installed, no cluster answers, or all of the first images
    fail.
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
    """Holds the model; takes batches {"number": [n]} and gives back their errors, "" for none."""

    def __init__(self, job: Job, folder: str):
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            # Actors share the processor: each takes one core, Ray counts them.
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.surveyor = Surveyor(job, Path(folder))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        errors = [self.surveyor(int(number)) for number in batch["number"]]
        return {"error": np.array(errors, object)}


def _connect(address: str, workers: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no request leaves the machine
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of its C++, about its own actors
    try:
        with warnings.catch_warnings():  # of Ray's own dependencies
            warnings.simplefilter("ignore")
            import ray
            import ray.data
    except ImportError as error:
        raise InputError(
            f"--ray needs Ray, which is not installed ({error}): pip install 'mrcnn-explained[ray]'"
        ) from error
    _knock(address)
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


def _knock(address: str) -> None:
    """Refuse an address where nobody listens at once: Ray itself waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "local" and "auto" are Ray's own words
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise InputError(_NO_CLUSTER.format(address, error)) from error
