// What follows from an event: notifications, live counts, and home timelines.
import { Emitter } from '@socket.io/redis-emitter';
import { createServer } from 'node:http';
import { Redis } from 'ioredis';

import { closeBroker, connectBroker, consume, FEEDS, NOTIFICATIONS } from './broker.js';
import { config } from './config.js';
import { connectMongo, disconnectMongo, FeedEntry, Follow, isDuplicate, Notification, Post, User } from './models.js';
import { stopOnSignal } from './process.js';
import { notificationView, statsView } from './views.js';

const BACKFILLED = 20; // posts of somebody whom one follows from now on

await Promise.all([connectBroker(), connectMongo()]);
const redis = new Redis(config.redisUrl);
const emitter = new Emitter(redis);

async function notify(type, jobId, { recipient, actor, post = null }) {
  if (recipient === actor) return; // blocks were looked at when it was liked
  const who = await User.findById(actor).lean();
  if (!who) return;
  try {
    const notification = await Notification.create({ jobId, recipient, type, actor, post });
    emitter.to(`user:${recipient}`).emit('notification', notificationView(notification, who));
  } catch (error) {
    if (!isDuplicate(error)) throw error; // this job was done before
  }
}

async function showStats(id) {
  const post = await Post.findById(id).lean();
  if (post) emitter.to(`post:${id}`).emit('post.stats', statsView(post));
}

// Entries that are there already stay; the insert is unordered, so all others are written.
async function addEntries(entries) {
  try {
    if (entries.length) await FeedEntry.insertMany(entries, { ordered: false });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
}

async function fanOut({ post, author }) {
  const followers = await Follow.find({ followee: author }).lean();
  await addEntries(followers.map((each) => ({ owner: each.follower, post, author })));
}

async function backfill({ actor, recipient }) {
  const posts = await Post.find({ author: recipient }).sort({ _id: -1 }).limit(BACKFILLED).select('_id').lean();
  await addEntries(posts.map((each) => ({ owner: actor, post: each._id, author: recipient })));
}

await consume(NOTIFICATIONS, async ({ type, jobId, data }) => {
  if (type === 'user.followed') await notify('follow', jobId, data);
  else if (type === 'post.liked') await Promise.all([notify('like', jobId, data), showStats(data.post)]);
  else await showStats(data.post);
});

await consume(FEEDS, async ({ type, data }) => {
  if (type === 'post.created') await fanOut(data);
  else if (type === 'user.followed') await backfill(data);
  else await FeedEntry.deleteMany({ post: data.post });
});

const health = createServer((_request, response) => response.writeHead(200, { 'Content-Length': 0 }).end());
health.listen(config.port, config.host);
stopOnSignal(closeBroker, () => health.close(), disconnectMongo, () => redis.quit());
