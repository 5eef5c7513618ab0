// The keys of a Map: arrows step, Escape goes back, p plays, f fills the screen.

/** Step through a list of candidates from the selection, around its ends. */
function step(map, list, by) {
  if (!list.length) return;
  const at = list.indexOf(map.held);
  map.hold(list[at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length]);
}

function back(map) {
  if (!map.opened) { map.clear(); return; }
  map.placeOf(map.opened).button.focus();
  map.open(null);
}

export function pressKey(map, event) {
  const target = event.composedPath()[0], typing = target.matches?.("input, select, textarea");
  if ((typing && event.key !== "Escape") || event.ctrlKey || event.metaKey || event.altKey) return;
  // A Map that is the whole page also hears keys while nothing has the focus; others, their own alone.
  const alone = target === document.body && document.documentElement.scrollHeight <= innerHeight + 2;
  if (!event.composedPath().includes(map.host) && !alone) return;
  const { rois, found } = map.run, detections = found.map((r) => rois[r]);
  const act = {
    ArrowRight: () => step(map, rois, 1), ArrowLeft: () => step(map, rois, -1),
    ArrowDown: () => step(map, detections, 1), ArrowUp: () => step(map, detections, -1),
    Escape: () => back(map), p: () => map.play(), f: () => map.fullScreen(),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}
