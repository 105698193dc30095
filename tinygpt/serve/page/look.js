/** Inside the model: where a head looks, and which tokens a loss pulls on. */

import { ask } from "./server.js";
import { byId, digits, make, ownName, percent } from "./words.js";

const MOST = 6; // rows of the table of the strongest
const SURE = 0.01; // nats: a loss that moves nothing

export class Look {
  constructor(text) {
    this.text = text;
    this.weights = null; // of one head over the whole text, (T, T)
    this.at = 0; // the framed token
    this.picture = document.createElement("canvas"); // of the weights
    this.asked = null; // the question under way: a newer one replaces it
    byId("map").addEventListener("click", (event) => this.clickOnMap(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paintMap());
  }

  /** Offer the model's layers and heads; `changed` is called when another is chosen. */
  offer({ n_layer, n_head }, changed) {
    for (const [id, n] of [["layer", n_layer], ["head", n_head]]) {
      byId(id).replaceChildren(...Array.from({ length: n }, (_, i) => make("option", { value: i }, i)));
      byId(id).addEventListener("change", changed);
    }
    byId("layer").value = n_layer - 1;
  }

  /** Whatever is under way shall not be shown any more. */
  cease() {
    this.asked?.abort();
    this.weights = null;
  }

  async question(path, body) {
    this.asked?.abort();
    const mine = (this.asked = new AbortController());
    const answer = await ask(path, body, mine.signal);
    return mine.signal.aborted ? null : answer;
  }

  ids() {
    return this.text.tokens.map((token) => token.id);
  }

  // ---- forward: attention

  async attention() {
    const [layer, head] = ["layer", "head"].map((id) => Number(byId(id).value));
    const answer = await this.question("playground/attention", { ids: this.ids(), layer, head });
    if (answer === null) return;
    this.weights = answer.weights;
    this.paintMap();
    this.showRow(this.text.at);
  }

  showRow(index) {
    if (this.weights === null) return;
    const row = this.weights[index].slice(0, index + 1), name = ownName(this.text.tokens[index]);
    this.at = index;
    this.text.showShares(row, index, percent);
    this.text.frame(index);
    byId("says").replaceChildren("Reading the framed ", make("b", {}, name), ", head ", byId("head").value, " of layer ",
      byId("layer").value, " takes so much from each token up to it:");
    showStrongest("Where it looks most", this.text.tokens, row, percent);
    showScale("attention", percent(Math.max(...row)), "0 %");
    this.frameRow();
  }

  /** The whole map, once for each head: rows are framed on a copy. */
  paintMap() {
    const T = this.weights?.length;
    if (!T) return;
    const cell = Math.max(1, Math.floor(600 / T)), pen = this.picture.getContext("2d");
    this.picture.width = this.picture.height = cell * T;
    pen.fillStyle = getComputedStyle(byId("result")).getPropertyValue("--tone");
    this.weights.forEach((row, i) => row.slice(0, i + 1).forEach((weight, j) => {
      pen.globalAlpha = Math.sqrt(weight); // or small weights would not be seen
      pen.fillRect(j * cell, i * cell, cell, cell);
    }));
    this.frameRow();
  }

  frameRow() {
    const canvas = byId("map"), { width } = this.picture, cell = width / this.weights.length;
    canvas.width = canvas.height = width;
    canvas.setAttribute("aria-label", `the attention of all tokens, with the row of token ${this.at} framed`);
    const pen = canvas.getContext("2d");
    pen.drawImage(this.picture, 0, 0);
    pen.strokeStyle = getComputedStyle(document.body).color;
    pen.lineWidth = 3;
    pen.strokeRect(1.5, this.at * cell - 1.5, (this.at + 1) * cell, cell + 3);
  }

  clickOnMap(event) {
    if (this.weights === null) return; // those of another token are on their way
    const box = byId("map").getBoundingClientRect(), T = this.weights.length;
    this.text.reach(Math.min(T - 1, Math.floor((T * (event.clientY - box.top)) / box.height)));
  }

  // ---- backward: pulls

  async pulls(index) {
    this.cease();
    const token = this.text.tokens[index];
    this.at = index;
    this.text.frame(index);
    if (index === 0) {
      this.text.plain();
      byId("says").textContent = "The first token is not predicted, so it has no loss and pulls on nothing: choose a later one.";
      byId("strongest").hidden = true;
      byId("legend").replaceChildren();
      return;
    }
    const answer = await this.question("playground/pulls", { ids: this.ids(), position: index });
    if (answer === null) return;
    const pulls = answer.pulls.slice(0, index);
    this.text.showShares(pulls, index - 1, (pull) => `pull ${digits(pull)}`);
    this.text.frame(index);
    const hint = answer.loss < SURE ? " hardly at all, for the model was sure of it; choose one that surprised it:" : ":";
    byId("says").replaceChildren("The loss of the framed ", make("b", {}, ownName(token)),
      `, −ln p = ${digits(answer.loss)} nats, pulls on the tokens before it${hint}`);
    showStrongest("What it pulls on most", this.text.tokens, pulls, digits);
    showScale("pull", digits(Math.max(...pulls)), "0");
  }
}

function showScale(what, most, least) {
  const key = (share) => {
    const sample = make("span", { class: "key share" }, " a ");
    sample.style.setProperty("--share", share);
    return sample;
  };
  byId("legend").replaceChildren(`${what}: ${least}`, ...[0, 0.25, 0.5, 0.75, 1].map(key), most);
}

function showStrongest(caption, tokens, values, write) {
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, MOST);
  const most = Math.max(values[order[0]], Number.MIN_VALUE);
  const table = byId("strongest");
  table.hidden = false;
  table.querySelector("caption").textContent = `${caption} (token, place in the text)`;
  table.querySelector("tbody").replaceChildren(...order.map((i) => {
    const bar = make("i");
    bar.style.width = `${(100 * values[i]) / most}%`;
    return make("tr", {},
      make("th", { scope: "row" }, ownName(tokens[i]), make("span", { class: "quiet" }, ` ${i}`)),
      make("td", { "aria-hidden": "true" }, bar),
      make("td", {}, write(values[i])));
  }));
}
