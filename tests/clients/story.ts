// Ada posts a picture, Bob likes the post, and Ada hears of it: by openapi-fetch with the types of web/types.
// `node story.js URL PICTURE` prints what happened as JSON.
import { readFileSync } from "node:fs";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./rest";

type Problem = components["schemas"]["ProblemBody"];

/** Return the data of an answer, or throw the problem. */
async function good<Data>(answer: Promise<{ data?: Data; error?: Problem }>): Promise<Data> {
  const { data, error } = await answer;
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

async function login(baseUrl: string, username: string): Promise<Client<paths>> {
  const account = { username, email: `${username}@example.org`, password: "correct horse battery" };
  const tokens = await good(createClient<paths>({ baseUrl }).POST("/v1/auth/register", { body: account }));
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${tokens.access_token}` } });
}

const [url, picture] = process.argv.slice(2) as [string, string];
const [ada, bob] = await Promise.all([login(url, "ada_ts"), login(url, "bob_ts")]);

const form = new FormData();
form.append("file", new Blob([readFileSync(picture)], { type: "image/png" }), "picture.png");
form.append("alt", "a wall");
// The types take a file for a string, its bytes: openapi-fetch sends a FormData as it is.
const media = await good(ada.POST("/v1/media", { body: form as never }));
const path = { params: { path: { media_id: media.id } } };
const shown = await good(ada.GET("/v1/media/{media_id}", { ...path, parseAs: "arrayBuffer" }));

const post = await good(ada.POST("/v1/posts", { body: { text: "hello", media: [media.id] } }));
const liked = await good(bob.PUT("/v1/posts/{post_id}/like", { params: { path: { post_id: post.id } } }));

let [notification] = (await good(ada.GET("/v1/notifications"))).items;
while (notification === undefined) {
  await new Promise((done) => setTimeout(done, 50));
  [notification] = (await good(ada.GET("/v1/notifications"))).items;
}

console.log(
  JSON.stringify({
    post: post.id,
    pictures: post.media.map(({ alt, width }) => ({ alt, width })),
    bytes: shown.byteLength,
    liked: liked.liked,
    heard: [notification.type, notification.actors[0]?.username, notification.target.id],
  }),
);
