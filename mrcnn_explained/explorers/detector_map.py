"""The Map: the whole detector on one screen, made of one run's tensors."""

import anywidget
import numpy as np
import traitlets
from traitlets import Bunch

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.scenes.map_bundle import map_widget_module
from mrcnn_explained.scenes.map_data import map_data


class DetectorMap(anywidget.AnyWidget):
    """The whole detector on one screen; point at a box, and its way from anchor to mask lights up.

    trace        of a model, or loaded from a file
    model        that made the trace. With it the live controls are exact to the masks; without it
                 the Map says which consequences it cannot compute
    image        number of the image in the trace
    selection    shared with explorers of ROIs

    Raises InputError for an image that the trace does not hold, and for another model.
    """

    _esm = map_widget_module()
    header = traitlets.Dict().tag(sync=True)
    block = traitlets.Bytes().tag(sync=True)
    candidate = traitlets.Int(-1).tag(sync=True)  # that is held; -1: none

    def __init__(
        self,
        trace: Trace,
        model: MaskRCNN | None = None,
        *,
        image: int = 0,
        selection: Selection | None = None,
    ):
        data = map_data(trace, model, image)
        rows = np.asarray(trace.proposals.post_nms_ix[image])
        given = "anchor" not in data.header["arrays"]
        self._candidates = list(range(len(rows))) if given else rows.tolist()
        self.selection = selection or Selection()
        super().__init__(header=data.header, block=data.block)
        self.candidate = self.candidate_of(self.selection.roi)
        self.observe(self._candidate_held, "candidate")
        self.selection.observe(self._roi_selected, "roi")

    def candidate_of(self, roi: int) -> int:
        """Return the candidate that became an ROI in the run; -1: none."""
        return self._candidates[roi] if 0 <= roi < len(self._candidates) else -1

    def roi_of(self, candidate: int) -> int:
        """Return the ROI that a candidate became in the run; -1: none."""
        known = candidate >= 0 and candidate in self._candidates
        return self._candidates.index(candidate) if known else -1

    def _candidate_held(self, change: Bunch) -> None:
        """Share the ROI of the candidate that the reader holds."""
        self.selection.roi = self.roi_of(change.new)

    def _roi_selected(self, change: Bunch) -> None:
        """Hold the candidate of the ROI that another explorer has selected."""
        if self.roi_of(self.candidate) != change.new:
            self.candidate = self.candidate_of(change.new)
