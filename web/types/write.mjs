// Writes the types of REST and of the socket's events, rest.d.ts and events.d.ts, from the documents of docs/
// (`make docs`); an argument names another folder to write them to.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const here = fileURLToPath(new URL(".", import.meta.url));
const read = (name) => JSON.parse(readFileSync(join(here, "../../docs", name), "utf8"));
const HEAD = "// Written by `make docs` from docs/DOCUMENT; a test fails when it differs from that document.\n\n";

// The server sends every field of an object, except of problems: defaults are for requests, and for older clients.
const SPARSE = ["ProblemBody", "FieldProblem"];
function requireEveryField(schemas) {
  for (const [name, schema] of Object.entries(schemas)) {
    if (schema.type === "object" && schema.additionalProperties !== false && !SPARSE.includes(name)) {
      schema.required = Object.keys(schema.properties ?? {});
    }
  }
}

function unadorned(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.title === "string") delete node.title; // a title only repeats the field's name
  if (node.schema) delete node.example; // an example of a whole body, which would stand in a comment
  Object.values(node).forEach(unadorned);
}

async function types(document) {
  unadorned(document.components);
  unadorned(document.paths);
  requireEveryField(document.components.schemas);
  return astToString(await openapiTS(document, { defaultNonNullable: false, alphabetize: false }));
}

const shape = (schema) =>
  schema.$ref ? `Schemas["${schema.$ref.split("/").at(-1)}"]` : schema.type === "null" ? "null" : "unknown";

function events(document) {
  const messages = document.components.messages;
  const named = (kind) =>
    Object.keys(messages)
      .filter((name) => name.startsWith(`${kind}.`))
      .map((name) => messages[name]);
  const pushed = named("push").map((each) => {
    const offset = each["x-offset"] ? ", offset: string" : "";
    return `  /** ${each.summary} */\n  "${each.name}": (body: ${shape(each.payload)}${offset}) => void;\n`;
  });
  const asked = named("ask").map((each) => {
    const data = shape(messages[`ack.${each.name}`].payload.oneOf[0].properties.data);
    const ack = `ack: (answer: Ack<${data}>) => void`;
    return `  /** ${each.summary} */\n  "${each.name}": (message: ${shape(each.payload)}, ${ack}) => void;\n`;
  });
  return `
export type Schemas = components["schemas"];

/** The problem object of REST. */
export type Problem = Schemas["ProblemBody"];

/** The ack of every message. */
export type Ack<Data> = { ok: true; data: Data } | { ok: false; problem: Problem };

/** Events from the server; events of a person's stream bring the offset to resume from. */
export interface ServerToClientEvents {
${pushed.join("")}}

/** Messages from a client; each is acked. */
export interface ClientToServerEvents {
${asked.join("")}}
`;
}

const folder = process.argv[2] ?? here;
const rest = read("openapi.json");
writeFileSync(join(folder, "rest.d.ts"), HEAD.replace("DOCUMENT", "openapi.json") + (await types(rest)));

const socket = read("asyncapi.json");
const { info, components } = socket;
const schemas = await types({ openapi: "3.1.0", info, paths: {}, components: { schemas: components.schemas } });
writeFileSync(join(folder, "events.d.ts"), HEAD.replace("DOCUMENT", "asyncapi.json") + schemas + events(socket));
