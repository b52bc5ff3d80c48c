// Click on a column's head sorts the table; a second click turns the order round.
"use strict";
const MARK = /^[★≈]\s+/; // what the report puts before a model's name
function sortKey(cell) {
  const text = (cell.dataset.key ?? cell.textContent).trim().replace(MARK, "");
  const value = parseFloat(text.replace(/[,\s<]/g, "").replace("−", "-"));
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

// The accuracy table: filter by name, and choose columns and rows.
function labelled(type, text, attributes, onchange) {
  const label = document.createElement("label");
  const field = document.createElement("input");
  Object.assign(field, { type, ...attributes });
  field.addEventListener(type === "checkbox" ? "change" : "input", () => onchange(field));
  label.append(...(type === "checkbox" ? [field, ` ${text}`] : [`${text} `, field]));
  return { label, field };
}
function choices(title, names, onchange) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const fieldset = document.createElement("fieldset");
  const legend = document.createElement("legend");
  summary.textContent = title;
  legend.textContent = `${title} that are shown`;
  const boxes = names.map((name, index) =>
    labelled("checkbox", name, { checked: true }, (field) => onchange(index, field.checked)));
  fieldset.append(legend, ...boxes.map((box) => box.label));
  details.append(summary, fieldset);
  return details;
}
function addTools(table) {
  const rows = Array.from(table.tBodies[0].rows); // as first shown, however the table is sorted
  const unchecked = new Set();
  let wanted = "";
  const heads = Array.from(table.tHead.rows[0].cells, (head) => head.textContent.trim()).slice(1);
  const names = rows.map((row) => row.cells[0].textContent.trim().replace(MARK, ""));
  const searched = rows.map((row, index) =>
    (heads[0] === "features" ? `${names[index]} ${row.cells[1].textContent}` : names[index]).toLowerCase());
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  function showRows() {
    rows.forEach((row, index) => {
      row.hidden = unchecked.has(index) || !searched[index].includes(wanted);
    });
    const shown = rows.filter((row) => !row.hidden).length;
    status.textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : "";
  }
  const tools = document.createElement("div");
  tools.className = "tools";
  const filter = labelled("search", "Filter by name", { placeholder: "svm" }, (field) => {
    wanted = field.value.trim().toLowerCase();
    showRows();
  });
  const columns = choices("Columns", heads, (index, shown) => {
    for (const row of table.rows) row.cells[index + 1].hidden = !shown;
  });
  const models = choices("Rows", names, (index, shown) => {
    if (shown) unchecked.delete(index); else unchecked.add(index);
    showRows();
  });
  tools.append(filter.label, columns, models, status);
  table.parentElement.before(tools);
}
for (const table of document.querySelectorAll("table[data-accuracy]")) addTools(table);

// Values of a chart's marks beside the pointer, the finger or the focus.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
function showTip(event) {
  const mark = event.target.closest?.("svg.chart [data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const box = mark.getBoundingClientRect();
  const left = box.left + box.width / 2 - tip.offsetWidth / 2;
  tip.style.left = `${Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 4)) + scrollX}px`;
  const above = box.top - tip.offsetHeight - 6;
  tip.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
}
document.addEventListener("pointerover", showTip);
document.addEventListener("pointerdown", showTip);
