// The Socket.IO gateway.
import { createServer } from 'node:http';

import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

import { config } from './config.js';
import { connectMongo, disconnectMongo } from './models.js';
import { Problem } from './problems.js';
import { stopOnSignal } from './process.js';
import { verify } from './tokens.js';
import { statsView } from './views.js';
import { visiblePost } from './visibility.js';

await connectMongo();
const redis = new Redis(config.redisUrl);
const subscriber = redis.duplicate();

const server = createServer((request, response) => {
  response.writeHead(request.url === '/readyz' ? 200 : 404, { 'Content-Length': 0 }).end();
});
const io = new Server(server, { adapter: createAdapter(redis, subscriber) });

io.use((socket, next) => {
  try {
    socket.data.userId = verify(socket.handshake.auth.token);
    next();
  } catch (problem) {
    next(Object.assign(new Error(problem.title), { data: problem.body() }));
  }
});

// Every message is answered: {ok: true, data} or {ok: false, problem}.
const answering = (handle) => async (message, answer) => {
  try {
    answer?.({ ok: true, data: await handle(message ?? {}) });
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error);
    const problem = error instanceof Problem ? error : new Problem(500, 'internal', 'Something went wrong here');
    answer?.({ ok: false, problem: problem.body() });
  }
};

io.on('connection', (socket) => {
  socket.join(`user:${socket.data.userId}`);
  socket.on('post.watch', answering(async ({ post_id: id }) => {
    const post = await visiblePost(id, socket.data.userId);
    await socket.join(`post:${post._id}`);
    return statsView(post);
  }));
  socket.on('post.unwatch', answering(({ post_id: id }) => socket.leave(`post:${id}`)));
});

server.listen(config.port, config.host);
stopOnSignal(() => io.close(), disconnectMongo, () => Promise.all([redis.quit(), subscriber.quit()]));
