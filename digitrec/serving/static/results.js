// Shows answers: headline, digits found, probabilities, the image that the model saw.

const SPEAK_AFTER = 500;
const element = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(value > 0.9995 || value < 0.0005 ? 0 : 1)} %`;
let speaking = 0;

const bars = Array.from({ length: 10 }, (_, digit) => {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = String(digit);
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Probability of ${digit}`);
  const value = document.createElement("span");
  item.append(name, bar, value);
  element("bars").append(item);
  return { item, bar, value };
});

function headline(answer, verdict, detail, { empty = false, problem = false } = {}) {
  const output = element("answer");
  output.textContent = answer;
  output.dataset.state = empty ? "empty" : "digit";
  output.dataset.size = answer.includes("\n") || answer.length > 8 ? "lines"
    : answer.length > 2 ? "long" : "";
  element("verdict").textContent = verdict;
  element("verdict").classList.toggle("problem", problem);
  element("detail").textContent = detail;
  // Live drawing changes the answer many times; a screen reader hears it once it rests.
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    element("live").textContent = empty ? `${verdict}. ${detail}` : `${answer}. ${verdict}`;
  }, SPEAK_AFTER);
}

// Shows the probabilities and the normalised image of one digit; null clears them.
export function showEvidence(prediction) {
  const probabilities = prediction?.probabilities;
  const top = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  bars.forEach(({ item, bar, value }, digit) => {
    bar.value = probabilities?.[digit] ?? 0;
    value.textContent = probabilities ? percent(probabilities[digit]) : "";
    item.classList.toggle("top", digit === top && prediction.accepted);
  });
  const canvas = element("seen");
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, 28, 28);
  const empty = !prediction?.normalised;
  canvas.setAttribute("aria-label",
    `The 28 by 28 image that the model sees${empty ? ": empty" : ""}`);
  if (empty) return;
  const image = context.createImageData(28, 28);
  [...atob(prediction.normalised)].forEach((character, i) => {
    image.data.fill(character.charCodeAt(0), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

export function showEmpty() {
  headline("–", "Nothing drawn yet", "The answer follows while you draw.", { empty: true });
  element("digits").hidden = true;
  element("timing").textContent = "";
  showEvidence(null);
}

export function showProblem(message) {
  headline("–", message, "", { empty: true, problem: true });
  element("digits").hidden = true;
  element("timing").textContent = "";
  showEvidence(null);
}

// Why a digit is not believed, and what it would be.
function doubt({ reason = "", guess = null, confidence = 0 } = {}) {
  return guess === null ? reason : `${reason}. Best guess: ${guess}, ${percent(confidence)} sure`;
}

export function showPrediction(prediction) {
  element("digits").hidden = true;
  if (prediction.accepted && prediction.digit !== null) {
    headline(String(prediction.digit), `${percent(prediction.confidence)} sure`, "One digit");
  } else {
    headline("–", "No digit", doubt(prediction), { empty: true });
  }
  showEvidence(prediction);
  showTiming(prediction);
}

// Calls `onSelect(index)` when one of the digits is chosen, first for digit 0.
export function showReading(reading, onSelect) {
  showTiming(reading);
  const group = element("digits");
  group.replaceChildren();
  group.hidden = reading.digits.length === 0;
  if (reading.digits.length === 0) {
    headline("–", "No digit", doubt(reading.rejected?.[0]), { empty: true });
    showEvidence(reading.rejected?.[0] ?? null);
    return;
  }
  const least = Math.min(...reading.digits.map((digit) => digit.confidence));
  const n = reading.digits.length;
  headline(reading.text, n === 1 ? "1 digit" : `${n} digits`,
    n === 1 ? `${percent(least)} sure` : `The least certain: ${percent(least)}`);
  const select = (chosen) => {
    [...group.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === chosen));
    });
    showEvidence(reading.digits[chosen]);
    onSelect(chosen);
  };
  reading.digits.forEach((digit, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = String(digit.digit);
    button.setAttribute("aria-label", `Digit ${i + 1} of ${n}: ${digit.digit}, ` +
      `${percent(digit.confidence)} sure`);
    button.addEventListener("click", () => select(i));
    group.append(button);
  });
  select(0);
}

function showTiming({ milliseconds, model }) {
  element("timing").textContent = `${model} · ${milliseconds.toFixed(1)} ms`;
}
