// Storage that refuses, is full or silent loses nothing that is in memory.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import test from "node:test";
import { Kept, indexedDbStorage, memoryStorage } from "../src/storage.js";
import { eventually } from "./support.js";

function refusing(storage) {
  const full = { ...storage, refuses: false };
  const guarded = (name) => (...words) => {
    if (full.refuses) throw new DOMException("full", "QuotaExceededError");
    return storage[name](...words);
  };
  return Object.assign(full, { set: guarded("set"), delete: guarded("delete"), get: guarded("get"), keys: guarded("keys") });
}

test("IndexedDB keeps what another page of the origin wrote", async () => {
  await indexedDbStorage("one").set("write:1", { text: "hello" });
  const kept = new Kept(indexedDbStorage("one"), "");
  assert.deepEqual(await kept.get("write:1"), { text: "hello" });
  assert.deepEqual(await kept.keys("write:"), ["write:1"]);
  await kept.delete("write:1");
  assert.deepEqual(await indexedDbStorage("one").keys(""), []);
});

test("storage that is full says so, and what it refused is still there", async () => {
  const storage = refusing(memoryStorage());
  const kept = new Kept(storage, "server ");
  let changes = 0;
  kept.onchange = () => changes++;
  await kept.set("a", 1);
  storage.refuses = true;
  await kept.set("b", 2);
  await kept.delete("a");
  assert.equal(kept.stored, false);
  assert.deepEqual([await kept.get("a"), await kept.get("b"), await kept.keys("")], [undefined, 2, ["b"]]);
  storage.refuses = false;
  await kept.set("b", 3);
  assert.deepEqual([kept.stored, changes, await storage.get("server b")], [true, 2, 3]);
});

test("what storage refused is offered again when it takes something, and a full one is not asked in a loop", async () => {
  const storage = refusing(memoryStorage());
  const kept = new Kept(storage, "");
  storage.refuses = true;
  for (const key of ["session", "write 1", "write 2"]) await kept.set(key, key);
  let asked = 0;
  storage.set = ((set) => (...words) => (asked++, set(...words)))(storage.set);
  await kept.set("write 3", "write 3");
  assert.deepEqual([kept.stored, asked], [false, 1]);
  storage.refuses = false;
  await kept.delete("write 1");
  await eventually(() => kept.stored);
  assert.deepEqual([storage.keys("").sort(), asked], [["session", "write 2", "write 3"], 4]);
});

test("two servers do not see each other's keys", async () => {
  const storage = memoryStorage();
  await new Kept(storage, "one ").set("current", "ada");
  assert.equal(await new Kept(storage, "two ").get("current"), undefined);
  assert.deepEqual(await new Kept(storage, "two ").keys(""), []);
});
