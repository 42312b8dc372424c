// Support of the tests: people with a client, a network that can be cut, and waiting for a condition.

import { createServer, connect } from "node:net";
import { createPlaza } from "../src/index.js";

export const API = process.env.PLAZA_API ?? "http://127.0.0.1:8080";
export const REALTIME = process.env.PLAZA_REALTIME ?? "http://127.0.0.1:8081";
export const PASSWORD = "a password for tests";

let named = 0;

/** Return a username that nobody has. */
export function freshName(prefix = "ada") {
  return `${prefix}_${process.pid}_${Date.now().toString(36)}_${named++}`;
}

/** Return a client of a new person. */
export async function person(options = {}, username = freshName()) {
  const plaza = createPlaza({ url: API, realtime: REALTIME, ...options });
  await plaza.register({ username, email: `${username}@example.com`, password: PASSWORD });
  return plaza;
}

/** Return what `read` returns once it is truthy; after a while throw what it throws. */
export async function eventually(read, within_ms = 100_000) {
  const deadline = performance.now() + within_ms;
  for (;;) {
    const late = performance.now() > deadline;
    try {
      const found = await read();
      if (found) return found;
      if (late) throw new Error(`this never came true: ${read}`);
    } catch (error) {
      if (late) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Keep a store open; return it. */
export function opened(store) {
  store.subscribe(() => {});
  return store;
}

/** A way to a server that can be cut, as a train cuts it. */
export async function gate(url) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  let open = true;
  const server = createServer((near) => {
    if (!open) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      open = false;
      for (const socket of sockets) socket.destroy();
    },
    restore() {
      open = true;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}
