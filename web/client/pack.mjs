// Pack the client as it is published: its modules, their declarations, and the types of the wire.
//
//   node web/client/pack.mjs [folder]

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const root = resolve(here, "../..");
const folder = resolve(process.argv[2] ?? ".");
const staged = mkdtempSync(join(tmpdir(), "plaza-client-"));
try {
  for (const name of ["src", "README.md", "package.json", "tsconfig.json"]) cpSync(join(here, name), join(staged, name), { recursive: true });
  for (const name of ["rest.d.ts", "events.d.ts"]) cpSync(join(root, "web/types", name), join(staged, "types", name));
  cpSync(join(root, "LICENSE"), join(staged, "LICENSE"));
  symlinkSync(join(root, "node_modules"), join(staged, "node_modules"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const emit = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly"];
  execFileSync("node", [tsc, "-p", ".", ...emit], { cwd: staged, stdio: "inherit" });
  const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: staged, encoding: "utf8" });
  console.log(join(folder, packed.trim()));
} finally {
  rmSync(staged, { recursive: true });
}
