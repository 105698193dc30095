// OpenAI's own client for Node against a running server: test_openai_npm.py starts both.
// SERVER is its address, PID its process, KEY its key, TEXTS what the library says.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import OpenAI from "openai";

const { SERVER, PID, KEY } = process.env;
const TEXTS = JSON.parse(process.env.TEXTS);
let calls = 0;
const counted = (...sent) => {
  calls += 1;
  return fetch(...sent);
};
const settings = { baseURL: `${SERVER}/v1`, apiKey: KEY, maxRetries: 0, fetch: counted };
const client = new OpenAI(settings);
const ask = { model: "small", prompt: "Once", max_tokens: 6, seed: 3 };
const said = [{ role: "user", content: "Once" }];
const chat = { model: "small", messages: said, max_tokens: 6, seed: 3 };

async function all(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

async function refused(promise, kind, status, code, param) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
    assert.ok(error.type.endsWith("_error") && !error.message.includes("no body"));
    return true;
  });
}

after(() => assert.ok(calls >= 30, `only ${calls} calls`));

test("models", async () => {
  const listed = await all(client.models.list());
  assert.deepEqual(listed.map((one) => one.id), ["small"]);
  assert.equal((await client.models.retrieve("small")).owned_by, "tinygpt");
});

test("a completion, its usage, and the same seed", async () => {
  const one = await client.completions.create(ask);
  assert.equal(one.choices[0].text, TEXTS.six[0]);
  assert.equal(one.usage.prompt_tokens, 4);
  assert.equal(one.usage.total_tokens, 4 + one.usage.completion_tokens);
  const other = await client.completions.create({ ...ask, seed: 4 });
  assert.notEqual(other.choices[0].text, TEXTS.six[0]);
});

test("n, several prompts, prompts of ids, echo", async () => {
  const several = await client.completions.create({ ...ask, n: 3 });
  assert.deepEqual(several.choices.map((one) => one.text), TEXTS.six);
  const texts = await client.completions.create({ ...ask, prompt: ["Long ago", "Once"] });
  assert.equal(texts.choices[1].text, TEXTS.six[0]);
  const ids = await client.completions.create({ ...ask, prompt: [79, 110, 99, 101] });
  assert.equal(ids.choices[0].text, TEXTS.six[0]);
  const lists = await client.completions.create({ ...ask, prompt: [[79, 110, 99, 101], [79]] });
  assert.equal(lists.choices.length, 2);
  assert.equal(lists.choices[0].text, TEXTS.six[0]);
  const echoed = await client.completions.create({ ...ask, echo: true });
  assert.equal(echoed.choices[0].text, "Once" + TEXTS.six[0]);
});

test("stop, as a text and as a list", async () => {
  for (const stop of [TEXTS.stop, [TEXTS.stop, "never said"]]) {
    const told = await client.completions.create({ ...ask, max_tokens: 40, stop });
    assert.equal(told.choices[0].text, TEXTS.stopped);
    assert.equal(told.choices[0].finish_reason, "stop");
  }
});

test("log-probabilities of a completion and of a chat", async () => {
  const told = await client.completions.create({ ...ask, logprobs: 2 });
  const of = told.choices[0].logprobs;
  of.token_logprobs.forEach((value, i) => assert.ok(Math.abs(value - TEXTS.logprobs[i]) < 1e-6));
  assert.equal(of.token_logprobs.length, TEXTS.logprobs.length);
  const answer = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 3 });
  const { content } = answer.choices[0].logprobs;
  content.forEach((one, i) => {
    assert.ok(Math.abs(one.logprob - TEXTS.logprobs[i]) < 1e-6);
    assert.equal(one.top_logprobs.length, 3);
  });
});

