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

const END = "<|endoftext|>";

/** Whether a token has no text of its own: end-of-text, or bytes that are part of a character. */
export const isNamed = (text) => text === END || text === "" || /^⟨.+⟩$/.test(text);

const visible = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍");

/** A token in the running text: its blanks are blank. */
export const inText = (text) => (isNamed(text) ? ownName(text) : visible(text));

/** A token by itself: its blanks are dots. */
export function ownName(text) {
  return text === END ? "end of text" : text === "" ? "nothing" : visible(text).replaceAll(" ", "·");
}

/** A token as it is read aloud. */
export function spoken(text) {
  if (isNamed(text)) return ownName(text);
  const words = text.replaceAll("\n", " line end ").trim();
  return words || (text.length === 1 ? "blank" : `${text.length} blanks`);
}
