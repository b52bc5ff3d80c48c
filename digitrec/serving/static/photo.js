// A photo on the board: scaled for sending, and the boxes drawn over it.

const LONGEST_SIDE = 1600;
const LARGEST_FILE = 4 * 2 ** 20;

export class Photo {
  constructor(bitmap, blob) {
    this.bitmap = bitmap;
    this.blob = blob;
  }

  // Small files go as they are; large ones are scaled down, which also drops their metadata.
  static async from(file) {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = LONGEST_SIDE / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1 && file.size <= LARGEST_FILE) return new Photo(bitmap, file);
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * Math.min(1, scale)));
    canvas.height = Math.max(1, Math.round(bitmap.height * Math.min(1, scale)));
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return new Photo(await createImageBitmap(canvas), blob);
  }
}

// Paints the photo into its canvas and returns where it stands, in CSS pixels.
export function paintPhoto(canvas, photo) {
  const { clientWidth, clientHeight } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(clientWidth * ratio);
  canvas.height = Math.round(clientHeight * ratio);
  const { width, height } = photo.bitmap;
  const scale = Math.min(clientWidth / width, clientHeight / height);
  const left = (clientWidth - width * scale) / 2;
  const top = (clientHeight - height * scale) / 2;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = scale < 3;
  context.drawImage(photo.bitmap, left, top, width * scale, height * scale);
  return { scale, left, top };
}

// `boxes` are {box, label, rejected, selected}; `place` is where the image stands.
export function paintBoxes(canvas, boxes, place) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const { box, label, rejected, selected } of boxes) {
    const x = place.left + box[0] * place.scale;
    const y = place.top + box[1] * place.scale;
    const colour = style.getPropertyValue(rejected ? "--box-rejected" : "--box");
    context.setLineDash(rejected ? [4, 4] : []);
    context.strokeStyle = colour;
    context.lineWidth = selected ? 3.5 : 1.75;
    context.strokeRect(x, y, (box[2] - box[0]) * place.scale, (box[3] - box[1]) * place.scale);
    if (!label) continue;
    const width = context.measureText(label).width + 10;
    const above = y > 22 ? y - 20 : y;
    context.fillStyle = colour;
    context.fillRect(x - context.lineWidth / 2, above, width, 20);
    context.fillStyle = style.getPropertyValue("--on-accent");
    context.fillText(label, x + 5 - context.lineWidth / 2, above + 10.5);
  }
}
