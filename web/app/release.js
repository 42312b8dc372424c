// Whether the server has another release of this page than the one that is open.

import { signal } from "@preact/signals";

const own = new URL(".", import.meta.url).pathname.split("/").at(-2); // the server names its files by a hash of them all
const RARELY_MS = 600_000;

export const outdated = signal(false);

/** Ask which release the server would send now; most of the time the answer is 304, without a body. */
export async function compareRelease() {
  const page = await fetch(new URL(".", location.href), { cache: "no-cache" }).then((answer) => answer.text(), () => "");
  const named = /\/app\/([\w-]+)\/main\.js/.exec(page)?.[1]; // not in what a proxy says instead
  if (named) outdated.value = named !== own;
}

let seen = performance.now();
document.addEventListener("visibilitychange", () => {
  if (document.hidden || performance.now() - seen < RARELY_MS) return;
  seen = performance.now();
  void compareRelease();
});
