/** Elements, and how tokens and numbers are written. */

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const count = (n) => n.toLocaleString("en");

export function percent(p) {
  if (p > 0.9995 && p < 1) return ">99.9 %";
  if (p < 0.0005 && p > 0) return "<0.1 %";
  return `${(100 * p).toFixed(1)} %`;
}

/** A number, to three digits that count. */
export function digits(x) {
  return x === 0 ? "0" : x < 0.001 || x >= 1000 ? x.toExponential(1) : x.toPrecision(3);
}

/** Whether a token has no text of its own: end-of-text, or bytes that are part of a character. */
export const isNamed = (token) => token.text === null;

const nameOf = (token) => (token.bytes ? `⟨${token.bytes}⟩` : "end of text");

const visible = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥")
  .replace(/\p{Cc}/gu, (sign) => `⟨${sign.codePointAt(0).toString(16).padStart(2, "0")}⟩`);

/** A token in the running text: its blanks are blank. */
export const inText = (token) => (isNamed(token) ? nameOf(token) : visible(token.text));

/** A token by itself: its blanks are dots. */
export const ownName = (token) => (isNamed(token) ? nameOf(token) : visible(token.text).replaceAll(" ", "·"));

/** A token as it is read aloud. */
export function spoken(token) {
  if (isNamed(token)) return nameOf(token);
  const words = token.text.replaceAll("\n", " line end ").trim();
  return words || (token.text.length === 1 ? "blank" : `${token.text.length} blanks`);
}

/** The text that tokens make together, for the clipboard. */
export function joined(tokens) {
  const encoder = new TextEncoder();
  const bytesOf = ({ text, bytes }) =>
    text === null ? (bytes.match(/\w\w/g) ?? []).map((hex) => parseInt(hex, 16)) : [...encoder.encode(text)];
  return new TextDecoder().decode(Uint8Array.from(tokens.flatMap(bytesOf)));
}
