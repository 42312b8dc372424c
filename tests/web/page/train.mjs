// A train: everything a window sends and hears goes through a proxy that delays, stalls and cuts it, as tunnels do.
import { createServer as createProxy, request } from "node:http";
import { connect, createServer } from "node:net";

/** Return the next of a row of numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const listening = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

/** Pass bytes on to a server, and its bytes back; `there` and `back` resolve when a piece may pass. */
function pass(near, far, there = () => null, back = there) {
  for (const [from, to, through] of [[near, far, there], [far, near, back]]) {
    let before = Promise.resolve();
    from.on("data", (piece) => (before = before.then(() => through(piece)).then(() => to.destroyed || to.write(piece))));
    from.on("error", () => {});
    from.on("close", () => before.then(() => to.destroy()));
  }
}

/** Return a proxy for HTTP and websockets on a free port of this machine, which changes nothing. */
async function plainProxy() {
  const proxy = createProxy((asked, answer) => {
    const far = request(asked.url, { method: asked.method, headers: asked.headers }, (response) => {
      answer.writeHead(response.statusCode, response.headers);
      response.on("error", () => answer.destroy()).pipe(answer);
    });
    far.on("error", () => answer.destroy());
    answer.on("close", () => far.destroy());
    asked.on("error", () => far.destroy()).pipe(far);
  });
  proxy.on("connect", ({ url }, near) => {
    const { hostname, port } = new URL(`http://${url}`);
    near.on("error", () => {});
    if (hostname !== "127.0.0.1") return void near.end("HTTP/1.1 403 Forbidden\r\n\r\n"); // a site of the browser's makers
    const far = connect(Number(port), hostname, () => near.write("HTTP/1.1 200 Connection established\r\n\r\n"));
    pass(near, far);
  });
  return { proxy, port: await listening(proxy) };
}

/** Return a train that stands still, where all passes at once. */
export async function train(seed) {
  const { proxy, port } = await plainProxy();
  const next = random(seed);
  const open = new Set();
  let [dark, delay_ms, healed, audible, sent] = [false, 0, null, null, () => {}];
  const through = async () => {
    await healed;
    if (delay_ms) await after(delay_ms * next());
  };
  const there = async (piece) => {
    await through();
    if (/^POST \S+\/v1\//.test(piece.toString("latin1"))) sent();
  };
  const back = async () => {
    await audible;
    await through();
  };
  const cut = () => open.forEach((socket) => socket.destroy());
  const outer = createServer((near) => {
    if (dark) return void near.on("error", () => {}).destroy();
    open.add(near.on("close", () => open.delete(near)));
    pass(near, connect(port, "127.0.0.1"), there, back);
  });
  const tunnel = async (meanwhile) => {
    dark = true;
    cut();
    await meanwhile();
    dark = false;
  };
  const faults = {
    tunnel: (ms) => tunnel(() => after(ms)),
    async stall(ms) {
      healed = after(ms);
      await healed;
    },
    async slowness(ms) {
      delay_ms = ms / 4;
      await after(ms);
      delay_ms = 0;
    },
    /** Writes arrive and their answers are lost: the tunnel after it keeps the browser from sending them again by itself. */
    async silence(ms) {
      let end;
      audible = new Promise((resolve) => (end = resolve));
      await Promise.race([new Promise((resolve) => (sent = resolve)), after(5_000)]);
      await after(ms);
      const inside = tunnel(() => after(ms / 4));
      end();
      await inside;
    },
    async curve(ms) {
      cut();
      await after(ms / 4);
    },
  };
  return {
    server: `http://127.0.0.1:${await listening(outer)}`,
    /** Let nothing through until `meanwhile` resolves. */
    tunnel,
    /** Ride through so many faults, of each kind equally many, and call `meanwhile` in each. */
    async through(times, meanwhile) {
      const kinds = [];
      for (let n = 0; n < times; n++) {
        if (!kinds.length) kinds.push(...Object.values(faults));
        const [fault] = kinds.splice(Math.floor(next() * kinds.length), 1);
        await Promise.all([fault(200 + 1_000 * next()), meanwhile(n)]);
        await after(400 * next());
      }
    },
    close() {
      outer.close();
      cut();
      proxy.closeAllConnections();
      proxy.close();
    },
  };
}
