/** The playground: from the prompt to the text, and from a token to what is behind it. */

import { copy, curl, python } from "./code.js";
import { Look } from "./look.js";
import { ask, BROKEN, events, Problem, sentence, useKey } from "./server.js";
import { Settings } from "./settings.js";
import { LEGEND, TokenText } from "./text.js";
import { byId, count, joined, make } from "./words.js";

const state = {
  facts: null, // of the model
  running: null, // the stream's AbortController
  last: null, // the last request, for the code
  before: [], // texts to come back to
};

const lens = () => document.querySelector("[name=lens]:checked").value;

const text = new TokenText({
  reach: (index) => { if (lens() === "attention") look.showRow(index); },
  point: (index) => {
    if (lens() === "attention") look.showRow(index);
    return lens() === "probability";
  },
  choose: (index) => {
    if (lens() === "pulls") safely(() => look.pulls(index));
    return lens() === "probability";
  },
  replace: (index, one) => goOn(index, one),
  closed: () => { if (lens() === "probability") text.frame(null); },
});
const look = new Look(text);
let settings;

// ---- what went wrong, in words

function complain(problem) {
  if (problem.status === 401) {
    byId("key-form").hidden = false;
    byId("key").focus();
  } else if (!(problem instanceof Problem || problem instanceof RangeError)) {
    console.error(problem);
  }
  byId("error").textContent = problem.message;
}

async function safely(work) {
  byId("error").textContent = "";
  try {
    await work();
  } catch (problem) {
    if (problem.name !== "AbortError") complain(problem);
  }
}

// ---- generating

/** Ask for a text: `prompt` is a text, ids or null; `kept` are the tokens that are shown already,
 * `focus` the one to go to. */
async function run(prompt, kept, focus = null) {
  stop();
  const values = settings.values(), mine = (state.running = new AbortController());
  let held = text.tokens; // to be put back should nothing begin
  chooseLens("probability");
  text.show(kept);
  busy(true);
  byId("status").textContent = "Generating …";
  const pace = { began: 0, tokens: 0 };
  let reason = null;
  try {
    for await (const event of events("playground/stream", { prompt, ...values }, mine.signal)) {
      if (state.running !== mine) return;
      if (event.start) {
        begun(prompt, kept, values, event.start);
        if (held.length) state.before.push(held);
        held = null;
        if (focus !== null) text.focus(focus);
      }
      else if (event.token) come(event.token, pace);
      else if (event.error) throw new Problem(sentence(event.error.message));
      else reason = event.end;
    }
    if (reason === null) throw new Problem(BROKEN);
  } catch (problem) {
    if (state.running !== mine) return;
    if (mine.signal.aborted) reason = "stopped";
    else {
      if (held !== null) text.show(held);
      complain(problem);
    }
  }
  state.running = null;
  busy(false);
  byId("status").textContent = reason === null ? "" : ended(reason, pace);
}

function begun(prompt, kept, values, start) {
  const by = (i) => kept[i]?.by ?? "prompt";
  text.show(start.prompt.map((token, i) => ({ ...token, by: by(i) })));
  const ids = start.prompt.map((token) => token.id);
  state.last = { prompt, ids, values, seed: start.seed, room: start.room, model: state.facts.name };
  byId("keep-seed").hidden = values.seed !== undefined;
  byId("keep-seed").textContent = `Keep ${start.seed}`;
  byId("code").hidden = false;
  showCode();
}

function come(token, pace) {
  const now = performance.now();
  pace.began ||= now;
  pace.tokens += 1;
  pace.speed = pace.tokens > 1 ? ((pace.tokens - 1) * 1000) / (now - pace.began) : null;
  text.add({ ...token, by: "model" }, true);
  byId("pace").textContent = paceWords(pace);
}

const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

function paceWords({ tokens, speed }) {
  const fast = speed ? `${speed < 10 ? speed.toFixed(1) : count(Math.round(speed))} tokens/s · ` : "";
  return `${plural(tokens, "token")} · ${fast}seed ${state.last.seed}`;
}

function ended(reason, pace) {
  byId("pace").textContent = state.last ? paceWords(pace) : "";
  if (reason === "stop") return "The model ended the text here.";
  if (reason === "stopped") return "Stopped. “Go on” continues.";
  if (reason === "cancelled") return "The server stopped: it is shutting down.";
  return text.tokens.length >= state.facts.block_size
    ? `The text fills the model’s ${count(state.facts.block_size)} tokens.`
    : "That was the length you set. “Go on” continues.";
}

