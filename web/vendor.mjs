// Copies the packages of the reference page to web/app/vendor with their licences (`make vendor`); an argument names
// another folder. Each file's name has its version, so that browsers may keep it for good.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = process.argv[2] ?? join(root, "web/app/vendor");

// What an import names, and the file it means. Socket.IO's file contains further packages of that project.
const FILES = {
  preact: "preact/dist/preact.mjs",
  "preact/hooks": "preact/hooks/dist/hooks.mjs",
  "@preact/signals": "@preact/signals/dist/signals.mjs",
  "@preact/signals-core": "@preact/signals-core/dist/signals-core.mjs",
  htm: "htm/dist/htm.mjs",
  "openapi-fetch": "openapi-fetch/dist/index.mjs",
  "socket.io-client": "socket.io-client/dist/socket.io.esm.min.js",
};
const INSIDE = ["engine.io-client", "engine.io-parser", "socket.io-parser", "@socket.io/component-emitter"];

const path = (...parts) => join(root, "node_modules", ...parts);
const flat = (name) => name.replace("@", "").replaceAll("/", "-");
const packageOf = (name) => name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/");
const versionOf = (name) => JSON.parse(readFileSync(path(name, "package.json"), "utf8")).version;

function licence(name) {
  const file = readdirSync(path(name)).find((each) => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name} comes without a licence`);
  copyFileSync(path(name, file), join(folder, `${flat(name)}-${versionOf(name)}.LICENSE`));
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const packages = {};
for (const [name, file] of Object.entries(FILES)) {
  packages[name] = `${flat(name)}-${versionOf(packageOf(name))}.js`;
  const source = readFileSync(path(file), "utf8").replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, "\n");
  writeFileSync(join(folder, packages[name]), source);
}
for (const name of new Set([...Object.keys(FILES).map(packageOf), ...INSIDE])) licence(name);
writeFileSync(join(folder, "packages.json"), `${JSON.stringify(packages, null, 2)}\n`);
