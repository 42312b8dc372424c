// Who follows and blocks whom.
import { Router } from 'express';

import { Block, FeedEntry, Follow, isDuplicate, User } from '../models.js';
import { notFound } from '../problems.js';
import { visibleUser } from '../visibility.js';

// Insert a document; false where a unique index says that it is there already.
async function inserted(model, document) {
  try {
    await model.create(document);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

export function people(publish) {
  const router = Router();

  router.put('/v1/users/:username/follow', async (request, response) => {
    const user = await visibleUser(request.params.username, request.userId);
    const pair = { follower: request.userId, followee: user._id };
    if (String(user._id) !== request.userId && await inserted(Follow, pair)) {
      const data = { recipient: String(user._id), actor: request.userId };
      publish('user.followed', `follow:${data.actor}:${data.recipient}`, data);
    }
    const followers = await Follow.countDocuments({ followee: user._id });
    response.json({ username: user.username, following: true, followers });
  });

  router.delete('/v1/users/:username/follow', async (request, response) => {
    const user = await visibleUser(request.params.username, request.userId);
    await Follow.deleteOne({ follower: request.userId, followee: user._id });
    await FeedEntry.deleteMany({ owner: request.userId, author: user._id });
    const followers = await Follow.countDocuments({ followee: user._id });
    response.json({ username: user.username, following: false, followers });
  });

  router.put('/v1/users/:username/block', async (request, response) => {
    const me = request.userId;
    const user = await visibleUser(request.params.username, me);
    await inserted(Block, { blocker: me, blocked: user._id });
    await Follow.deleteMany({
      $or: [{ follower: me, followee: user._id }, { follower: user._id, followee: me }],
    });
    response.json({ following: false, followed_by: false, blocking: true });
  });

  router.delete('/v1/users/:username/block', async (request, response) => {
    const user = await User.findOne({ username: request.params.username.toLowerCase() }).lean();
    if (!user) throw notFound();
    await Block.deleteOne({ blocker: request.userId, blocked: user._id });
    response.json({ following: false, followed_by: false, blocking: false });
  });

  return router;
}
