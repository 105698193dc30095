/** The text as a row of buttons, one for each token, and the box of what else might stand there.
 *
 * The buttons are spans, for lines of text cannot break within real buttons. The blank that a token
 * begins with stands before its button, so that words are coloured and not the gaps between them.
 *
 * All tokens together are one stop of the Tab key: arrows move among them, Enter opens, Escape
 * closes. Pointing at a token opens its box too, which stays while the pointer is in it.
 */

import { byId, inText, isNamed, make, ownName, percent, spoken } from "./words.js";

const LEVELS = [0.9, 0.5, 0.1, 0.01]; // probabilities between the five colours
const OPEN_AFTER = 120, CLOSE_AFTER = 300; // milliseconds of pointing

const level = (p) => LEVELS.filter((bound) => p < bound).length;

export const LEGEND = ["90 % or more", "50 to 90 %", "10 to 50 %", "1 to 10 %", "below 1 %"];

/** Where a token stands; of one that is cut at the end of a line, the last part. */
const placeOf = (button) => [...button.getClientRects()].at(-1);

export class TokenText {
  /** `on`: what the page does when a token is reached (arrows or pointer), chosen (Enter or click:
   * true if its box of alternatives is to open), or replaced by an alternative. */
  constructor(on) {
    this.on = on;
    this.tokens = [];
    this.buttons = [];
    this.at = 0; // the one that Tab reaches
    this.open = null; // whose box is open
    this.pinned = false; // it was opened by a click or a key, and stays without a pointer
    this.timer = 0;
    this.root = byId("text");
    this.box = byId("choices");
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => this.click(event));
    this.root.addEventListener("focusin", (event) => this.reach(this.indexOf(event.target)));
    this.root.addEventListener("pointerover", (event) => this.point(event));
    this.root.addEventListener("pointerout", () => this.leave());
    this.box.addEventListener("pointerover", () => clearTimeout(this.timer));
    this.box.addEventListener("pointerout", () => this.leave());
    this.box.addEventListener("keydown", (event) => this.keyInBox(event));
    document.addEventListener("pointerdown", (event) => {
      if (!this.box.contains(event.target) && this.indexOf(event.target) < 0) this.close();
    });
  }

  clear() {
    this.close();
    this.tokens = [];
    this.buttons = [];
    this.at = 0;
    this.root.replaceChildren();
    byId("empty").hidden = false;
  }

  show(tokens) {
    this.clear();
    for (const token of tokens) this.add(token);
  }

  add(token, isNew = false) {
    const shown = inText(token), gap = isNamed(token) ? "" : shown.match(/^ *(?=[^ ])/)?.[0] ?? "";
    const button = make("span", {
      role: "button", "aria-haspopup": "dialog", "data-id": token.id, tabindex: this.buttons.length ? -1 : 0,
    }, shown.slice(gap.length));
    button.className = ["token", token.by, isNamed(token) && "named", isNew && "new"].filter(Boolean).join(" ");
    this.tokens.push(token);
    this.buttons.push(button);
    this.root.append(gap, button, ...(token.text?.match(/\n/g) ?? []).map(() => make("br")));
    this.colour(button, token);
    byId("empty").hidden = true;
  }

  colour(button, token) {
    const by = { prompt: "given", yours: "chosen by you" }[token.by];
    const p = token.p === undefined ? "not predicted" : percent(token.p);
    button.setAttribute("aria-label", [spoken(token), p, by].filter(Boolean).join(", "));
    if (token.p !== undefined) button.dataset.level = level(token.p);
  }

  /** Colours by probability. */
  showProbabilities() {
    this.plain();
    this.tokens.forEach((token, i) => this.colour(this.buttons[i], token));
  }

  /** Colours by `values`, one for each token up to `last`; what comes after is unread. */
  showShares(values, last, write) {
    this.plain();
    const most = Math.max(...values, Number.MIN_VALUE);
    this.buttons.forEach((button, i) => {
      button.classList.add(i <= last ? "share" : "unread");
      if (i <= last) button.style.setProperty("--share", values[i] / most);
      const said = i <= last ? write(values[i]) : "not read yet";
      button.setAttribute("aria-label", `${spoken(this.tokens[i])}, ${said}`);
    });
  }

  plain() {
    for (const button of this.buttons) {
      button.classList.remove("share", "unread", "new");
      button.style.removeProperty("--share");
      delete button.dataset.level;
    }
  }

  /** Frame one token, or none. */
  frame(index) {
    this.buttons.forEach((button, i) => {
      button.classList.toggle("chosen", i === index);
      if (i === index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  }

  indexOf(element) {
    return this.buttons.indexOf(element.closest(".token"));
  }

  // ---- moving

  reach(index) {
    if (index < 0) return;
    this.go(index);
    this.on.reach(index);
  }

  /** Make it the one that Tab reaches. */
  go(index) {
    this.buttons[this.at]?.setAttribute("tabindex", -1);
    this.at = index;
    this.buttons[index].setAttribute("tabindex", 0);
  }

  focus(index) {
    this.buttons[Math.max(0, Math.min(index, this.buttons.length - 1))]?.focus();
  }

  key(event) {
    const move = {
      ArrowLeft: () => this.at - 1, ArrowRight: () => this.at + 1, Home: () => 0,
      End: () => this.buttons.length - 1, ArrowUp: () => this.lineFrom(-1), ArrowDown: () => this.lineFrom(1),
    }[event.key];
    if (move) {
      event.preventDefault();
      this.close();
      this.focus(move());
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (this.choose(this.at)) this.box.querySelector("button")?.focus();
    } else if (event.key === "Escape" && this.open !== null) {
      event.stopPropagation();
      this.close();
    }
  }

  /** The nearest token of the line above (-1) or below (1). */
  lineFrom(direction) {
    const box = (i) => placeOf(this.buttons[i]);
    const here = box(this.at), middle = here.left + here.width / 2;
    let best = this.at, line = null, apart = Infinity;
    for (let i = this.at + direction; i >= 0 && i < this.buttons.length; i += direction) {
      const there = box(i);
      if (Math.abs(there.top - here.top) < here.height / 2) continue; // the same line
      line ??= there.top;
      if (Math.abs(there.top - line) > here.height / 2) break; // a line too far
      const distance = Math.abs(there.left + there.width / 2 - middle);
      if (distance < apart) [best, apart] = [i, distance];
    }
    return best;
  }

  // ---- the box

  click(event) {
    const index = this.indexOf(event.target);
    if (index < 0) return;
    this.reach(index);
    this.choose(index);
  }

  /** Whether that opened its box. */
  choose(index) {
    clearTimeout(this.timer);
    this.pinned = this.on.choose(index);
    if (this.pinned) this.openAt(index);
    return this.pinned;
  }

  point(event) {
    const index = this.indexOf(event.target);
    if (index < 0 || event.pointerType !== "mouse" || this.pinned) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.on.point(index)) this.openAt(index);
    }, OPEN_AFTER);
  }

  leave() {
    clearTimeout(this.timer);
    if (this.open !== null && !this.pinned) this.timer = setTimeout(() => this.close(), CLOSE_AFTER);
  }

  openAt(index) {
    const token = this.tokens[index], { best = [] } = token;
    this.open = index;
    this.frame(index);
    byId("choices-title").replaceChildren(
      make("b", {}, ownName(token)),
      token.p === undefined ? "" : ` ${percent(token.p)}, ${(-Math.log2(token.p)).toFixed(1)} bits of surprise`);
    const other = best.some((one) => one.id === token.id) || token.p === undefined ? [] : [token];
    byId("choices-list").replaceChildren(...[...best, ...other].map((one) => this.choice(index, one)));
    byId("choices-help").textContent = token.p === undefined
      ? "The text begins here: nothing stands before this token to predict it from."
      : "The likeliest in this place. Choose one, and the text goes on from there.";
    this.box.hidden = false;
    this.place(this.buttons[index]);
  }

  choice(index, one) {
    const bar = make("i");
    bar.style.width = `${100 * one.p}%`;
    const button = make("button", { type: "button", class: "choice", "data-id": one.id },
      make("span", { class: "hidden" }, `go on with ${spoken(one)}, ${percent(one.p)}`),
      make("span", { class: "name", "aria-hidden": "true" }, ownName(one)),
      make("span", { class: "bar", "aria-hidden": "true" }, bar),
      make("span", { class: "p", "aria-hidden": "true" }, percent(one.p)));
    if (one.id === this.tokens[index].id) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      this.close();
      this.on.replace(index, one);
    });
    return make("li", {}, button);
  }

  /** Below the token, or above it where there is more room; always within the text's width. */
  place(button) {
    const paper = this.box.parentElement.getBoundingClientRect(), token = placeOf(button);
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const above = token.bottom + height + 8 > window.innerHeight && token.top - height - 8 > 0;
    const top = above ? token.top - height - 6 : token.bottom + 6;
    this.box.style.top = `${top - paper.top}px`;
    this.box.style.left = `${Math.max(0, Math.min(token.left - paper.left, paper.width - width))}px`;
  }

  keyInBox(event) {
    const choices = [...this.box.querySelectorAll("button")], at = choices.indexOf(document.activeElement);
    const move = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: choices.length - 1 }[event.key];
    if (move !== undefined) {
      event.preventDefault();
      choices[Math.max(0, Math.min(move, choices.length - 1))]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      event.stopPropagation();
      const index = this.open;
      this.close();
      this.focus(index);
    }
  }

  close() {
    clearTimeout(this.timer);
    if (this.open === null) return;
    this.open = null;
    this.pinned = false;
    this.box.hidden = true;
    this.on.closed();
  }
}
