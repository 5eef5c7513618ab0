"""The candidates of NMS as arrays: who was kept, who was suppressed by whom, after any step."""

from typing import NamedTuple

import numpy as np


class Candidates(NamedTuple):
    """The candidates of one image; rows are candidates, best score first."""

    place: np.ndarray  # [K, 4], pixels of the molded image
    scores: np.ndarray
    rank: np.ndarray  # place among the kept ones; -1: not kept
    suppressed_by: np.ndarray  # -1: by none
    suppressed_iou: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """The kept candidates, best first."""
        return np.flatnonzero(self.rank >= 0)

    @property
    def suppressed(self) -> np.ndarray:
        """The candidates that a kept one suppressed."""
        return np.flatnonzero(self.suppressed_by >= 0)

    @property
    def unreached(self) -> np.ndarray:
        """The candidates that NMS did not take up, because it had kept enough or is not so far."""
        return np.flatnonzero((self.rank < 0) & (self.suppressed_by < 0))

    def suppressed_by_row(self, row: int) -> np.ndarray:
        """The candidates that one candidate suppressed."""
        return np.flatnonzero(self.suppressed_by == row)

    def head_of(self, row: int) -> int:
        """The candidate that suppressed this one, or else this one itself."""
        return int(self.suppressed_by[row]) if self.suppressed_by[row] >= 0 else row

    def after(self, steps: int) -> "Candidates":
        """The candidates after NMS has kept so many of them: the others are not reached yet."""
        by = self.suppressed_by
        done = (by >= 0) & (self.rank[np.maximum(by, 0)] < steps)
        return self._replace(
            rank=np.where(self.rank < steps, self.rank, -1),
            suppressed_by=np.where(done, by, -1),
            suppressed_iou=np.where(done, self.suppressed_iou, 0),
        )

    def tips(self) -> list[str]:
        """What hovering over each candidate shows."""
        rows = zip(
            self.scores.tolist(),
            self.rank.tolist(),
            self.suppressed_by.tolist(),
            self.suppressed_iou.tolist(),
            strict=True,
        )
        return [
            f"candidate {row}, score {score:.3f}: {_fate(rank, by, overlap)}"
            for row, (score, rank, by, overlap) in enumerate(rows)
        ]


def _fate(rank: int, by: int, overlap: float) -> str:
    """Return the fate of one candidate in a few words."""
    if rank >= 0:
        return f"kept as ROI {rank}"
    return f"suppressed by {by} at IoU {overlap:.2f}" if by >= 0 else "not reached"