const stop = () => state.running?.abort();

function fromPrompt() {
  const prompt = byId("prompt").value;
  if (prompt === "") {
    byId("prompt").focus();
    throw new RangeError("The prompt is empty: write at least one character, or press “Begin without a prompt”.");
  }
  return run(prompt, []);
}

/** Go on after the token `one` in place of the one at `index`; without one, from the end. */
function goOn(index, one) {
  const kept = text.tokens.slice(0, index);
  if (one) kept.push({ ...one, best: text.tokens[index].best, by: "yours" });
  const ids = kept.map((token) => token.id);
  safely(() => run(ids, kept, one ? index : null));
}

function undo() {
  stop();
  text.show(state.before.pop());
  showLens();
  busy(false);
  byId("status").textContent = "The text before.";
  byId("pace").textContent = "";
}

function busy(running) {
  byId("stop").disabled = !running;
  byId("more").disabled = running || !text.tokens.length;
  byId("copy-text").disabled = running || !text.tokens.length;
  byId("undo").disabled = running || !state.before.length;
  for (const radio of document.getElementsByName("lens")) radio.disabled = running || !text.tokens.length;
  byId("paper").setAttribute("aria-busy", running);
}

// ---- lenses

function chooseLens(name) {
  document.querySelector(`[name=lens][value=${name}]`).checked = true;
  showLens();
}

function showLens() {
  const name = lens();
  look.cease();
  text.close();
  byId("result").dataset.lens = name;
  byId("looking").hidden = byId("inside").hidden = name === "probability";
  byId("where").hidden = byId("map-figure").hidden = name !== "attention";
  byId("says").textContent = name === "probability" ? "" : "Looking …";
  byId("strongest").hidden = true;
  if (name === "probability") {
    text.showProbabilities();
    text.frame(null);
    byId("legend").replaceChildren("probability of each token:",
      ...LEGEND.map((words, i) => make("span", { class: "key", "data-level": i }, words)));
  } else {
    byId("legend").replaceChildren();
    if (text.at === 0) text.go(mostSurprising());
    safely(() => look[name](text.at));
  }
}

function mostSurprising() {
  const drawn = text.tokens.map((token) => (token.by === "model" ? token.p : 1));
  return drawn.indexOf(Math.min(...drawn));
}

function showCode() {
  const language = document.querySelector("[name=language]:checked").value;
  byId("snippet").textContent = (language === "curl" ? curl : python)(state.last);
  byId("copied").textContent = "";
}

// ---- the page

async function begin() {
  const facts = (state.facts = await ask("playground/model"));
  byId("facts").textContent = `${facts.name}: ${(facts.parameters / 1e6).toFixed(1)} million parameters, ` +
    `${plural(facts.n_layer, "layer")} of ${plural(facts.n_head, "head")}, ${count(facts.vocab_size)} tokens known, ` +
    `${count(facts.block_size)} read at once`;
  settings = new Settings(facts);
  look.offer(facts, () => safely(() => look.attention()));
}

/** Do something that needs the model, after asking for it if that failed before. */
const withModel = (work) => safely(async () => {
  if (state.facts === null) await begin();
  return work();
});

byId("generate").addEventListener("click", () => withModel(fromPrompt));
byId("begin").addEventListener("click", () => withModel(() => run(null, [])));
byId("more").addEventListener("click", () => goOn(text.tokens.length));
byId("stop").addEventListener("click", stop);
byId("undo").addEventListener("click", undo);
byId("copy").addEventListener("click", () => copy(byId("snippet").textContent, byId("copied")));
byId("copy-text").addEventListener("click", () => copy(joined(text.tokens), byId("status")));
byId("keep-seed").addEventListener("click", () => {
  byId("seed").value = state.last.seed;
  byId("keep-seed").hidden = true;
  byId("seed").focus();
});
for (const radio of document.getElementsByName("lens")) radio.addEventListener("change", showLens);
for (const radio of document.getElementsByName("language")) radio.addEventListener("change", showCode);
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) withModel(fromPrompt);
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  safely(async () => {
    useKey(byId("key").value.trim());
    byId("key").value = "";
    if (state.facts === null) await begin();
    else await ask("playground/model");
    byId("key-form").hidden = true;
    byId("generate").focus();
  });
});

if (matchMedia("(max-width: 56rem)").matches) byId("settings").open = false;
byId("code").hidden = true;
busy(false);
showLens();
safely(begin);
