// AsyncAPI's own parser reads the documents that are named; what it finds wrong with each, as JSON lines.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

for (const file of process.argv.slice(2)) {
  const { diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  const found = diagnostics.map(({ code, message, path }) => ({ code, message, path: path.join("/") }));
  process.stdout.write(JSON.stringify(found) + "\n");
}
