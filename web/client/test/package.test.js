// The package, packed and installed as an app would: it runs in Node, has its types, and is small in a bundle.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import test, { after } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { API, REALTIME, freshName } from "./support.js";

const MOST_BYTES = 15 * 1024;
const modules = resolve(import.meta.dirname, "../../../node_modules");
const app = realpathSync(mkdtempSync(join(tmpdir(), "plaza-app-")));
const installed = join(app, "node_modules/plaza-client");
after(() => rmSync(app, { recursive: true }));

execFileSync("node", [resolve(import.meta.dirname, "../pack.mjs"), app], { stdio: ["ignore", "ignore", "inherit"] });
mkdirSync(installed, { recursive: true });
const { version, dependencies } = JSON.parse(readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8"));
execFileSync("tar", ["xzf", join(app, `plaza-client-${version}.tgz`), "-C", installed, "--strip-components=1"]);
for (const name of [...Object.keys(dependencies), "openapi-typescript-helpers"]) { // the last is one of openapi-fetch's
  mkdirSync(dirname(join(app, "node_modules", name)), { recursive: true });
  symlinkSync(join(modules, name), join(app, "node_modules", name));
}
writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));

test("the tour of the README runs in Node", () => {
  const name = freshName();
  const [, tour] = readFileSync(resolve(import.meta.dirname, "../README.md"), "utf8").match(/^```js\n([^]*?)^```/m);
  const here = tour.replace("http://localhost:8080", API).replace("http://localhost:8081", REALTIME).replaceAll('"ada', `"${name}`);
  assert.notEqual(here, tour);
  writeFileSync(join(app, "app.js"), here);
  const { stdout, stderr, status } = spawnSync("node", ["app.js"], { cwd: app, encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /ready \[ 'hello, plaza' \] 0 new posts[^]*likes: 1\n/);
});

test("an app in TypeScript is checked by its types", () => {
  writeFileSync(join(app, "typed.ts"), `
    import { createPlaza, PlazaError } from "plaza-client";
    const plaza = createPlaza({ url: "http://localhost" });
    const text: string | undefined = plaza.feed.get().items[0]?.text;
    const unread: number = plaza.notifications.get().unread;
    plaza.post("id").subscribe(({ status, value }) => console.log(status === "ready", value?.likes.toFixed(), text, unread));
    export const liked: Promise<{ liked: boolean }> = plaza.like("id");
    export const found = async () => (await plaza.rest.GET("/v1/search", { params: { query: { q: "x" } } })).data?.people[0]?.username;
    export const codeOf = (error: unknown): string | null => (error instanceof PlazaError ? error.code : null);
    // @ts-expect-error a post has a text
    plaza.publish({});
    // @ts-expect-error there is no such status
    export const wrong = plaza.feed.get().status === "done";
    // @ts-expect-error there is no such route
    plaza.rest.GET("/v1/nothing");
  `);
  const options = { strict: true, noEmit: true, skipLibCheck: true, target: "es2023", module: "esnext", moduleResolution: "bundler", lib: ["es2023", "dom", "dom.iterable"], types: [] };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["typed.ts"] }));
  const { stdout, status } = spawnSync("node", [join(modules, "typescript/bin/tsc"), "-p", "."], { cwd: app, encoding: "utf8" });
  assert.deepEqual([status, stdout], [0, ""]);
});

test("a Vite build of it is small", async (context) => {
  writeFileSync(join(app, "main.js"), 'export { createPlaza, PlazaError } from "plaza-client";');
  const options = { input: join(app, "main.js"), external: ["socket.io-client"], preserveEntrySignatures: "strict" };
  const settings = { write: false, modulePreload: false, target: "es2023", rollupOptions: options };
  const built = await build({ root: app, configFile: false, logLevel: "error", build: settings });
  const { code } = [built].flat()[0].output[0];
  const bytes = gzipSync(code).length;
  context.diagnostic(`${bytes} bytes without socket.io-client (gzip)`);
  assert.match(code, /Idempotency-Key/);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes are more than ${MOST_BYTES}`);
});
