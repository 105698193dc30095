/** The last request as a command for curl, and as a program in Python. */

import { hasKey } from "./server.js";

const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The request in the words of /v1/completions: `prompt` is a text, token ids or null. */
function request({ prompt, ids, values, seed, room, model }) {
  const { max_new_tokens, temperature, top_p, ...others } = values;
  const body = { model, prompt: typeof prompt === "string" ? prompt : ids };
  Object.assign(body, { max_tokens: Math.min(max_new_tokens, room), temperature });
  if (top_p !== undefined) body.top_p = top_p;
  delete others.seed;
  return { body: { ...body, seed }, others };
}

export function curl(last) {
  const { body, others } = request(last);
  const key = hasKey() ? ' \\\n  -H "Authorization: Bearer $TINYGPT_API_KEY"' : "";
  return `curl ${new URL("v1/completions", document.baseURI)} \\\n  -H "Content-Type: application/json"${key} \\\n` +
    `  -d ${inShell(JSON.stringify({ ...body, ...others }))}`;
}

export function python(last) {
  const { body, others } = request(last);
  const key = hasKey() ? 'os.environ["TINYGPT_API_KEY"]' : '"none"';
  const named = Object.entries(body).map(([name, value]) => `    ${name}=${JSON.stringify(value)},\n`);
  if (Object.keys(others).length) named.push(`    extra_body=${JSON.stringify(others)},\n`);
  return `${hasKey() ? "import os\n\n" : ""}from openai import OpenAI\n\n` +
    `client = OpenAI(base_url="${new URL("v1", document.baseURI)}", api_key=${key})\n` +
    `answer = client.completions.create(\n${named.join("")})\nprint(answer.choices[0].text)`;
}

export async function copy(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied.";
  } catch { // there is no clipboard without https, but for this machine's own pages
    status.textContent = "The browser does not let this page copy: mark the text, and press Ctrl+C.";
  }
}
