// The REST API.
import express from 'express';

import { closeBroker, connectBroker, publisher } from './broker.js';
import { config } from './config.js';
import { connectMongo, disconnectMongo } from './models.js';
import { answerProblem, notFound } from './problems.js';
import { stopOnSignal } from './process.js';
import { auth } from './routes/auth.js';
import { lists } from './routes/lists.js';
import { people } from './routes/people.js';
import { posts } from './routes/posts.js';
import { authenticate } from './tokens.js';

const [channel] = await Promise.all([connectBroker(), connectMongo()]);
const publish = publisher(channel);

const app = express();
app.disable('x-powered-by');
app.get('/readyz', (_request, response) => response.json({ ok: true }));
app.use(express.json());
app.use(auth);
app.use(authenticate);
app.use(posts(publish), lists, people(publish));
app.use(() => { throw notFound(); });
app.use(answerProblem);

const server = app.listen(config.port, config.host);
server.keepAliveTimeout = 65_000; // longer than a load balancer's
stopOnSignal(() => new Promise((done) => { server.close(done); server.closeAllConnections(); }), closeBroker, disconnectMongo);
