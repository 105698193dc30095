/** Questions to the server, and its refusals as sentences that say what to do. */

const KEY = "tinygpt-key"; // in sessionStorage: this tab alone, until it is closed
const GONE = "The server does not answer. Start it again (python -m tinygpt.serve), then try once more.";
export const BROKEN =
  "The server went away in the middle of the text. What has come is kept: start the server again, then go on.";

/** Something went wrong, in a sentence for the reader; `status` is HTTP's, 0 without an answer. */
export class Problem extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

export function useKey(key) {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new Problem("A key has letters, digits and signs of ASCII, without blanks: copy it once more.");
  }
  sessionStorage.setItem(KEY, key);
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

async function send(path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (hasKey()) headers.Authorization = `Bearer ${sessionStorage.getItem(KEY)}`;
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, body: JSON.stringify(body), signal,
    });
  } catch (error) {
    throw signal?.aborted ? error : new Problem(GONE);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const { status } = response;
  const message = await response.json().then((body) => body.error?.message, () => undefined);
  if (status === 401) {
    const wrong = hasKey();
    sessionStorage.removeItem(KEY);
    return new Problem(wrong ? "The server does not take this key: type it once more." : "", status);
  }
  if (status === 429) {
    const seconds = response.headers.get("Retry-After") ?? "a few";
    return new Problem(`The server is busy with others. Try again in ${seconds} second${seconds === "1" ? "" : "s"}.`, status);
  }
  if (status === 503) return new Problem("The server is shutting down. Try again when it is back.", status);
  if (status === 413) return new Problem("The text is longer than the server takes: shorten it.", status);
  if (status < 500 && message) return new Problem(sentence(message), status);
  return new Problem(`The server failed (${status})${message ? `: ${message}` : ""}. Its log says more.`, status);
}

export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

export async function ask(path, body, signal) {
  return (await send(path, body, signal)).json();
}

/** The server-sent events of an answer, each parsed, as they come; fewer where it breaks off. */
export async function* events(path, body, signal) {
  const response = await send(path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    let piece;
    try {
      piece = await reader.read();
    } catch {
      return; // the server has gone, or the reader has: the end is missing
    }
    if (piece.done) return;
    const parts = (rest + piece.value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: {")) yield JSON.parse(part.slice(6)); // the last is [DONE]
    }
  }
}
