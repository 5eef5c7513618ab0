"""Background: things made ahead by threads, handed out in order. No TensorFlow.

An error is raised where its thing would have come, in the thread of the caller. No thread is left
waiting: they stop with `close`, when the iterator is forgotten, and when Python ends.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

Key = TypeVar("Key")
Thing = TypeVar("Thing")


class Background(Iterator[Thing], Generic[Key, Thing]):
    """`map(make, keys)`, made ahead by threads.

    make       called once for each key, in any of the threads
    keys       may be without end
    workers    threads: things made at a time
    ahead      things that are made or waiting, at most; 1 or more

    `next` raises the error of `make` at the place of its key; then nothing more comes.
    """

    def __init__(
        self, make: Callable[[Key], Thing], keys: Iterable[Key], *, workers: int, ahead: int
    ):
        self._make, self._keys, self._ahead = make, iter(keys), ahead
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="background")
        self._waiting: deque[Future[Thing]] = deque()
        self._end = weakref.finalize(self, _stop, self._pool)

    def __next__(self) -> Thing:
        """Return the next thing. Raises what `make` raised for it."""
        self._fill()
        if not self._waiting:
            self.close()
            raise StopIteration
        try:
            thing = self._waiting.popleft().result()
        except BaseException:
            self.close()
            raise
        self._fill()
        return thing

    def __iter__(self) -> Self:
        return self

    def close(self) -> None:
        """Make nothing more; what is being made now is finished and forgotten."""
        self._end()
        self._keys = iter(())
        self._waiting.clear()

    def _fill(self) -> None:
        """Start as many things as may be ahead."""
        while len(self._waiting) < self._ahead:
            for key in self._keys:
                self._waiting.append(self._pool.submit(self._make, key))
                break
            else:
                return


def _stop(pool: ThreadPoolExecutor) -> None:
    """Let the threads of a pool end after what they are making, without waiting for them."""
    pool.shutdown(wait=False, cancel_futures=True)
