// Who may see what: two people of whom one blocks the other do not exist for each other.
import { isValidObjectId } from 'mongoose';

import { Block, Post, User } from './models.js';
import { notFound } from './problems.js';

export const isId = (text) => isValidObjectId(text) && String(text).length === 24;

export async function apart(a, b) {
  const either = { $in: [a, b] };
  return (await Block.exists({ blocker: either, blocked: either }).lean()) !== null;
}

// Those of `others` whom the viewer blocks or is blocked by, as strings.
export async function hiddenFrom(viewer, others) {
  const [mine, theirs] = await Promise.all([
    Block.find({ blocker: viewer, blocked: { $in: others } }).lean(),
    Block.find({ blocked: viewer, blocker: { $in: others } }).lean(),
  ]);
  return new Set([...mine.map((each) => String(each.blocked)), ...theirs.map((each) => String(each.blocker))]);
}

export async function visiblePost(id, viewer) {
  const post = isId(id) ? await Post.findById(id).lean() : null;
  if (!post || await apart(viewer, String(post.author))) throw notFound();
  return post;
}

export async function visibleUser(username, viewer) {
  const user = await User.findOne({ username: username.toLowerCase() }).lean();
  if (!user || await apart(viewer, String(user._id))) throw notFound();
  return user;
}
