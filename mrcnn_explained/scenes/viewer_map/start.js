// The Map on a page: its data lie in blocks of the page, and its stages link to the page's chapters.
import { mountMap } from "./app.js";

/** Draw the Map of a page; what went wrong is said in its place. */
async function startMap(host) {
  const text = (id) => document.getElementById(id).textContent;
  try {
    const payload = { header: JSON.parse(text("map-header")), block: text("map-block") };
    const chapter = (stage) => (document.getElementById(stage) ? `#${stage}` : "");
    await mountMap(host, [payload], { fill: true, chapter });
    host.dataset.state = "ready";
  } catch (error) {
    host.dataset.state = "failed";
    host.textContent = `The Map could not be drawn: ${error.message}`;
    throw error;
  }
}

startMap(document.getElementById("map"));
