// Random acts of people whose network is cut again and again: at the end every store equals a fresh fetch.
//
//   node test/converge.js --acts 1000 --people 20 --drops 50 --seed 7

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { createPlaza } from "../src/index.js";
import { API, PASSWORD, REALTIME, eventually, gate, opened, person } from "./support.js";

const HOSTS = 6; // posts whose pages are open
const LONGEST_CUT_MS = 600;
const LONGEST_WAY_MS = 1_000; // between two cuts

/** Return numbers from 0 to 1 that are the same for each seed. */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Let people act and lose their network; return what was compared. Throws where a store differs from a fetch. */
export async function converge({ acts, people: size, drops, seed, log = () => {} }) {
  const random = randomOf(seed);
  const any = (list) => list[Math.floor(random() * list.length)];
  const people = [];
  for (let at = 0; at < size; at++) people.push(await newcomer());
  const names = people.map(({ name }) => name);
  const ids = people.map(({ plaza }) => plaza.session.get().user.id);
  for (const each of people) await Promise.all(names.filter((name) => name !== each.name && random() < 0.4).map((name) => each.plaza.follow(name)));
  const posts = [];
  for (let at = 0; at < HOSTS; at++) posts.push(await any(people).plaza.publish({ text: `host ${at}` }));
  const comments = [];
  for (const each of people) {
    const { plaza } = each;
    each.hosts = [any(posts).id, any(posts).id];
    each.stores = [opened(plaza.notifications), opened(plaza.feed), opened(plaza.presence(ids)), opened(plaza.user(each.name)), opened(plaza.posts(each.name))];
    for (const id of each.hosts) each.stores.push(opened(plaza.post(id)), opened(plaza.comments(id)));
  }

  const choices = {
    publish: async (plaza) => posts.push(await plaza.publish({ text: `post ${random()}` })),
    editPost: (plaza) => plaza.editPost(any(posts).id, `edited ${random()}`),
    deletePost: (plaza) => plaza.deletePost(any(posts.slice(HOSTS))?.id ?? posts[0].id),
    like: (plaza) => plaza.like(any(posts).id),
    unlike: (plaza) => plaza.unlike(any(posts).id),
    bookmark: (plaza) => plaza.bookmark(any(posts).id),
    comment: async (plaza) => comments.push(await plaza.comment(any(posts).id, `comment ${random()} @${any(names)}`)),
    editComment: (plaza) => plaza.editComment(any(comments).id, `edited ${random()}`),
    deleteComment: (plaza) => plaza.deleteComment(any(comments).id),
    likeComment: (plaza) => plaza.likeComment(any(comments).id),
    unlikeComment: (plaza) => plaza.unlikeComment(any(comments).id),
    follow: (plaza) => plaza.follow(any(names)),
    unfollow: (plaza) => plaza.unfollow(any(names)),
    mute: (plaza, each) => {
      const name = any(names);
      each.muted.add(name);
      return plaza.mute(name);
    },
    unmute: (plaza) => plaza.unmute(any(names)),
    markRead: (plaza) => plaza.markRead({ ids: [any(plaza.notifications.get().items).id] }),
    markAllRead: (plaza) => plaza.markRead({ all_until: new Date().toISOString() }),
    readOn: (plaza) => plaza.feed.loadMore(),
    showFresh: (plaza) => plaza.feed.showFresh(),
  };
  const often = ["publish", "like", "like", "like", "comment", "comment", "likeComment", "likeComment"];
  const plan = [...Object.keys(choices), ...often];
  let refused = 0;
  const apart_ms = (drops * (LONGEST_WAY_MS + LONGEST_CUT_MS)) / 2 / acts; // acts and cuts end together
  const run = async () => {
    for (let done = 0; done < acts; done++) {
      const each = any(people);
      const act = async () => choices[any(plan)](each.plaza, each);
      const acting = act().catch((error) => {
        if (error.status) refused++;
        else if (error.code !== "unreachable" && !(error instanceof TypeError)) fail(error); // a page was asked for in a cut; nothing is there to act on
      });
      pending.add(acting);
      void acting.finally(() => pending.delete(acting));
      await new Promise((resolve) => setTimeout(resolve, random() * 2 * apart_ms));
    }
  };
  const pending = new Set();
  let cuts = 0;
  const drop = async ({ gates }) => {
    for (let at = 0; at < drops; at++) {
      await new Promise((resolve) => setTimeout(resolve, random() * LONGEST_WAY_MS));
      const cut = any([[gates[0]], [gates[1]], gates]);
      for (const each of cut) each.cut();
      cuts++;
      await new Promise((resolve) => setTimeout(resolve, random() * LONGEST_CUT_MS));
      for (const each of cut) each.restore();
    }
  };
  await Promise.all([run(), ...people.map(drop)]);
  log(`${acts} acts and ${cuts} cuts are done; waiting for ${pending.size} answers`);
  await Promise.all(pending);
  let compared = 0;
  for (const each of people) compared += await compare(each, ids);
  for (const { plaza, gates, reader } of people) {
    plaza.close();
    reader.close();
    for (const each of gates) each.close();
  }
  return { acts, cuts, refused, compared };
}

