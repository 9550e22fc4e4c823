// OpenAI's own JavaScript client against a gateway whose models are all echo.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY_URL + "/v1", apiKey: "any", maxRetries: 0 });
const PNG = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(92)]);

const said = (content) => [{ role: "user", content }];

test("a conversation, whole", async () => {
  const answer = await client.chat.completions.create({ model: "echo", messages: said("hello there") });
  assert.equal(answer.choices[0].message.content, "hello there");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.total_tokens, 4);
});

test("a conversation, streamed", async () => {
  const stream = await client.chat.completions.create({
    model: "echo", messages: said("one two three"), stream: true,
  });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  assert.equal(text, "one two three");
});

test("a stream that is aborted ends", async () => {
  const stream = await client.chat.completions.create({
    model: "echo", messages: said("[[slow=0.05]][[words=1000]] on and on"), stream: true,
  });
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += chunk.choices.length;
    if (chunks === 3) stream.controller.abort();
  }
  assert.ok(chunks < 50);
});

test("a picture in a message", async () => {
  const url = `data:image/png;base64,${PNG.toString("base64")}`;
  const answer = await client.chat.completions.create({
    model: "echo",
    messages: said([{ type: "text", text: "Look:" }, { type: "image_url", image_url: { url } }]),
  });
  assert.equal(answer.choices[0].message.content, "Look: [image/png:100]");
});

test("structured output by helper", async () => {
  const answer = await client.chat.completions.parse({
    model: "echo",
    messages: said("a word"),
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "answer",
        schema: { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] },
      },
    },
  });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content).a, "boolean");
});

test("embeddings, as the client decodes them", async () => {
  const answer = await client.embeddings.create({ model: "echo", input: ["one", "two", "one"] });
  const [one, two, again] = answer.data.map((item) => item.embedding);
  assert.deepEqual(answer.data.map((item) => item.index), [0, 1, 2]);
  assert.deepEqual(one, again);
  assert.notDeepEqual(one, two);
  assert.ok(Math.abs(Math.hypot(...one) - 1) < 1e-5);
});

test("a transcription of an upload", async () => {
  const file = await toFile(Buffer.from("Example data"), "talk.wav");
  const answer = await client.audio.transcriptions.create({ model: "echo", file });
  assert.equal(typeof answer.text, "string");
  assert.ok(answer.text.length > 0);
});

test("a transcription, streamed", async () => {
  const file = await toFile(Buffer.from("Example data"), "talk.wav");
  const stream = await client.audio.transcriptions.create({ model: "echo", file, stream: true });
  let text = "";
  let whole;
  for await (const event of stream) {
    if (event.type === "transcript.text.delta") text += event.delta;
    if (event.type === "transcript.text.done") whole = event.text;
  }
  assert.equal(text.trim(), whole.trim());
});

test("speech", async () => {
  const answer = await client.audio.speech.create({
    model: "echo", voice: "alloy", input: "one two", response_format: "wav",
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(answer.headers.get("content-type"), "audio/wav");
  assert.equal(bytes.subarray(0, 4).toString(), "RIFF");
  assert.ok(bytes.length > 1000);
});

test("a picture is drawn", async () => {
  const answer = await client.images.generate({
    model: "echo", prompt: "a red circle", size: "64x64", response_format: "b64_json",
  });
  const bytes = Buffer.from(answer.data[0].b64_json, "base64");
  assert.equal(bytes.subarray(1, 4).toString(), "PNG");
});

test("a picture is drawn, streamed", async () => {
  const stream = await client.images.generate({
    model: "echo", prompt: "a red circle", size: "64x64", stream: true, partial_images: 2,
  });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.deepEqual(types, [
    "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
  ]);
});

test("a picture is edited", async () => {
  const drawn = await client.images.generate({
    model: "echo", prompt: "blue", size: "64x64", response_format: "b64_json",
  });
  const image = await toFile(Buffer.from(drawn.data[0].b64_json, "base64"), "a.png", { type: "image/png" });
  const answer = await client.images.edit({ model: "echo", image, prompt: "red", response_format: "b64_json" });
  assert.ok(answer.data[0].b64_json.length > 0);
});

test("models and their capabilities", async () => {
  const models = await client.models.list();
  const echo = models.data.find((model) => model.id === "echo");
  assert.ok(echo.capabilities.includes("vision"));
  assert.ok(echo.input_modalities.includes("image"));
});

test("errors have their classes, codes and params", async () => {
  await assert.rejects(
    client.chat.completions.create({ model: "no-such-model", messages: said("hello") }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  await assert.rejects(
    client.audio.speech.create({ model: "echo", voice: "nobody", input: "hello" }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "voice",
  );
});
