// What people read page by page: their home timeline, and their notifications.
import { Router } from 'express';

import { FeedEntry, Like, Notification, Post, User } from '../models.js';
import { invalid } from '../problems.js';
import { notificationView, postView } from '../views.js';
import { hiddenFrom, isId } from '../visibility.js';

// The page that is asked for: the newest, or what is older than `cursor`.
function page(query, field) {
  const limit = Number(query.limit ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw invalid('A page has 1 to 100 items');
  if (query.cursor !== undefined && !isId(query.cursor)) throw invalid('This is no cursor');
  return { limit, older: query.cursor ? { [field]: { $lt: query.cursor } } : {} };
}

const byId = (documents) => new Map(documents.map((each) => [String(each._id), each]));

export const lists = Router();

lists.get('/v1/feed', async (request, response) => {
  const me = request.userId;
  const { limit, older } = page(request.query, 'post');
  const entries = await FeedEntry.find({ owner: me, ...older }).sort({ post: -1 }).limit(limit).lean();
  const [ids, authorIds] = [entries.map((each) => each.post), [...new Set(entries.map((each) => String(each.author)))]];
  const [found, authors, likes, hidden] = await Promise.all([
    Post.find({ _id: { $in: ids } }).lean(), User.find({ _id: { $in: authorIds } }).lean(),
    Like.find({ post: { $in: ids }, user: me }).lean(), hiddenFrom(me, authorIds),
  ]);
  const [posts, people, liked] = [byId(found), byId(authors), new Set(likes.map((each) => String(each.post)))];
  const items = entries
    .filter((each) => posts.has(String(each.post)) && !hidden.has(String(each.author)))
    .map((each) => postView(posts.get(String(each.post)), people.get(String(each.author)), liked.has(String(each.post))));
  response.json({ items, next: entries.length === limit ? String(ids.at(-1)) : null });
});

lists.get('/v1/notifications', async (request, response) => {
  const me = request.userId;
  const { limit, older } = page(request.query, '_id');
  const found = await Notification.find({ recipient: me, ...older }).sort({ _id: -1 }).limit(limit).lean();
  const actorIds = [...new Set(found.map((each) => String(each.actor)))];
  const [actors, hidden] = await Promise.all([
    User.find({ _id: { $in: actorIds } }).lean().then(byId), hiddenFrom(me, actorIds),
  ]);
  const items = found
    .filter((each) => !hidden.has(String(each.actor)))
    .map((each) => notificationView(each, actors.get(String(each.actor))));
  response.json({ items, next: found.length === limit ? String(found.at(-1)._id) : null });
});
