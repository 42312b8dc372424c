// fauxqs, an SQS in memory, as two programs: `queues PORT FILE` holds the messages, and `door PORT QUEUES_PORT` is the
// way to them. Amazon's SQS keeps what it accepted, so a killed SQS is a killed door: requests and answers on their way
// are lost, and messages are not. Queues are saved to FILE at SIGTERM.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const PACKAGES = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "node_modules", "fauxqs", "dist");
const from = (name) => import(pathToFileURL(join(PACKAGES, name)));

async function queues(port, file) {
  const { buildApp } = await from("app.js");
  const { SqsStore } = await from("sqs/sqsStore.js");
  const store = new SqsStore();
  if (existsSync(file)) load(store, JSON.parse(readFileSync(file, "utf8")));
  const app = buildApp({ logger: false, stores: { sqsStore: store } });
  app.addHook("onSend", async (request, reply, payload) => {
    if (request.raw.socket.destroyed) showAgain(store, request.body, payload);
    return payload;
  });
  process.on("SIGTERM", () => {
    writeFileSync(file, JSON.stringify([...store.queues.values()].map(saved)));
    process.exit(0);
  });
  await app.listen({ port: Number(port), host: "127.0.0.1" });
}

// Messages for a client that is gone: fauxqs would hide them from all others.
function showAgain(store, body, payload) {
  if (typeof payload !== "string" || !payload.includes("ReceiptHandle")) return;
  for (const each of JSON.parse(payload).Messages ?? []) {
    store.getQueue(body.QueueUrl)?.changeVisibility(each.ReceiptHandle, 0);
  }
}

function saved({ name, url, arn, attributes, messages, inflightMessages, delayedMessages }) {
  const taken = [...inflightMessages.values()].map((each) => each.message);
  return { name, url, arn, attributes, messages: [...taken, ...messages], delayedMessages };
}

function load(store, all) {
  for (const { name, url, arn, attributes, messages, delayedMessages } of all) {
    Object.assign(store.createQueue(name, url, arn, attributes), { messages, delayedMessages });
  }
}

function door(port, queuesPort) {
  const server = createServer((near) => {
    const far = connect(Number(queuesPort), "127.0.0.1");
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
  });
  server.listen(Number(port), "127.0.0.1");
}

await { queues, door }[process.argv[2]](...process.argv.slice(3));
