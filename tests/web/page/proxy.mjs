// A proxy as companies have it: it passes on an answer when it is complete, and lets no websocket through.
import { createServer, request } from "node:http";
import { connect } from "node:net";

/** Return a proxy that listens on a free port of this machine. */
export async function bufferingProxy() {
  const open = new Set();
  const proxy = {
    swallows: false, // else it refuses tunnels, through which browsers open websockets
    forbidden: null, // the server that it forbids
    polls: 0, // of sessions of long polling that it passed on
    tunnels: 0, // to servers of this machine that it was asked for
    /** Forbid a server, and cut what is open. */
    forbid(name, port) {
      proxy.forbidden = `${name}:${port}`;
      for (const socket of open) socket.destroy();
    },
    allow() {
      proxy.forbidden = null;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
  const server = createServer((asked, answer) => {
    const { host, pathname, searchParams } = new URL(asked.url);
    if (host === proxy.forbidden) return void answer.writeHead(403, { "Content-Type": "text/html" }).end("<h1>Forbidden by policy</h1>");
    const far = request(asked.url, { method: asked.method, headers: asked.headers }, async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      proxy.polls += Number(pathname === "/socket.io/" && searchParams.has("sid"));
      answer.writeHead(response.statusCode, response.headers).end(Buffer.concat(parts));
    });
    far.on("error", () => answer.destroy());
    answer.on("close", () => far.destroy());
    asked.pipe(far);
  });
  server.on("connect", ({ url }, near) => {
    const { hostname, port } = new URL(`http://${url}`);
    const here = hostname === "127.0.0.1"; // browsers ask for sites of their makers, too
    proxy.tunnels += Number(here);
    near.on("error", () => {});
    if (!here || !proxy.swallows || url === proxy.forbidden) return void near.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const far = connect(Number(port), hostname);
    const held = [];
    far.on("error", () => {});
    far.on("data", (data) => held.push(data)); // passed on once it is complete, which a websocket never is
    far.on("close", () => near.end(Buffer.concat(held)));
    near.on("close", () => far.destroy());
    near.write("HTTP/1.1 200 Connection established\r\n\r\n");
    near.pipe(far);
  });
  server.on("connection", (socket) => open.add(socket.on("close", () => open.delete(socket))));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(proxy, { server: `http://127.0.0.1:${server.address().port}` });
}
