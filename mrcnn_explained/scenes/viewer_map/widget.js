// The Map in a notebook: an anywidget whose model holds header, block and the selected candidate.
import { mountMap } from "./app.js";

/** Draw the Map; return what removes it. */
async function render({ model, el }) {
  const payload = { header: model.get("header"), block: model.get("block") };
  const onHold = (candidate) => {
    if (candidate === model.get("candidate")) return;
    model.set("candidate", candidate);
    model.save_changes();
  };
  const map = await mountMap(el, [payload], { onHold });
  const show = () => {
    const candidate = model.get("candidate");
    if (candidate === map.state.held) return;
    if (candidate < 0) map.clear();
    else map.hold(candidate);
  };
  model.on("change:candidate", show);
  show();
  return () => {
    model.off("change:candidate", show);
    map.destroy();
  };
}
