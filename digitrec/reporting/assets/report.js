// Click on a column's head sorts the table; a second click turns the order round.
"use strict";
function sortKey(cell) {
  const text = cell.textContent.trim();
  const value = parseFloat(text.replace(/[,\s★]/g, ""));
  return { text, value };
}
function compareCells(a, b, sign) {
  const missing = Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value));
  if (missing) return missing; // numbers first, whichever way the column is sorted
  if (Number.isNaN(a.value)) return sign * a.text.localeCompare(b.text);
  return sign * (a.value - b.value);
}
function sortTable(table, column, sign) {
  const rows = Array.from(table.tBodies[0].rows);
  const keys = new Map(rows.map((row) => [row, sortKey(row.cells[column])]));
  rows.sort((a, b) => compareCells(keys.get(a), keys.get(b), sign));
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table")) {
  if (!table.tBodies.length || table.tBodies[0].rows.length < 3) continue;
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("scope", "col");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sortTable(table, column, up ? 1 : -1);
    });
  });
}
