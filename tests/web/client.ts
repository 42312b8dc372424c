// What an app writes with the types of web/types; tsc checks it, and each line that must not pass is marked.
import { io, type Socket } from "socket.io-client";
import type { Ack, ClientToServerEvents, Schemas, ServerToClientEvents } from "../../web/types/events";
import type { paths } from "../../web/types/rest";

type Plaza = Socket<ServerToClientEvents, ClientToServerEvents>;

export async function follow(url: string, token: string): Promise<number> {
  const socket: Plaza = io(url, { auth: { token } });
  let last = "";
  socket.on("notification", (notification, offset) => {
    const names: string[] = notification.actors.map((actor) => actor.username);
    last = offset;
    console.log(notification.type === "like" ? names : notification.post_id?.length);
  });
  socket.on("post.stats", ({ likes, version }) => console.log(likes + version));
  // @ts-expect-error there is no such event
  socket.on("post.exploded", () => {});
  // @ts-expect-error a hint has no offset
  socket.on("post.stats", (stats, offset: string) => console.log(stats, offset));

  const answer: Ack<Schemas["LikeState"]> = await socket.emitWithAck("post.like", { post_id: "66f2a1c4e3b0a1d2c3f4a505" });
  if (!answer.ok) throw new Error(answer.problem.code);
  socket.emit("post.create", { text: "hello", visibility: "followers" }, (ack) => {
    if (ack.ok) console.log(ack.data.author.username, ack.data.liked);
  });
  // @ts-expect-error the id is missing
  socket.emit("post.watch", {}, () => {});
  // @ts-expect-error a field that has no meaning
  socket.emit("post.unwatch", { post_id: "66f2a1c4e3b0a1d2c3f4a505", colour: "red" }, () => {});
  // @ts-expect-error every message is acked
  socket.emit("typing", { post_id: "66f2a1c4e3b0a1d2c3f4a505" });
  const missed = await socket.emitWithAck("sync", { after: last });
  return missed.ok ? missed.data.events.length : answer.data.likes;
}

type Publish = paths["/v1/posts"]["post"];
type Body = Publish["requestBody"]["content"]["application/json"];
type Published = Publish["responses"][201]["content"]["application/json"];

export async function publish(url: string, token: string, body: Body): Promise<Published["id"]> {
  const answer = await fetch(`${url}/v1/posts`, { method: "POST", headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  const post = (await answer.json()) as Published;
  return post.id;
}

export const right: Body = { text: "hello" };
// @ts-expect-error a text is no number
export const wrong: Body = { text: 42 };
