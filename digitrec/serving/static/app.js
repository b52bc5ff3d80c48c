// Wires the drawing area, photos, the service and the results together.

import { cancel, listModels, recognise, useKey } from "./client.js";
import { EXPORT_SCALE, Pad, WIDTH } from "./pad.js";
import { Photo, paintBoxes, paintPhoto } from "./photo.js";
import { showEmpty, showPrediction, showProblem, showReading } from "./results.js";

const PAUSE = 80; // milliseconds without a new sample before the drawing is sent
const LONGEST_WAIT = 300; // but while drawing on, at least this often

const element = (id) => document.getElementById(id);
const stage = element("stage");
const canvas = element("pad");
const overlay = element("overlay");
const pad = new Pad(canvas);
let photo = null;
let boxes = [];
let timer = 0;
let waitingSince = 0;
let turn = 0; // counts the changes, so that work begun before the last one is given up

const mode = () => document.querySelector("input[name=mode]:checked").value;
const model = () => element("model").value;

function refresh() {
  element("undo").disabled = pad.empty || photo !== null;
  element("clear").disabled = pad.empty && photo === null;
  element("hint").hidden = !pad.empty || photo !== null;
}

function repaint() {
  if (photo === null) {
    const scale = canvas.clientWidth / WIDTH / EXPORT_SCALE;
    // Boxes come in pixels of the image that was sent.
    paintBoxes(overlay, boxes, { scale, left: 0, top: 0 });
  } else {
    paintBoxes(overlay, boxes, paintPhoto(canvas, photo));
  }
}

function setBoxes(digits, rejected = [], selected = -1) {
  const box = (digit, i) => ({
    box: digit.box, label: digit.accepted ? String(digit.digit) : "",
    rejected: !digit.accepted, selected: i === selected,
  });
  const all = [...rejected.map((digit) => box(digit, -1)), ...digits.map(box)];
  boxes = all.filter((entry) => entry.box);
  repaint();
}

function schedule() {
  turn += 1;
  cancel();
  clearTimeout(timer);
  if (photo === null && pad.empty) {
    waitingSince = 0;
    boxes = [];
    repaint();
    showEmpty();
    return;
  }
  const now = performance.now();
  waitingSince ||= now;
  timer = setTimeout(send, Math.max(0, Math.min(PAUSE, waitingSince + LONGEST_WAIT - now)));
}

async function send() {
  waitingSince = 0;
  const mine = turn;
  try {
    const image = photo === null ? await pad.toBlob() : photo.blob;
    if (mine !== turn) return;
    const several = mode() === "several"
      || (mode() === "auto" && (photo !== null || pad.looksLikeSeveral()));
    if (several) {
      const reading = await recognise("read", image, model());
      // An image of one digit is better served by the reader of single digits.
      if (mode() === "several" || reading.digits.length > 1) {
        showReading(reading, (i) => setBoxes(reading.digits, reading.rejected, i));
        if (reading.digits.length === 0) setBoxes([], reading.rejected);
        return;
      }
    }
    const prediction = await recognise("predict", image, model());
    showPrediction(prediction);
    setBoxes(photo === null ? [] : [prediction]);
  } catch (error) {
    if (error.name === "AbortError") return;
    boxes = [];
    repaint();
    showProblem(error.message);
    if (error.code === "wrong_key") element("key-form").hidden = false;
  }
}

async function openPhoto(file) {
  if (!file) return;
  turn += 1;
  const mine = turn;
  try {
    const opened = await Photo.from(file);
    if (mine !== turn) return;
    photo = opened;
  } catch {
    photo = null;
    refresh();
    showProblem("This file is not an image that the browser can read");
    return;
  }
  pad.clear();
  pad.enabled = false;
  stage.classList.add("photo");
  canvas.setAttribute("aria-label", "Photo");
  boxes = [];
  refresh();
  repaint();
  schedule();
}

function closePhoto() {
  photo = null;
  pad.enabled = true;
  stage.classList.remove("photo");
  canvas.setAttribute("aria-label", "Drawing area");
  pad.paint();
}

function clear() {
  if (photo !== null) closePhoto();
  pad.clear();
}

async function loadModels() {
  try {
    const { models } = await listModels();
    element("model").replaceChildren(...models.map((name) => new Option(name, name)));
    element("model-choice").hidden = models.length < 2;
    element("key-form").hidden = true;
  } catch (error) {
    if (error.code === "wrong_key") element("key-form").hidden = false;
    else showProblem(error.message);
  }
}

pad.addEventListener("change", () => {
  refresh();
  // Boxes of the previous answer no longer fit what is being drawn.
  if (boxes.length) {
    boxes = [];
    repaint();
  }
  schedule();
});
element("undo").addEventListener("click", () => pad.undo());
element("clear").addEventListener("click", clear);
element("model").addEventListener("change", schedule);
for (const input of document.querySelectorAll("input[name=mode]")) {
  input.addEventListener("change", schedule);
}
element("brush").addEventListener("input", ({ target }) => {
  pad.brushPercent = Number(target.value);
  target.setAttribute("aria-valuetext", `${target.value} percent of the height`);
  element("brush-dot").style.setProperty("--size", target.value);
});
for (const id of ["file", "camera"]) {
  element(id).addEventListener("change", ({ target }) => {
    openPhoto(target.files[0]);
    target.value = ""; // so that the same file can be opened again
  });
}
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  if (file) openPhoto(file);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.toggle("dropping", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) stage.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("dropping");
  openPhoto(event.dataTransfer.files[0]);
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    if (photo === null) pad.undo();
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
  }
});
element("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useKey(element("key").value);
  await loadModels();
  schedule();
});
new ResizeObserver(repaint).observe(stage);

refresh();
showEmpty();
loadModels();
