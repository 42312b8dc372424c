// Written by `make docs` from docs/asyncapi.json; a test fails when it differs from that document.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        BookmarkPost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description Whether the post is among your bookmarks. */
        BookmarkState: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            bookmarked: boolean;
        };
        /** @description A comment as you see it. */
        Comment: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /**
             * @description the comment that it replies to; replies have no replies of their own
             * @default null
             */
            parent_id: string | null;
            author: components["schemas"]["UserRef"];
            text: string;
            /**
             * @description the mentions and hashtags in the text, in order
             * @default []
             */
            entities: components["schemas"]["Entity"][];
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /** @default null */
            edited_at: string | null;
            /** @default 0 */
            rev: number;
            /** @default 0 */
            likes: number;
            /** @default 0 */
            replies: number;
            /** @default 0 */
            version: number;
            /** @default false */
            liked: boolean;
        };
        /** @description A comment was deleted. */
        CommentGone: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /**
             * @description the comment that it was a reply to
             * @default null
             */
            parent_id: string | null;
        };
        /** @description Whether you like a comment, and its likes as counted so far (may lag a moment). */
        CommentLikeState: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
            liked: boolean;
            likes: number;
            version: number;
        };
        /**
         * @description A comment without anything that depends on its viewer, as pushes carry it.
         *
         *     `version` orders it against `comment.stats`, and `rev`, which grows with each edit, against `comment.updated`.
         */
        CommentPublic: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /**
             * @description the comment that it replies to; replies have no replies of their own
             * @default null
             */
            parent_id: string | null;
            author: components["schemas"]["UserRef"];
            text: string;
            /**
             * @description the mentions and hashtags in the text, in order
             * @default []
             */
            entities: components["schemas"]["Entity"][];
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /** @default null */
            edited_at: string | null;
            /** @default 0 */
            rev: number;
            /** @default 0 */
            likes: number;
            /** @default 0 */
            replies: number;
            /** @default 0 */
            version: number;
        };
        /** @description A comment's counts. */
        CommentStats: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            likes: number;
            replies: number;
            version: number;
        };
        CreateComment: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /** @description lines of text; at most 2,000 characters as people count them (UAX 29), 16,000 bytes; surrounding spaces are removed; refused without a visible character */
            text: string;
            /** @default null */
            parent_id?: string | null;
        };
        CreatePost: {
            /** @default null */
            idempotency_key?: string | null;
            /**
             * @description ids of your pictures that are in no post yet, in order
             * @default []
             */
            media?: string[];
            /** @description lines of text; at most 2,000 characters as people count them (UAX 29), 16,000 bytes; surrounding spaces are removed; refused without a visible character; with pictures it may be empty */
            text: string;
            /**
             * @description for everybody, or for your followers
             * @default public
             * @enum {string}
             */
            visibility?: "public" | "followers";
        };
        DeleteComment: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
        };
        DeletePost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description The gateway stops: connect again after `after_ms`, or be disconnected then and reconnect by yourself. */
        Drain: {
            after_ms: number;
        };
        EditComment: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
            /** @description lines of text; at most 2,000 characters as people count them (UAX 29), 16,000 bytes; surrounding spaces are removed; refused without a visible character */
            text: string;
            /** @default null */
            rev?: number | null;
        };
        EditOnePost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /** @description lines of text; at most 2,000 characters as people count them (UAX 29), 16,000 bytes; surrounding spaces are removed; refused without a visible character; with pictures it may be empty */
            text: string;
            /** @default null */
            rev?: number | null;
        };
        /**
         * @description A mention or hashtag in a text: characters `start` to `end`, counted in Unicode code points.
         *
         *     A text has at most 50 mentions and 30 hashtags, the first ones; the rest is plain text. So are mentions of people
         *     who do not exist for the author or, because of a block, for the reader.
         */
        Entity: {
            /** @enum {string} */
            kind: "mention" | "hashtag";
            /** @description index of the @ or # */
            start: number;
            /** @description index of the first character after it */
            end: number;
            /** @description the username, or the hashtag in the form used for search: without #, case, width and joiners */
            key: string;
            /**
             * @description id of the mentioned person; null in events to many people, which have only the username
             * @default null
             */
            user_id: string | null;
        };
        /** @description The home timeline changed by more than a new post: fetch it again. */
        FeedChanged: {
            /** @enum {string} */
            reason: "followed" | "unfollowed" | "muted" | "unmuted" | "blocked" | "unblocked";
        };
        /** @description A post that comes into your home timeline, pushed with its place and with who reposted it, if that is why. */
        FeedPostPublic: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            author: components["schemas"]["UserRef"];
            text: string;
            /**
             * @description the mentions and hashtags in the text, in order
             * @default []
             */
            entities: components["schemas"]["Entity"][];
            /** @default [] */
            media: components["schemas"]["MediaRef"][];
            /**
             * @default public
             * @enum {string}
             */
            visibility: "public" | "followers";
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /** @default null */
            edited_at: string | null;
            /** @default 0 */
            rev: number;
            likes: number;
            comments: number;
            /** @default 0 */
            reposts: number;
            version: number;
            /**
             * @description its place in the timeline, greater is newer: its own id, or that of the repost
             * @example 66f2a1c4e3b0a1d2c3f4a5b6
             */
            place: string;
            /** @default null */
            reposted_by: components["schemas"]["UserRef"] | null;
        };
        /** @description A wrong field: a JSON pointer into the body, or the name of a parameter. */
        FieldProblem: {
            /** @example /text */
            pointer: string;
            /** @example string_too_long */
            code: string;
            detail: string;
        };
        /** @description Whether you follow the person or asked to, and their followers as counted so far (may lag a moment). */
        FollowState: {
            username: string;
            following: boolean;
            /**
             * @description their account is private, and they have not answered yet
             * @default false
             */
            requested: boolean;
            followers: number;
        };
        FollowUser: {
            /** @default null */
            idempotency_key?: string | null;
            /**
             * @description 3 to 30 of a-z, 0-9 and _; converted to lower case, without surrounding spaces; never changes
             * @example ada
             */
            username: string;
        };
        LikeComment: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
        };
        LikePost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description Whether you like the post, and its likes as counted so far (may lag a moment). */
        LikeState: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            liked: boolean;
            likes: number;
            version: number;
        };
        /** @description A picture as a post shows it. The URLs are signed and expire; request the post again for fresh ones. */
        MediaRef: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            /** @description URL of the picture, relative to this API; usable in `<img>`, without a token */
            url: string;
            /** @description URL of the picture at most 400 pixels wide and high */
            thumbnail_url: string;
            /** @description pixels */
            width: number;
            /** @description pixels */
            height: number;
            /** @enum {string} */
            mime: "image/jpeg" | "image/png" | "image/webp";
            /** @description placeholder to show while it loads (blurha.sh) */
            blurhash: string;
            /** @default  */
            alt: string;
            /**
             * @description the file was cut off or damaged: unreadable parts are grey, black or transparent
             * @default false
             */
            truncated: boolean;
        };
        /** @description A group of notifications: the newest actors (at most 8), and their count; `rev` grows with each change. */
        Notification: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            /** @enum {string} */
            type: "like" | "comment" | "reply" | "mention" | "follow" | "follow_request" | "follow_accepted" | "repost";
            target: components["schemas"]["Target"];
            /** @default null */
            post_id: string | null;
            actors: components["schemas"]["UserRef"][];
            count: number;
            rev: number;
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            updated_at: string;
            /** @default null */
            read_at: string | null;
        };
        /** @description A notification was removed: its cause is gone. */
        NotificationRemoved: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            rev: number;
        };
        /** @description Notifications were read on another device: these ids, or everything up to a time. */
        NotificationsReadPush: {
            unread: number;
            /** @default null */
            ids: string[] | null;
            /** @default null */
            all_until: string | null;
        };
        /** @description A post as you see it. */
        Post: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            author: components["schemas"]["UserRef"];
            text: string;
            /**
             * @description the mentions and hashtags in the text, in order
             * @default []
             */
            entities: components["schemas"]["Entity"][];
            /** @default [] */
            media: components["schemas"]["MediaRef"][];
            /**
             * @default public
             * @enum {string}
             */
            visibility: "public" | "followers";
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /** @default null */
            edited_at: string | null;
            /** @default 0 */
            rev: number;
            likes: number;
            comments: number;
            /** @default 0 */
            reposts: number;
            version: number;
            liked: boolean;
            /**
             * @description by you
             * @default false
             */
            reposted: boolean;
            /** @default false */
            bookmarked: boolean;
        };
        /** @description A post was deleted. */
        PostGone: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /**
         * @description A post without anything that depends on its viewer, as pushes carry it.
         *
         *     `version` orders it against `post.stats`, and `rev`, which grows with each edit, against `post.updated`.
         */
        PostPublic: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            author: components["schemas"]["UserRef"];
            text: string;
            /**
             * @description the mentions and hashtags in the text, in order
             * @default []
             */
            entities: components["schemas"]["Entity"][];
            /** @default [] */
            media: components["schemas"]["MediaRef"][];
            /**
             * @default public
             * @enum {string}
             */
            visibility: "public" | "followers";
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            created_at: string;
            /** @default null */
            edited_at: string | null;
            /** @default 0 */
            rev: number;
            likes: number;
            comments: number;
            /** @default 0 */
            reposts: number;
            version: number;
        };
        /** @description A post's counts: the answer of `post.watch` and the `post.stats` push. */
        PostStats: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            likes: number;
            comments: number;
            /** @default 0 */
            reposts: number;
            version: number;
        };
        /** @description Whether a person is online; the greater version is the newer state. */
        Presence: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            user_id: string;
            online: boolean;
            /** @default null */
            last_seen_at: string | null;
            version: number;
        };
        /** @description The presence of each requested person, as known now. */
        PresenceSnapshot: {
            people: components["schemas"]["Presence"][];
        };
        /** @description The body of an error (application/problem+json). */
        ProblemBody: {
            /** @default about:blank */
            type?: string;
            title: string;
            status: number;
            code: string;
            /** @default null */
            detail?: string | null;
            /** @default null */
            request_id?: string | null;
            /** @default null */
            errors?: components["schemas"]["FieldProblem"][] | null;
        };
        ReadNotifications: {
            /** @default null */
            ids?: string[] | null;
            /** @default null */
            all_until?: string | null;
        };
        RenewSession: {
            token: string;
        };
        RepostPost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description Whether you repost the post, and its reposts as counted so far (may lag a moment). */
        RepostState: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            reposted: boolean;
            reposts: number;
            version: number;
        };
        SayTyping: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description The session of the socket was revoked; the socket closes. */
        SessionEnded: {
            /**
             * @description why it ended; more values may be added
             * @example logout
             * @example logout_all
             * @example session_removed
             * @example refresh_token_reused
             * @example password_changed
             * @example password_reset
             * @example account_suspended
             * @example account_deleted
             * @example too_many_sessions
             * @example session_revoked
             */
            reason: string;
        };
        /** @description Until when the socket stays open. */
        SessionRenewed: {
            /**
             * Format: date-time
             * @description RFC 3339, UTC, milliseconds
             */
            expires_at: string;
        };
        Sync: {
            after: string;
        };
        /** @description All missed events in order; when not recovered, `events` is empty and the state must be fetched again. */
        SyncAnswer: {
            recovered: boolean;
            events: components["schemas"]["SyncEvent"][];
            offset: string;
        };
        /** @description A missed stream event. */
        SyncEvent: {
            event: string;
            data: unknown;
            offset: string;
        };
        /** @description The subject of a notification: the comment that was replied to, or the post or comment of a mention. */
        Target: {
            /** @enum {string} */
            kind: "post" | "comment" | "user";
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
        };
        /** @description A person is writing a comment on a watched post; forget it after a few seconds. */
        Typing: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            user_id: string;
        };
        UnbookmarkPost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        UnfollowUser: {
            /** @default null */
            idempotency_key?: string | null;
            /**
             * @description 3 to 30 of a-z, 0-9 and _; converted to lower case, without surrounding spaces; never changes
             * @example ada
             */
            username: string;
        };
        UnlikeComment: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            comment_id: string;
        };
        UnlikePost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        /** @description The number of unread notification groups. */
        Unread: {
            unread: number;
        };
        UnrepostPost: {
            /** @default null */
            idempotency_key?: string | null;
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        UnwatchPost: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        UnwatchPresence: {
            user_ids: string[];
        };
        /** @description A person as named inside other things. */
        UserRef: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            id: string;
            username: string;
            display_name: string;
            /**
             * @description URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or of another size with `&size=96` or `&size=512`
             * @default null
             */
            avatar_url: string | null;
        };
        /** @description The counters of the person the socket belongs to. */
        UserStats: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            user_id: string;
            followers: number;
            following: number;
            posts: number;
            version: number;
        };
        WatchPost: {
            /** @example 66f2a1c4e3b0a1d2c3f4a5b6 */
            post_id: string;
        };
        WatchPresence: {
            user_ids: string[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;

export type Schemas = components["schemas"];

/** The problem object of REST. */
export type Problem = Schemas["ProblemBody"];

/** The ack of every message. */
export type Ack<Data> = { ok: true; data: Data } | { ok: false; problem: Problem };

/** Events from the server; events of a person's stream bring the offset to resume from. */
export interface ServerToClientEvents {
  /** Something happened that concerns you. */
  "notification": (body: Schemas["Notification"], offset: string) => void;
  /** A notification group of yours changed. */
  "notification.updated": (body: Schemas["Notification"], offset: string) => void;
  /** A notification was removed: its cause is gone. */
  "notification.removed": (body: Schemas["NotificationRemoved"], offset: string) => void;
  /** Notifications were read on another device of yours. */
  "notifications.read": (body: Schemas["NotificationsReadPush"], offset: string) => void;
  /** A person you follow posted, or reposted a stranger's post. */
  "feed.post": (body: Schemas["FeedPostPublic"]) => void;
  /** Your home timeline changed: fetch it again. */
  "feed.changed": (body: Schemas["FeedChanged"]) => void;
  /** A post you watch, or have in your timeline, was edited. */
  "post.updated": (body: Schemas["PostPublic"]) => void;
  /** A post you watch, or had in your timeline, was deleted. */
  "post.deleted": (body: Schemas["PostGone"]) => void;
  /** The counts of a watched post; newest by version. */
  "post.stats": (body: Schemas["PostStats"]) => void;
  /** A new comment or reply on a watched post. */
  "comment.created": (body: Schemas["CommentPublic"]) => void;
  /** A watched post's comment was edited; newest by rev. */
  "comment.updated": (body: Schemas["CommentPublic"]) => void;
  /** The counts of such a comment; newest by version. */
  "comment.stats": (body: Schemas["CommentStats"]) => void;
  /** A watched post's comment was deleted, with its replies. */
  "comment.deleted": (body: Schemas["CommentGone"]) => void;
  /** Your own counters; newest by version. */
  "user.stats": (body: Schemas["UserStats"]) => void;
  /** A watched person came online or went offline. */
  "presence": (body: Schemas["Presence"]) => void;
  /** A person is writing a comment on a watched post. */
  "typing": (body: Schemas["Typing"]) => void;
  /** The gateway stops: connect again after that many milliseconds. */
  "drain": (body: Schemas["Drain"]) => void;
  /** Your session has ended: log in again. */
  "session.revoked": (body: Schemas["SessionEnded"]) => void;
}

/** Messages from a client; each is acked. */
export interface ClientToServerEvents {
  /** Watch a post's counts and comments live; the answer is a snapshot. */
  "post.watch": (message: Schemas["WatchPost"], ack: (answer: Ack<Schemas["PostStats"]>) => void) => void;
  /** Stop watching a post. */
  "post.unwatch": (message: Schemas["UnwatchPost"], ack: (answer: Ack<null>) => void) => void;
  /** Publish a post. */
  "post.create": (message: Schemas["CreatePost"], ack: (answer: Ack<Schemas["Post"]>) => void) => void;
  /** Edit the text of your post; with `rev`, only if that is still its revision. */
  "post.edit": (message: Schemas["EditOnePost"], ack: (answer: Ack<Schemas["Post"]>) => void) => void;
  /** Delete your post, with its comments and likes. */
  "post.delete": (message: Schemas["DeletePost"], ack: (answer: Ack<null>) => void) => void;
  /** Repost a post to your followers; a second repost changes nothing. */
  "post.repost": (message: Schemas["RepostPost"], ack: (answer: Ack<Schemas["RepostState"]>) => void) => void;
  /** Take a repost back. */
  "post.unrepost": (message: Schemas["UnrepostPost"], ack: (answer: Ack<Schemas["RepostState"]>) => void) => void;
  /** Bookmark a post; a second bookmark changes nothing. */
  "post.bookmark": (message: Schemas["BookmarkPost"], ack: (answer: Ack<Schemas["BookmarkState"]>) => void) => void;
  /** Remove a post from your bookmarks. */
  "post.unbookmark": (message: Schemas["UnbookmarkPost"], ack: (answer: Ack<Schemas["BookmarkState"]>) => void) => void;
  /** Like a post; a second like changes nothing. */
  "post.like": (message: Schemas["LikePost"], ack: (answer: Ack<Schemas["LikeState"]>) => void) => void;
  /** Take a like back. */
  "post.unlike": (message: Schemas["UnlikePost"], ack: (answer: Ack<Schemas["LikeState"]>) => void) => void;
  /** Comment on a post, or reply to a comment under it. */
  "comment.create": (message: Schemas["CreateComment"], ack: (answer: Ack<Schemas["Comment"]>) => void) => void;
  /** Edit the text of your comment; with `rev`, only if that is still its revision. */
  "comment.edit": (message: Schemas["EditComment"], ack: (answer: Ack<Schemas["Comment"]>) => void) => void;
  /** Delete your comment, or one under your post, with its replies. */
  "comment.delete": (message: Schemas["DeleteComment"], ack: (answer: Ack<null>) => void) => void;
  /** Like a comment; a second like changes nothing. */
  "comment.like": (message: Schemas["LikeComment"], ack: (answer: Ack<Schemas["CommentLikeState"]>) => void) => void;
  /** Take a like of a comment back. */
  "comment.unlike": (message: Schemas["UnlikeComment"], ack: (answer: Ack<Schemas["CommentLikeState"]>) => void) => void;
  /** Follow a person. */
  "user.follow": (message: Schemas["FollowUser"], ack: (answer: Ack<Schemas["FollowState"]>) => void) => void;
  /** Stop following a person. */
  "user.unfollow": (message: Schemas["UnfollowUser"], ack: (answer: Ack<Schemas["FollowState"]>) => void) => void;
  /** Mark notifications as read, here and on your other devices. */
  "notifications.read": (message: Schemas["ReadNotifications"], ack: (answer: Ack<Schemas["Unread"]>) => void) => void;
  /** Get the stream's events after an offset; after `recovered: false` fetch the state again. */
  "sync": (message: Schemas["Sync"], ack: (answer: Ack<Schemas["SyncAnswer"]>) => void) => void;
  /** Send a new access token of this session before the old one expires. */
  "session.renew": (message: Schemas["RenewSession"], ack: (answer: Ack<Schemas["SessionRenewed"]>) => void) => void;
  /** Watch whether people are online; the answer is a snapshot. */
  "presence.watch": (message: Schemas["WatchPresence"], ack: (answer: Ack<Schemas["PresenceSnapshot"]>) => void) => void;
  /** Stop watching these people. */
  "presence.unwatch": (message: Schemas["UnwatchPresence"], ack: (answer: Ack<null>) => void) => void;
  /** Show those who watch a post that you are writing a comment. */
  "typing": (message: Schemas["SayTyping"], ack: (answer: Ack<null>) => void) => void;
}
