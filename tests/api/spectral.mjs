// Spectral's rule sets for OpenAPI and AsyncAPI on the documents that are named; its findings on each, as JSON lines.
import { readFileSync } from "node:fs";
import spectral from "@stoplight/spectral-core";
import rulesets from "@stoplight/spectral-rulesets";

const linter = new spectral.Spectral();
linter.setRuleset({
  extends: [rulesets.oas, rulesets.asyncapi],
  // Every installation serves these documents, and only its operator knows an address.
  rules: { "asyncapi-info-contact-properties": "off" },
});
for (const file of process.argv.slice(2)) {
  const found = await linter.run(JSON.parse(readFileSync(file, "utf8")));
  const lines = found.map(({ code, message, path }) => `${code} at ${path.join("/")}: ${message}`);
  process.stdout.write(JSON.stringify(lines) + "\n");
}