async function newcomer() {
  const gates = [await gate(API), await gate(REALTIME)];
  const plaza = await person({ url: gates[0].url, realtime: gates[1].url });
  const name = plaza.session.get().user.username;
  const reader = createPlaza({ url: API, realtime: REALTIME });
  await reader.login({ username: name, password: PASSWORD });
  return { plaza, gates, name, reader, muted: new Set() };
}

/** Wait until each store of a person equals a new one of a client that has just come; return how many there are. */
async function compare({ plaza, reader, name, hosts, stores, muted }, ids) {
  const [notifications, feed, presence, user, listed, ...pages] = stores;
  const fresh = [opened(reader.notifications), opened(reader.feed), opened(reader.presence(ids)), opened(reader.user(name)), null];
  for (const id of hosts) fresh.push(opened(reader.post(id)), opened(reader.comments(id)));
  fresh[4] = opened(reader.list(listed._asked.path, { path: listed._asked.params }));
  for (const [at, store] of [notifications, feed, presence, user, listed, ...pages].entries()) {
    await eventually(async () => {
      plaza.feed.showFresh();
      reader.feed.showFresh();
      await fresh[at].refresh();
      const both = [store, fresh[at]].map((each) => comparable(each, muted));
      if (store.get().more || fresh[at].get().more) {
        const most = Math.min(...both.map(({ items }) => items.length)); // as far as both have read
        for (const each of both) each.items = each.items.slice(0, most);
      }
      assert.deepEqual(differences(...both), [], `${name}: ${store.constructor.name}`);
      return true;
    });
  }
  return stores.length;
}

/**
 * Return what two snapshots must have in common: all but how far each has read, when it heard of a read, ids that pushes leave
 * out, reposts, which are not pushed, and things by people who were muted, of whom nothing is pushed.
 */
function comparable(store, muted) {
  const { value, unread, status, ...lists } = store.get();
  const items = lists.items?.filter(({ author }) => !muted.has(author?.username));
  const plain = (item) => {
    const { reposted_by, place, ...rest } = item ?? {};
    const read = "read_at" in rest ? { read_at: !!rest.read_at } : {};
    const entities = rest.entities?.map(({ user_id, ...entity }) => entity);
    return { ...rest, ...read, ...(entities && { entities }) };
  };
  const online = items?.some((item) => "online" in item) && items.filter((item) => item.online).map((item) => item.user_id);
  return { status, unread, value: value && !muted.has(value.author?.username) && plain(value), items: online || items?.map(plain) };
}

/** Return where two values differ, as paths with both. */
function differences(one, other, path = "") {
  if (Object.is(one, other)) return [];
  const inside = [one, other].every((value) => value && typeof value === "object");
  if (!inside) return [`${path}: ${JSON.stringify(one)} instead of ${JSON.stringify(other)}`];
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].flatMap((name) => differences(one[name], other[name], `${path}.${name}`));
}

function fail(error) {
  throw error;
}

if (process.argv[1] === import.meta.filename) {
  const number = { type: "string" };
  const { values } = parseArgs({ options: { acts: number, people: number, drops: number, seed: number } });
  const { acts = 1_000, people = 20, drops = 50, seed = Date.now() % 100_000 } = values;
  const size = { acts: Number(acts), people: Number(people), drops: Number(drops), seed: Number(seed) };
  console.log("seed", size.seed);
  const began = performance.now();
  console.log(await converge({ ...size, log: console.log }), `${Math.round((performance.now() - began) / 100) / 10} s`);
}
