// Requests to the service: one at a time, the newest wins.

const KEY_ITEM = "digitrec-key";
let key = sessionStorage.getItem(KEY_ITEM) ?? "";
let running = null;

export class ServiceError extends Error {
  constructor(message, code = "") {
    super(message);
    this.code = code;
  }
}

export function useKey(value) {
  key = value;
  sessionStorage.setItem(KEY_ITEM, value);
}

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (key) headers["Authorization"] = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service cannot be reached", "offline");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 503 && !options.retried) {
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    options.signal?.throwIfAborted();
    return request(path, { ...options, retried: true });
  }
  throw new ServiceError(answer.error ?? `The service answered ${response.status}`, answer.code);
}

export function listModels() {
  return request("models");
}

// Ends the request that is under way, whose answer would be stale.
export function cancel() {
  running?.abort();
  running = null;
}

// Rejects with an AbortError when a newer call or cancel() has overtaken it.
export async function recognise(route, image, model) {
  cancel();
  const controller = new AbortController();
  running = controller;
  const query = new URLSearchParams({ normalised: "true" });
  if (model) query.set("model", model);
  const answer = await request(`${route}?${query}`, {
    method: "POST",
    body: image,
    headers: { "Content-Type": image.type || "application/octet-stream" },
    signal: controller.signal,
  });
  controller.signal.throwIfAborted();
  return answer;
}
