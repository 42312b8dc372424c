// The official client, driven line by line: commands as JSON on standard input, what happens on standard output.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
let socket;

function connect({ url, page, auth, options }) {
  const all = { auth, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options };
  if (page) globalThis.location = new URL(page); // as a browser has it
  socket = page ? io(all) : io(url, all);
  socket.on("connect", () => say({ connect: { sid: socket.id, recovered: socket.recovered } }));
  socket.on("connect_error", (error) => say({ connect_error: { message: error.message, data: error.data } }));
  socket.on("disconnect", (reason) => say({ disconnect: reason }));
  socket.onAny((...args) => say({ event: args }));
}

const commands = {
  connect,
  emit: async (args) => say({ ack: await socket.emitWithAck(...args) }),
  binary: async (name) => say({ ack: await socket.emitWithAck(name, Buffer.from([1, 2])) }),
  drop: () => socket.io.engine.close(),
  transport: () => say({ transport: socket.io.engine.transport.name }),
  url: (url) => (socket.io.uri = url),
  auth: (auth) => (socket.auth = auth),
  disconnect: () => socket.disconnect(),
  reconnect: () => socket.connect(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, value] = Object.entries(JSON.parse(line))[0];
  commands[name](value);
}
process.exit(0);
