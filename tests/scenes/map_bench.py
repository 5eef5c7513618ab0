"""The Map's detector in a real Chromium, without its drawing: what it decides, as Python values."""

import base64

import numpy as np

from mrcnn_explained.scenes.map_bundle import detector_script, map_blocks

LOAD = """
async ([source, header, block]) => {
  const { Detector } = await import("data:text/javascript;base64," + source);
  window.detector = await Detector.open({ header: JSON.parse(header), block });
}
"""
RUN = """
(settings) => {
  const d = window.detector, own = d.header.settings;
  const r = settings ? d.detect({ ...own, ...settings }) : d.base;
  return {
    rois: r.rois, reached: r.reached, level: r.level, row: r.row, found: r.found,
    classId: r.classId,
    by: [...r.by].map(([c, { by, iou }]) => [c, by, iou]), side: r.fit.map(({ side }) => side),
    exact: r.fit.map(({ exact }) => (Number.isFinite(exact) ? exact : -1e9)), p: r.p,
    box: r.box.map((box) => box && [...box]), fate: r.fate, masks: r.masks, padding: r.padding,
    paddingFound: r.paddingFound, unknown: r.unknown, call: d.resumeCall(r.settings),
  };
}
"""


class MapBench:
    """A page that holds the detector of one Map."""

    def __init__(self, browser, data):
        self.header = data.header
        self.page = browser.new_page()
        source = f"{detector_script()}\nexport {{ Detector }};\n"
        blocks = map_blocks(data)
        self.page.evaluate(
            LOAD, [base64.b64encode(source.encode()).decode(), blocks["header"], blocks["block"]]
        )

    def run(self, settings=None):
        """What the browser decides under some settings; None: the run as the trace holds it."""
        return self.page.evaluate(RUN, settings)

    def mask(self, index):
        """A mask, 0…1."""
        found = self.page.evaluate("(i) => [...window.detector.mask(i)]", index)
        side = self.header["mask_side"]
        return np.reshape(found, (side, side)) / 255

    def close(self):
        self.page.close()


def assert_same(bench, settings, trace, image=0, *, known=True):
    """Whatever the browser decides under some settings is what the stages decided.

    known    the second stage's answers are all in the data; else only those are compared that are
    """
    run, t = bench.run(settings), trace.numpy()
    p, d = t.proposals, t.detections
    valid = p.valid[image]
    count = int(valid.sum())
    if "anchor" in bench.header["arrays"]:
        assert run["rois"] == p.post_nms_ix[image][:count].tolist()
        by = np.full(p.scores.shape[1], -1)
        for c, judge, overlap in run["by"]:
            by[c] = judge
            assert abs(overlap - p.nms.suppressed_iou[image][c]) < 1e-5, (c, judge, overlap)
        np.testing.assert_array_equal(by, p.nms.suppressed_by[image])
        assert run["reached"] == int(p.nms.reached[image].sum())
    assert len(run["rois"]) == count and run["padding"] == len(valid) - count
    levels = t.levels
    assert run["level"] == levels.roi_level[image][:count].tolist()
    np.testing.assert_allclose(run["side"], levels.side[image][:count], rtol=1e-6)
    exact = np.maximum(levels.exact_level[image][:count], -1e9)
    np.testing.assert_allclose(run["exact"], exact, atol=2e-6)
    order = t.reordered.final_order.reshape(len(t.image.original), -1)[image]
    assert run["row"] == order.argsort().argsort()[:count].tolist()

    asked = np.array(run["classId"]) >= 0
    assert run["unknown"] == int((~asked).sum()) and (asked.all() or not known)
    rows = np.flatnonzero(asked)
    assert np.array(run["classId"])[rows].tolist() == d.class_ids[image][rows].tolist()
    scores = np.array([run["p"][r] for r in rows], np.float32)
    np.testing.assert_allclose(scores, d.class_scores[image][rows], atol=1e-5)
    boxes = np.array([run["box"][r] for r in rows], np.float32).reshape(-1, 4)
    np.testing.assert_allclose(boxes, d.refined_rois_clipped[image][rows], atol=1e-5)
    if not asked.all():
        return run
    assert_same_filters(run, t, image, count)
    assert_same_masks(bench, run, t, image, known)
    return run


def assert_same_filters(run, t, image, count):
    """Every ROI has the fate that `fates` reports, and the detections are the same."""
    from mrcnn_explained import fates

    for fate, told in zip(run["fate"], fates(t, image)[:count], strict=True):
        assert fate["kind"] == told.kind.value
        if told.kind.value == "suppressed":
            assert fate["by"] == told.row and abs(fate["iou"] - told.iou) < 1e-5
        if told.kind.value == "detection":
            assert fate["detection"] == told.row
    found = t.detections.detection_roi[image]
    assert run["found"] == [int(r) for r in found if 0 <= r < count]
    assert run["paddingFound"] == int((found >= count).sum())


def assert_same_masks(bench, run, t, image, known):
    """Every detection's mask is of the stage's level, and its bytes are the stage's numbers."""
    own = {(candidate, mask["level"]) for candidate, mask in _own_masks(bench)}
    place = {int(r): d for d, r in enumerate(t.detections.detection_roi[image]) if r >= 0}
    objects = dict(zip(t.instances.detection[image].tolist(), t.instances.rois[image], strict=True))
    for roi, mask in zip(run["found"], run["masks"], strict=True):
        row = place[roi]
        assert mask["level"] == t.mask_levels.roi_level[image][row]
        candidate = run["rois"][roi]
        if not known and (candidate, mask["level"]) not in own:
            assert mask["index"] == -1
            continue
        assert mask["index"] >= 0
        stage = t.mask_head.class_mask[image, row]
        np.testing.assert_allclose(bench.mask(mask["index"]), stage, atol=0.6 / 255)
        y1, x1, y2, x2 = mask["original"]
        if (y2 - y1) * (x2 - x1) > 0:
            assert mask["original"] == objects[row].tolist()
        else:
            assert row not in objects


def _own_masks(bench):
    """The candidate of each detection of the run, with its mask."""
    run = bench.run()
    return [(run["rois"][roi], mask) for roi, mask in zip(run["found"], run["masks"], strict=True)]
