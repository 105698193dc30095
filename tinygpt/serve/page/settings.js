/** The sliders and the seed. A setting that is off is not sent. */

import { byId, make } from "./words.js";

const steps = (first, last, step) =>
  Array.from({ length: Math.round((last - first) / step) + 1 }, (_, i) => +(first + i * step).toFixed(2));

const OFF = null;

/** Of each: what it is called, what it does, where its slider stops, where it begins. */
function all(facts) {
  const { max_new_tokens: most, vocab_size, temperature } = facts;
  const ks = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000];
  const lengths = [...steps(10, 200, 10), ...steps(220, 500, 20), ...steps(550, 2000, 50)];
  return [
    ["max_new_tokens", "length", "so many tokens at most", [...lengths.filter((n) => n < most), most], 100],
    ["temperature", "temperature", "higher is wilder; 0 always takes the likeliest", steps(0, 2, 0.05), temperature],
    ["top_k", "top-k", "only the likeliest so many", [...ks.filter((k) => k < vocab_size), OFF], OFF],
    ["top_p", "top-p", "only the likeliest that have this share together", [...steps(0.05, 0.95, 0.05), 0.97, 0.98, 0.99, OFF], OFF],
    ["min_p", "min-p", "only those with this share of the likeliest’s probability",
      [OFF, 0.001, 0.002, 0.005, 0.01, 0.02, ...steps(0.05, 1, 0.05)], OFF],
    ["repetition_penalty", "repetition penalty", "above 1, what was there before becomes less likely",
      [OFF, ...steps(1.05, 2, 0.05)], OFF],
  ];
}

export class Settings {
  constructor(facts) {
    this.sliders = new Map();
    for (const [name, words, help, stops, start] of all(facts)) {
      const nearest = stops.includes(start) ? start : stops.findLast((stop) => stop <= start) ?? stops[0];
      const slider = make("input", {
        type: "range", id: name, min: 0, max: stops.length - 1, step: 1, "aria-describedby": `${name}-help`,
      });
      const output = make("output", { for: name, "aria-hidden": "true" });
      byId("sliders").append(make("div", { class: "setting" },
        make("div", { class: "head" }, make("label", { for: name }, words), output),
        slider,
        make("p", { class: "quiet", id: `${name}-help` }, help)));
      this.sliders.set(name, { slider, output, stops, start: nearest });
      slider.addEventListener("input", () => this.show(name));
    }
    this.reset();
    byId("reset").addEventListener("click", () => this.reset());
  }

  reset() {
    for (const [name, { slider, stops, start }] of this.sliders) {
      slider.value = stops.indexOf(start);
      this.show(name);
    }
    byId("seed").value = "";
    byId("seed").removeAttribute("aria-invalid");
  }

  show(name) {
    const { slider, output, stops } = this.sliders.get(name), value = stops[slider.value];
    output.textContent = value ?? "off";
    output.classList.toggle("off", value === OFF);
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  /** What goes with a question. Throws RangeError, with a sentence, for a seed that cannot be. */
  values() {
    const typed = byId("seed").value.trim(), found = {};
    const ok = typed === "" || (/^\d+$/.test(typed) && Number.isSafeInteger(Number(typed)));
    byId("seed").setAttribute("aria-invalid", !ok);
    if (!ok) {
      byId("seed").focus();
      throw new RangeError("The seed must be a whole number of at least 0, with 15 digits at most; or leave it empty for a new one.");
    }
    for (const [name, { slider, stops }] of this.sliders) {
      if (stops[slider.value] !== OFF) found[name] = stops[slider.value];
    }
    if (typed !== "") found.seed = Number(typed);
    return found;
  }
}
