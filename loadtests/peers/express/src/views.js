// What clients see of a document.
export const userRef = (user) => ({
  id: String(user._id),
  username: user.username,
  display_name: user.displayName,
  avatar_url: user.avatarUrl ?? null,
});

export const postView = (post, author, liked) => ({
  id: String(post._id),
  author: userRef(author),
  text: post.text,
  created_at: post.createdAt,
  edited_at: post.editedAt,
  likes: post.likes,
  comments: post.comments,
  version: post.version,
  liked,
});

export const statsView = (post) => ({
  post_id: String(post._id),
  likes: post.likes,
  comments: post.comments,
  version: post.version,
});

export const notificationView = (notification, actor) => ({
  id: String(notification._id),
  type: notification.type,
  target: notification.post
    ? { kind: 'post', id: String(notification.post) }
    : { kind: 'user', id: String(notification.recipient) },
  post_id: notification.post ? String(notification.post) : null,
  actors: [userRef(actor)],
  count: 1,
  created_at: notification.createdAt,
  updated_at: notification.createdAt,
  read_at: notification.readAt,
});
