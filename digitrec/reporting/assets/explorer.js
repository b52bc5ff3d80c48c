// The test images behind every number: filters, two models side by side, and all answers to one image.
"use strict";
(async () => {
  const section = document.getElementById("explorer");
  const app = document.getElementById("explorer-app");
  if (!section || !app) return;
  const PAGE = 60;

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
  }

  let data;
  try {
    data = await unpack(document.getElementById("explorer-data").textContent);
  } catch (error) {
    app.append(make("p", {}, `This browser cannot open the data (${error.message}).`));
    for (const button of document.querySelectorAll("button.explore, button[data-image]")) button.disabled = true;
    return;
  }
  const { classes, models, rows, truth } = data;
  const state = {
    a: Math.max(0, models.findIndex((model) => model.winner)),
    b: -1, show: "wrong", true: -1, answer: -1, low: "", high: "", order: "sure", shown: PAGE,
  };

  const isRight = (model, i) => models[model].answers[i] === truth[i];
  const confidence = (model, i) => {
    const values = models[model].confidence;
    return values ? values[i] / 100 : null; // per cent, or the lead over the next class
  };
  function confidenceText(model, i) {
    const value = confidence(model, i);
    if (value === null) return "–";
    if (!models[model].probabilities) return `lead ${value.toFixed(2)}`;
    // Not rounded up: 99.96 % must not read as certainty.
    return value >= 99.5 ? `${(Math.floor(value * 10) / 10).toFixed(1)} %` : `${Math.round(value)} %`;
  }

  const SHOW_ONE = [["wrong", "misclassified"], ["right", "correct"], ["all", "all"]];
  const SHOW_TWO = [
    ["only_a", "only A wrong"], ["only_b", "only B wrong"], ["both", "both wrong"],
    ["differ", "A and B answer differently"], ["all", "all"],
  ];
  const shows = {
    wrong: (i) => !isRight(state.a, i),
    right: (i) => isRight(state.a, i),
    all: () => true,
    only_a: (i) => !isRight(state.a, i) && isRight(state.b, i),
    only_b: (i) => isRight(state.a, i) && !isRight(state.b, i),
    both: (i) => !isRight(state.a, i) && !isRight(state.b, i),
    differ: (i) => models[state.a].answers[i] !== models[state.b].answers[i],
  };

  function select(label, options, name) {
    const field = make("select", { name });
    for (const [value, text] of options) field.append(make("option", { value }, text));
    field.addEventListener("change", () => {
      state[name] = ["show", "order"].includes(name) ? field.value : Number(field.value);
      changed();
    });
    return { field, node: make("label", {}, make("span", {}, label), field) };
  }
  function bound(label, name) {
    const field = make("input", { type: "number", name, step: "any", inputmode: "decimal" });
    field.addEventListener("input", () => { state[name] = field.value; changed(); });
    return { field, node: make("label", { class: "short" }, make("span", {}, label), field) };
  }
  const named = models.map((model, index) => [index, model.winner ? `★ ${model.label}` : model.label]);
  const named_classes = [[-1, "any"], ...classes.map((name, index) => [index, name])];
  const controls = {
    a: select("Model A", named, "a"),
    b: select("Model B", [[-1, "none"], ...named], "b"),
    show: select(data.noun === "row" ? "Rows" : "Images", [], "show"),
    true: select("True class", named_classes, "true"),
    answer: select("Answer of A", named_classes, "answer"),
    low: bound("Least confidence of A, %", "low"),
    high: bound("Most confidence of A, %", "high"),
    order: select("Order", [
      ["sure", "most confident first"], ["unsure", "least confident first"], ["row", "as in the data"],
    ], "order"),
  };
  const reset = make("button", { type: "button", onclick: () => explore({}) }, "Reset");
  const form = make(
    "form", { class: "filters", "aria-label": "Filters" },
    ...Object.values(controls).map((control) => control.node), reset,
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  const status = make("p", { role: "status", "aria-live": "polite", class: "count" });
  const counts = make("div", { class: "overlap" });
  const grid = make("ul", { class: "tiles" });
  const more = make("button", { type: "button", class: "more", onclick: () => showMore() });
  app.append(form, counts, status, grid, more);

  function picture(i, side) {
    if (!data.image) return make("span", { class: "no-image" }, `row ${rows[i]}`);
    const { width, height, columns } = data.image;
    const scale = Math.max(1, Math.round(side / Math.max(width, height)));
    const place = `--x:${i % columns};--y:${Math.floor(i / columns)};--scale:${scale}`;
    return make("span", { class: "digit", style: place });
  }
  const says = (model, i) => `${classes[models[model].answers[i]]}, ${confidenceText(model, i)}`;
  function tile(i) {
    const answers = [state.a, ...(state.b >= 0 ? [state.b] : [])];
    const label = `True class ${classes[truth[i]]}; ` +
      answers.map((model) => `${models[model].label}: ${says(model, i)}`).join("; ");
    const lines = answers.map((model, place) => make(
      "span", { class: isRight(model, i) ? "right" : "wrong" },
      `${state.b >= 0 ? "AB"[place] + " " : ""}${classes[models[model].answers[i]]} `,
      make("small", {}, confidenceText(model, i)),
    ));
    const button = make(
      "button", { type: "button", "aria-label": label, "aria-haspopup": "dialog", onclick: () => openImage(i) },
      picture(i, 56), make("span", { class: "truth" }, classes[truth[i]]), ...lines,
    );
    return make("li", { "data-row": rows[i] }, button);
  }

  let found = [];
  function matches() {
    const low = state.low === "" ? -Infinity : Number(state.low);
    const high = state.high === "" ? Infinity : Number(state.high);
    const bounded = low !== -Infinity || high !== Infinity;
    const kept = [];
    for (let i = 0; i < rows.length; i++) {
      if (state.true >= 0 && truth[i] !== state.true) continue;
      if (state.answer >= 0 && models[state.a].answers[i] !== state.answer) continue;
      if (!shows[state.show](i)) continue;
      const value = confidence(state.a, i);
      if (bounded && (value === null || value < low || value > high)) continue;
      kept.push(i);
    }
    if (state.order !== "row") {
      const sign = state.order === "sure" ? -1 : 1;
      // For two models, confidence is that of the one that is wrong.
      const judge = state.show === "only_b" ? state.b : state.a;
      kept.sort((i, j) => sign * ((confidence(judge, i) ?? 0) - (confidence(judge, j) ?? 0)) || i - j);
    }
    return kept;
  }
  const unit = () => (models[state.a].probabilities ? "confidence of A, %" : "lead of A's answer");
  function description() {
    const parts = [];
    const a = models[state.a].label;
    if (state.b < 0) parts.push(state.show === "all" ? a : `${a}, ${SHOW_ONE.find(([key]) => key === state.show)[1]}`);
    else {
      const text = SHOW_TWO.find(([key]) => key === state.show)[1];
      parts.push(`${text} (A: ${a}, B: ${models[state.b].label})`);
    }
    if (state.true >= 0) parts.push(`true class ${classes[state.true]}`);
    if (state.answer >= 0) parts.push(`answer ${classes[state.answer]}`);
    if (state.low !== "") parts.push(`${unit()} at least ${state.low}`);
    if (state.high !== "") parts.push(`${unit()} at most ${state.high}`);
    return parts.join(", ");
  }
  function showCounts() {
    counts.replaceChildren();
    if (state.b < 0) return;
    for (const [key, text] of SHOW_TWO.slice(0, 4)) {
      let count = 0;
      for (let i = 0; i < rows.length; i++) count += shows[key](i);
      counts.append(make(
        "button",
        { type: "button", "aria-pressed": String(state.show === key), onclick: () => { state.show = key; changed(); } },
        make("strong", {}, count.toLocaleString("en")), ` ${text}`,
      ));
    }
  }
  function changed() {
    const options = state.b < 0 ? SHOW_ONE : SHOW_TWO;
    if (!options.some(([key]) => key === state.show)) state.show = options[0][0];
    controls.show.field.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    for (const [name, control] of Object.entries(controls)) control.field.value = String(state[name]);
    controls.low.node.firstChild.textContent = `Least ${unit()}`;
    controls.high.node.firstChild.textContent = `Most ${unit()}`;
    showCounts();
    found = matches();
    state.shown = PAGE;
    grid.replaceChildren(...found.slice(0, PAGE).map(tile));
    updateCount();
  }
  function updateCount() {
    const shown = Math.min(state.shown, found.length);
    const what = `${found.length.toLocaleString("en")} ${data.noun}${found.length === 1 ? "" : "s"}: ${description()}`;
    status.textContent = shown < found.length ? `${what} (the first ${shown} are shown).` : `${what}.`;
    if (mayLack()) status.textContent += ` Not all correctly classified ${data.noun}s are in this file.`;
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
  }
  function mayLack() {
    if (["wrong", "only_a", "only_b", "both", "differ"].includes(state.show)) return false;
    return rows.length < data.n_test && (state.answer < 0 || state.true < 0 || state.answer === state.true);
  }
  function showMore() {
    const next = found.slice(state.shown, state.shown + PAGE).map(tile);
    grid.append(...next);
    state.shown += PAGE;
    updateCount();
    next[0]?.querySelector("button").focus();
  }

  // One image: what every model says.
  const dialog = make("dialog", { class: "image", "aria-labelledby": "explorer-title" });
  section.append(dialog);
  let current = -1;
  let opener = null; // a button outside of the list, to which the focus returns
  function openImage(i) {
    current = i;
    const place = found.indexOf(i);
    const lines = models.map((model, index) => make(
      "tr", { class: isRight(index, i) ? "right" : "wrong" },
      make("th", { scope: "row" }, (model.winner ? "★ " : "") + model.label),
      make("td", { "aria-label": `${classes[model.answers[i]]}, ${isRight(index, i) ? "right" : "wrong"}` },
        `${isRight(index, i) ? "✓" : "✗"} ${classes[model.answers[i]]}`),
      make("td", { class: "number" }, confidenceText(index, i)),
    ));
    const wrong = models.filter((model, index) => !isRight(index, i)).length;
    dialog.replaceChildren(
      make("h3", { id: "explorer-title" }, `True class ${classes[truth[i]]}`),
      make("p", {}, `Test row ${rows[i].toLocaleString("en")}; ${wrong} of ${models.length} models wrong.`),
      picture(i, 168),
      make(
        "div", { class: "table" },
        make(
          "table", {},
          make("thead", {}, make("tr", {}, ...["model", "answer", "confidence"].map(
            (text) => make("th", { scope: "col" }, text)))),
          make("tbody", {}, ...lines),
        ),
      ),
      make(
        "div", { class: "actions" },
        make("button", { type: "button", disabled: place <= 0 ? "" : null, onclick: () => step(-1) }, "← Previous"),
        make("button", { type: "button", disabled: place < 0 || place >= found.length - 1 ? "" : null, onclick: () => step(1) }, "Next →"),
        make("button", { type: "button", autofocus: "", onclick: () => dialog.close() }, "Close"),
      ),
    );
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus]").focus();
  }
  function step(by) {
    const place = found.indexOf(current);
    const next = place < 0 ? undefined : found[place + by];
    if (next !== undefined) openImage(next);
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (opener) {
      opener.focus();
      opener = null;
      return;
    }
    const place = found.indexOf(current);
    while (place >= state.shown && state.shown < found.length) showMore();
    grid.children[place]?.querySelector("button").focus();
  });

  // Arrow keys move among the tiles.
  grid.addEventListener("keydown", (event) => {
    const tiles = Array.from(grid.querySelectorAll("button"));
    const place = tiles.indexOf(document.activeElement);
    const across = Math.max(1, tiles.filter((node) => node.offsetTop === tiles[0].offsetTop).length);
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (by === undefined || place < 0) return;
    const next = tiles[place + by];
    if (next) { event.preventDefault(); next.focus(); }
  });

  function explore(wanted) {
    Object.assign(state, { b: -1, show: "wrong", true: -1, answer: -1, low: "", high: "", order: "sure" }, wanted);
    changed();
  }
  function go(wanted) {
    explore(wanted);
    section.scrollIntoView({ block: "start" });
    status.tabIndex = -1;
    status.focus({ preventScroll: true });
  }
  for (const button of document.querySelectorAll("button.explore")) button.title = button.ariaLabel;
  document.addEventListener("click", (event) => {
    const image = event.target.closest?.("button[data-image]");
    if (image) {
      opener = image;
      openImage(Number(image.dataset.image));
    }
    const button = event.target.closest?.("button.explore");
    if (!button) return;
    const { model, true: label, answer } = button.dataset;
    const wanted = { a: Number(model) };
    if (label !== undefined) wanted.true = Number(label);
    if (answer !== undefined) {
      wanted.answer = Number(answer);
      wanted.show = wanted.answer === wanted.true ? "right" : "wrong";
      wanted.order = wanted.show === "right" ? "unsure" : "sure";
    }
    go(wanted);
  });

  // A button at each model of the accuracy table.
  const accuracy = document.querySelector("table[data-accuracy]");
  for (const row of accuracy ? accuracy.tBodies[0].rows : []) {
    const cells = Array.from(row.cells, (cell) => cell.textContent.trim());
    const isTitle = ({ title }) => [title, `★ ${title}`, `≈ ${title}`].includes(cells[0]);
    const index = models.findIndex((model) => isTitle(model) &&
      (models.filter(isTitle).length === 1 || cells[1] === model.features));
    if (index < 0) continue;
    const { wrong, label } = models[index];
    row.cells[0].dataset.key = row.cells[0].textContent.trim();
    row.cells[0].append(" ", make(
      "button",
      { type: "button", class: "explore chip", "data-model": index, "aria-label": `${label}: show its ${wrong} misclassified ${data.noun}s` },
      `${wrong.toLocaleString("en")} wrong`,
    ));
  }
  changed();
  section.dataset.ready = "true";
})();
