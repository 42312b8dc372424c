// The official JavaScript client against our server: node official_client.mjs <port> <scenario>; exit 0 when all held.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";

const [port, scenario] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}`;
const once = (socket, event) => new Promise((resolve) => socket.once(event, (...data) => resolve(data)));

async function talk(options) {
  const socket = io(url, { ...options, forceNew: true, auth: { token: "t" } });
  const got = [];
  socket.on("n", (n) => got.push(n));
  socket.on("question", (answer) => answer("question"));
  await once(socket, "connect");
  assert.deepEqual(await socket.emitWithAck("echo", 1, "two", { three: [3] }), [1, "two", { three: [3] }]);
  const binary = await socket.emitWithAck("echo", Buffer.from([1, 2, 3]), "text");
  assert.deepEqual([[...binary[0]], binary[1]], [[1, 2, 3], "text"]);
  assert.equal(await socket.emitWithAck("ask me"), "answer of question");
  await socket.emitWithAck("count to", 50);
  assert.deepEqual(got, Array.from({ length: 50 }, (_, n) => n));
  return socket;
}

const scenarios = {
  async polling() {
    const socket = await talk({ transports: ["polling"] });
    assert.equal(socket.io.engine.transport.name, "polling");
    socket.disconnect();
  },
  async websocket() {
    const socket = await talk({ transports: ["websocket"] });
    socket.disconnect();
  },
  async upgrade() {
    const socket = io(url, { forceNew: true });
    const got = [];
    socket.on("n", (n) => got.push(n));
    const upgraded = once(socket.io.engine, "upgrade");
    await once(socket, "connect");
    const counted = socket.emitWithAck("count slowly to", 200);
    await upgraded;
    await counted;
    assert.equal(socket.io.engine.transport.name, "websocket");
    assert.deepEqual(got, Array.from({ length: 200 }, (_, n) => n));
    (await talk({})).disconnect();
    socket.disconnect();
  },
  async base64() {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const socket = await talk({ transports, forceBase64: true });
      const text = [];
      while (transports.length > 1 && socket.io.engine.transport.name !== "websocket") await sleep(5);
      if (transports.includes("websocket")) {
        socket.io.engine.transport.ws.addEventListener("message", ({ data }) => text.push(typeof data === "string"));
      }
      const [there] = await socket.emitWithAck("echo", Buffer.from([1, 2, 3]));
      assert.deepEqual([...there], [1, 2, 3]);
      assert.ok(text.every(Boolean), "binary came as binary");
      socket.disconnect();
    }
  },
  async halves() {
    for (const transports of [["polling"], ["websocket"]]) {
      const half = "hello \u{1F600}".slice(0, 7);
      const socket = io(url, { transports, forceNew: true, reconnection: false, auth: { name: half } });
      await once(socket, "connect");
      let deep = half;
      for (let level = 0; level < 200; level++) deep = [deep];
      assert.deepEqual(await socket.emitWithAck("echo", half, { [half]: half }, deep), [half, { [half]: half }, deep]);
      assert.equal(await socket.emitWithAck(7), "seven");
      for (let level = 0; level < 1_200; level++) deep = [deep];
      assert.equal(await socket.emitWithAck("how deep", deep), "too deep");
      assert.equal(await socket.emitWithAck("how deep", Buffer.from([1]), deep), "too deep");
      assert.equal(await socket.emitWithAck("how deep", 1), "shallow");
      socket.disconnect();
    }
  },
  async refusal() {
    const socket = io(url, { forceNew: true, auth: { refuse: true } });
    const [error] = await once(socket, "connect_error");
    assert.equal(error.message, "not you");
    assert.deepEqual(error.data, { code: "invalid_token" });
    socket.auth = {};
    socket.connect();
    await once(socket, "connect");
    socket.disconnect();
  },
  async namespaces() {
    const main = io(url, { forceNew: true });
    const custom = main.io.socket("/custom");
    const unknown = main.io.socket("/unknown");
    const [[error]] = await Promise.all([once(unknown, "connect_error"), once(main, "connect"), once(custom, "connect")]);
    assert.equal(error.message, "Invalid namespace");
    assert.deepEqual(await custom.emitWithAck("echo", "x"), ["x"]);
    custom.disconnect();
    assert.deepEqual(await main.emitWithAck("echo", "y"), ["y"]);
    main.disconnect();
  },
  async reconnect() {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const socket = io(url, { transports, forceNew: true, reconnectionDelay: 10, randomizationFactor: 0 });
      const upgraded = transports.length > 1 && once(socket.io.engine, "upgrade");
      await once(socket, "connect");
      await upgraded;
      for (let round = 0; round < 3; round++) {
        const first = socket.id;
        const [lost, again] = [once(socket, "disconnect"), once(socket, "connect")];
        socket.emit("cut me");
        assert.notEqual((await lost)[0], "io server disconnect");
        await again;
        assert.notEqual(socket.id, first);
      }
      assert.deepEqual(await socket.emitWithAck("echo", "back"), ["back"]);
      socket.disconnect();
    }
  },
  async recovery() {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      const socket = io(url + "/recovering", { transports, forceNew: true, reconnectionDelay: 5, randomizationFactor: 0 });
      const got = [];
      socket.on("item", (n) => got.push(n));
      await once(socket, "connect");
      const first = socket.id;
      for (let round = 0; round < 8; round++) {
        await sleep(40);
        const [, again] = [once(socket, "disconnect"), once(socket, "connect")];
        socket.emit("cut me");
        await again;
        assert.equal(socket.recovered, true);
        assert.equal(socket.id, first);
      }
      const last = await socket.emitWithAck("stop");
      while (got.length < last) await sleep(5);
      await sleep(30);
      assert.deepEqual(got, Array.from({ length: last }, (_, n) => n + 1));
      assert.equal(await socket.emitWithAck("is my room back"), true);
      socket.disconnect();
    }
  },
  async disconnected() {
    const socket = io(url, { forceNew: true, reconnectionDelay: 10 });
    await once(socket, "connect");
    const lost = once(socket, "disconnect");
    socket.emit("disconnect me");
    assert.equal((await lost)[0], "io server disconnect");
    await sleep(100);
    assert.equal(socket.connected, false);
    socket.disconnect();
  },
  async heartbeat() {
    const socket = io(url, { forceNew: true });
    let [lost, pings] = [0, 0];
    socket.on("disconnect", () => lost++);
    socket.io.on("ping", () => pings++);
    await once(socket, "connect");
    while (pings < 12 && !lost) await sleep(20); // in 3.6 s: one that was not answered ends a connection after 3.3 s
    assert.deepEqual(await socket.emitWithAck("echo", "alive"), ["alive"]);
    assert.equal(lost, 0);
    socket.disconnect();
  },
  async many() {
    const endings = ["disconnect", "close", "cut me", "disconnect me"];
    for (let batch = 0; batch < 12; batch++) {
      await Promise.all(
        Array.from({ length: 8 }, async (_, n) => {
          const socket = await talk({ transports: [["polling", "websocket"], ["polling"], ["websocket"]][n % 3], reconnection: false });
          const ending = endings[(n + batch) % 4];
          const lost = once(socket, "disconnect");
          if (ending === "disconnect") socket.disconnect();
          else if (ending === "close") socket.io.engine.close();
          else socket.emit(ending);
          await lost;
          socket.disconnect();
        }),
      );
    }
  },
};

globalThis.setTimeout(() => { console.error(`${scenario}: timed out`); process.exit(2); }, 100_000).unref();
await scenarios[scenario]();
process.exit(0);
