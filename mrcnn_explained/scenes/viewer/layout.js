// Where the panels of a view go: in rows that fill the width the view gets. All panels of a row
// are scaled alike, so that panels of one height stay so.

/** Pixels between panels. */
export const GAP = 16;

/** How small and how large a panel may become; joined panels may become smaller. */
const LEAST = 0.72, MOST = 2.2;

/** No row is higher than so much of the window, or than these pixels in a low window. */
const SHARE = 0.78, LOWEST_LIMIT = 380;

/**
 * The size of each panel.
 * @param {Panel[]} panels
 * @param {number} available width in CSS pixels; 0 before the view is on the page
 * @param {number} windowHeight CSS pixels
 * @returns {{size: number[], endsRow: boolean}[]} [width, height] of each panel, CSS pixels
 */
export function arrange(panels, available, windowHeight) {
  if (!available) return panels.map(({ size }) => ({ size, endsRow: false }));
  const limit = Math.max(windowHeight * SHARE, LOWEST_LIMIT);
  return rowsOf(panels, available).flatMap((row) => {
    const scale = scaleOf(row, available, limit);
    return row.map(({ size }, i) => ({
      size: size.map((side) => Math.max(1, Math.floor(side * scale))),
      endsRow: i === row.length - 1,
    }));
  });
}

const widthOf = (row) => row.reduce((sum, { size }) => sum + size[0], 0);

/** The scale at which a row fills the width, or is as high or as large as rows may be. */
function scaleOf(row, available, limit) {
  const highest = Math.max(...row.map(({ size }) => size[1]));
  return Math.min((available - GAP * (row.length - 1)) / widthOf(row), limit / highest, MOST);
}

/** The panels in rows: as few rows as fit, evenly filled, and joined panels never apart. */
function rowsOf(panels, available) {
  const parts = [];  // lists of groups that may lie in one row
  for (const group of groupsOf(panels)) {
    if (!parts.length || group[0].starts_row) parts.push([]);
    parts[parts.length - 1].push(group);
  }
  const fits = (row) => row.length === 1
    || (available - GAP * (row.flat().length - 1)) / widthOf(row.flat()) >= LEAST;
  return parts.flatMap((groups) => {
    for (let number = 1; ; number++) {
      const size = Math.ceil(groups.length / number);
      const rows = Array.from({ length: Math.ceil(groups.length / size) },
        (_, i) => groups.slice(i * size, (i + 1) * size));
      if (rows.every(fits)) return rows.map((row) => row.flat());
    }
  });
}

/** Panels that stay side by side, in lists. */
function groupsOf(panels) {
  const groups = [];
  for (const panel of panels) {
    if (panel.joined && groups.length) groups[groups.length - 1].push(panel);
    else groups.push([panel]);
  }
  return groups;
}
