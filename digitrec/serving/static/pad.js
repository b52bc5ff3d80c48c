// The drawing area: strokes in board units, painted at the screen's resolution.

export const WIDTH = 640;
export const HEIGHT = 480;
export const EXPORT_SCALE = 0.5;
const KEY_STEP = 12;

function paintStrokes(context, strokes, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineCap = context.lineJoin = "round";
  for (const { points, size } of strokes) {
    const [first] = points;
    context.lineWidth = size;
    context.beginPath();
    if (points.length === 1) {
      context.arc(first.x, first.y, size / 2, 0, 2 * Math.PI);
      context.fill();
      continue;
    }
    // Through the midpoints, so that few samples still give a smooth line.
    context.moveTo(first.x, first.y);
    for (let i = 1; i < points.length - 1; i++) {
      const next = points[i + 1];
      context.quadraticCurveTo(
        points[i].x, points[i].y, (points[i].x + next.x) / 2, (points[i].y + next.y) / 2);
    }
    const last = points[points.length - 1];
    context.lineTo(last.x, last.y);
    context.stroke();
  }
}

export class Pad extends EventTarget {
  #canvas;
  #strokes = [];
  #current = null;
  #pointer = null;
  #pen = { x: WIDTH / 2, y: HEIGHT / 4, down: false, shown: false };

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.brushPercent = 7;
    this.enabled = true;
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, (event) => this.#end(event));
    }
    // Keeps a stroke from being taken for a fling, which would swallow the next tap.
    canvas.addEventListener("touchstart", (event) => {
      if (this.enabled) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#hidePen());
    new ResizeObserver(() => this.paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  get strokes() {
    return this.#strokes;
  }

  get empty() {
    return this.#strokes.length === 0;
  }

  get #size() {
    return (this.brushPercent / 100) * HEIGHT;
  }

  undo() {
    this.#finish();
    this.#strokes.pop();
    this.#changed();
  }

  clear() {
    this.#finish();
    this.#strokes = [];
    this.#changed();
  }

  // Dark ink on white paper, whatever the colours of the page.
  toBlob() {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH * EXPORT_SCALE;
    canvas.height = HEIGHT * EXPORT_SCALE;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(EXPORT_SCALE, EXPORT_SCALE);
    paintStrokes(context, this.#strokes, "#000");
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  // Whether the strokes fall into groups with clear gaps between them.
  looksLikeSeveral() {
    const spans = (low, high) => this.#strokes.map(({ points, size }) => [
      Math.min(...points.map(low)) - size / 2, Math.max(...points.map(high)) + size / 2]);
    const gaps = (intervals, least) => {
      let end = Infinity;
      return intervals.sort((a, b) => a[0] - b[0]).some(([from, to]) => {
        const gap = from - end > least;
        end = end === Infinity ? to : Math.max(end, to);
        return gap;
      });
    };
    const x = (point) => point.x;
    const y = (point) => point.y;
    return gaps(spans(x, x), 0.02 * WIDTH) || gaps(spans(y, y), 0.15 * HEIGHT);
  }

  paint() {
    const { clientWidth, clientHeight } = this.#canvas;
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    if (!this.enabled) return;
    const context = this.#canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    context.scale(this.#canvas.width / WIDTH, this.#canvas.height / HEIGHT);
    context.strokeStyle = style.getPropertyValue("--grid");
    context.lineWidth = 2;
    context.strokeRect(WIDTH * 0.06, HEIGHT * 0.08, WIDTH * 0.88, HEIGHT * 0.84);
    paintStrokes(context, this.#strokes, style.getPropertyValue("--ink"));
    if (this.#pen.shown) {
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = this.#pen.down ? 5 : 2.5;
      context.beginPath();
      context.arc(this.#pen.x, this.#pen.y, this.#size / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #changed() {
    this.paint();
    this.dispatchEvent(new Event("change"));
  }

  #position(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - left) / width) * WIDTH,
      y: ((event.clientY - top) / height) * HEIGHT,
    };
  }

  #start(event) {
    if (!this.enabled || this.#pointer !== null || event.button !== 0) return;
    this.#hidePen();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#begin(this.#position(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const sample of events.length ? events : [event]) {
      this.#current.points.push(this.#position(sample));
    }
    this.#changed();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#finish();
    this.#changed();
  }

  #begin(point) {
    this.#current = { points: [point], size: this.#size };
    this.#strokes.push(this.#current);
    this.#changed();
  }

  #finish() {
    this.#pointer = null;
    this.#current = null;
    this.#pen.down = false;
  }

  #hidePen() {
    if (!this.#pen.shown) return;
    this.#pen.shown = this.#pen.down = false;
    this.paint();
  }

  #key(event) {
    if (!this.enabled || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? KEY_STEP * 3 : KEY_STEP;
    const moves = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    };
    const pen = this.#pen;
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      pen.x = Math.min(WIDTH - 10, Math.max(10, pen.x + dx));
      pen.y = Math.min(HEIGHT - 10, Math.max(10, pen.y + dy));
      pen.shown = true;
      if (pen.down) {
        this.#current.points.push({ x: pen.x, y: pen.y });
        this.#changed();
      } else {
        this.paint();
      }
    } else if (event.key === " " || event.key === "Enter") {
      pen.shown = true;
      if (pen.down) {
        this.#finish();
        this.paint();
      } else {
        pen.down = true;
        this.#begin({ x: pen.x, y: pen.y });
      }
    } else {
      return;
    }
    event.preventDefault();
  }
}