test("a streamed completion", async () => {
  const wanted = { stream: true, n: 2, stream_options: { include_usage: true } };
  const chunks = await all(client.completions.create({ ...ask, ...wanted }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.prompt_tokens, 4);
  for (const index of [0, 1]) {
    const mine = chunks.flatMap((chunk) => chunk.choices).filter((one) => one.index === index);
    assert.equal(mine.map((one) => one.text).join(""), TEXTS.six[index]);
    assert.ok(["stop", "length"].includes(mine.at(-1).finish_reason));
  }
  const plain = await all(client.completions.create({ ...ask, stream: true }));
  assert.ok(plain.every((chunk) => chunk.choices.length === 1));
});

test("a chat", async () => {
  const told = await client.chat.completions.create(chat);
  assert.equal(told.choices[0].message.content, TEXTS.six[0]);
  assert.equal(told.choices[0].message.role, "assistant");
  const parts = [{ role: "user", content: [{ type: "text", text: "Once" }], name: "me" }];
  const same = await client.chat.completions.create({ ...chat, messages: parts, user: "me" });
  assert.equal(same.choices[0].message.content, TEXTS.six[0]);
  const { max_tokens, ...rest } = chat;
  const newer = { ...rest, max_completion_tokens: max_tokens, temperature: 0, n: 2 };
  const greedy = await client.chat.completions.create(newer);
  assert.deepEqual(greedy.choices.map((one) => one.message.content), [TEXTS.greedy, TEXTS.greedy]);
});

test("a streamed chat, with the client's own helper", async () => {
  const wanted = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(client.chat.completions.create({ ...chat, ...wanted }));
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(chunks.at(-1).usage.prompt_tokens, 4);
  const told = chunks.flatMap((chunk) => chunk.choices).map((one) => one.delta.content ?? "");
  assert.equal(told.join(""), TEXTS.six[0]);
  const helper = client.chat.completions.stream({ ...chat, logprobs: true });
  const whole = await helper.finalChatCompletion();
  assert.equal(whole.choices[0].message.content, TEXTS.six[0]);
  assert.equal(whole.choices[0].logprobs.content.length, TEXTS.logprobs.length);
});

test("bad parameters: 400, named", async () => {
  const { BadRequestError } = OpenAI;
  const bad = async (sent, param, code = "invalid_value") =>
    refused(client.completions.create({ ...ask, ...sent }), BadRequestError, 400, code, param);
  await bad({ temperature: 3 }, "temperature");
  await bad({ n: 0 }, "n");
  await bad({ logprobs: 6 }, "logprobs");
  await bad({ seed: 1.5 }, "seed");
  await bad({ stop: ["a", "b", "c", "d", "e"] }, "stop");
  await bad({ logit_bias: { 5: 1 } }, "logit_bias");
  await bad({ suffix: "x" }, "suffix");
  await bad({ prompt: [300] }, "prompt");
  await bad({ nonsense: 1 }, "nonsense", "unknown_parameter");
  await bad({ max_tokens: 61 }, "max_tokens", "context_length_exceeded");
  const poor = async (sent, param, code = "invalid_value") =>
    refused(client.chat.completions.create({ ...chat, ...sent }), BadRequestError, 400, code, param);
  await poor({ messages: [] }, "messages");
  await poor({ messages: [{ role: "wizard", content: "x" }] }, "messages[0].role");
  await poor({ response_format: { type: "json_object" } }, "response_format.type");
  await poor({ tools: [{ type: "function", function: { name: "f" } }] }, "tools");
  await poor({ messages: undefined }, "messages", "missing_parameter");
});

test("a wrong key: 401; what is not there: 404; another method: 405; too much: 413", async () => {
  const { AuthenticationError, NotFoundError, APIError } = OpenAI;
  const wrong = new OpenAI({ ...settings, apiKey: "wrong" });
  await refused(wrong.models.list(), AuthenticationError, 401, "invalid_api_key", null);
  const other = client.completions.create({ ...ask, model: "gpt-4" });
  await refused(other, NotFoundError, 404, "model_not_found", "model");
  await refused(client.models.retrieve("gpt-4"), NotFoundError, 404, "model_not_found", "model");
  const embeddings = client.embeddings.create({ model: "small", input: "x" });
  await refused(embeddings, NotFoundError, 404, "not_found", null);
  await refused(client.models.delete("small"), APIError, 405, "method_not_allowed", null);
  const large = client.completions.create({ ...ask, prompt: "x".repeat(2 ** 20) });
  await refused(large, APIError, 413, "body_too_large", null);
});

// texts enough for every place: the server draws them one after the other, for seconds
const fill = { ...ask, max_tokens: 60, n: 128, stream: true };

async function freed() {
  for (let tries = 0; tries < 600; tries += 1) {
    const metrics = await (await fetch(`${SERVER}/metrics`, { headers: { "X-API-Key": KEY } })).text();
    if (/^tinygpt_running 0\.0$/m.test(metrics) && /^tinygpt_waiting 0\.0$/m.test(metrics)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("places are not given back");
}

test("a full queue: 429, and the client asks again when it is told to", async () => {
  const stream = await client.completions.create(fill);
  const many = { ...ask, n: 100 }; // so many places are not free before most texts have ended
  await refused(client.completions.create(many), OpenAI.RateLimitError, 429, "rate_limit_exceeded", null);
  const patient = new OpenAI({ ...settings, maxRetries: 2 });
  const before = calls;
  const asked = patient.completions.create(many);
  setTimeout(() => stream.controller.abort(), 200);
  assert.equal((await asked).choices[0].text, TEXTS.six[0]);
  assert.equal(calls, before + 2);
  await freed();
});

test("a client that gives up, and one that waits too short a time", async () => {
  const stream = await client.completions.create(fill);
  for await (const chunk of stream) {
    assert.equal(chunk.object, "text_completion");
    break;
  }
  await freed();
  const { stream: _, ...whole } = fill;
  const short = client.completions.create(whole, { timeout: 100 });
  await assert.rejects(short, OpenAI.APIConnectionTimeoutError);
  await freed();
});

test("a server that stops: 503, and an error in the stream", async () => {
  const stream = await client.completions.create({ ...fill, n: 64 });
  const { stream: _, ...whole } = fill;
  const waiting = client.completions.create({ ...whole, n: 64 });
  const both = Promise.all([
    refused(waiting, OpenAI.InternalServerError, 503, "server_closing", null),
    assert.rejects(all(stream), (error) => {
      assert.ok(error instanceof OpenAI.APIError, error);
      assert.equal(error.code, "server_closing");
      return true;
    }),
  ]);
  setTimeout(() => process.kill(Number(PID), "SIGTERM"), 300);
  await both;
});
