// Small parts that every view is made of.

import { Component, h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { icons } from "./icons.js";
import { to } from "./route.js";
import { compareRelease } from "./release.js";
import { minute, now, plaza, reason, seen, served, useLive } from "./state.js";

export const html = htm.bind(h);

export function Icon({ name, filled }) {
  return html`<svg class=${`icon ${filled ? "filled" : ""}`} viewBox="0 0 24 24" aria-hidden="true"><path d=${icons[name]} /></svg>`;
}

/** Stands for a person whom the server does not name. */
export const NOBODY = { id: "", username: "", display_name: "Somebody", avatar_url: null };

/** A person's picture, or their initials on a colour that is always theirs. */
export function Avatar({ user, size = "m", online = false }) {
  const [broken, setBroken] = useState(null);
  seen.set(user.id, user);
  const picture = served(user.avatar_url);
  const hue = [...user.id].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  const initials = user.display_name.split(/\s+/).map((word) => [...word][0] ?? "").slice(0, 2).join("").toUpperCase();
  return html`<span class=${`avatar ${size}`} style=${{ "--hue": hue }} aria-hidden="true">
    ${picture && broken !== picture
      ? html`<img src=${picture} alt="" loading="lazy" onError=${() => setBroken(picture)} />`
      : html`<span>${initials || "?"}</span>`}
    ${online && html`<i class="online"></i>`}
  </span>`;
}

export function Person({ user, children, online }) {
  return html`<div class="person">
    <a class="who" href=${to.person(user)}>
      <${Avatar} user=${user} online=${online} />
      <span><b>${user.display_name}</b><small>@${user.username}${online ? " · online" : ""}</small></span>
    </a>${children}
  </div>`;
}

const LINKS = { hashtag: to.tag, mention: (username) => to.person({ username }) };

/** A text with its mentions, hashtags and web addresses as links; everything else stays text. */
export function Text({ text, entities = [] }) {
  const letters = [...text];
  const parts = [];
  let at = 0;
  for (const { kind, start, end, key } of [...entities].sort((one, other) => one.start - other.start)) {
    if (start < at || end > letters.length || !LINKS[kind]) continue;
    const named = letters.slice(start, end).join("");
    parts.push(...addresses(letters.slice(at, start).join("")), html`<a href=${LINKS[kind](key)}>${named}</a>`);
    at = end;
  }
  parts.push(...addresses(letters.slice(at).join("")));
  return html`<p class="text" dir="auto">${parts}</p>`;
}

function addresses(text) {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/).map((part, odd) =>
    odd % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer nofollow ugc">${part.replace(/^https?:\/\//, "")}</a>` : part,
  );
}

const STEPS = [[60, "s"], [60, " min"], [24, " h"], [7, " d"]];

/** How long ago, by the server's clock. */
export function Time({ at }) {
  void minute.value;
  const date = new Date(at ?? NaN);
  if (Number.isNaN(Number(date))) return null;
  let passed = Math.max(0, (now() - date) / 1000);
  let shown = "";
  for (const [size, unit] of STEPS) {
    if (passed < size) {
      shown = unit === "s" ? "now" : `${Math.floor(passed)}${unit}`;
      break;
    }
    passed /= size;
  }
  shown ||= date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
  return html`<time datetime=${at} title=${date.toLocaleString()}>${shown}</time>`;
}

/** A menu behind three dots. */
export function Menu({ label, children }) {
  const box = useRef();
  const close = () => box.current && (box.current.open = false);
  useEffect(() => {
    const outside = ({ target, key }) => (key ? key === "Escape" : !box.current?.contains(target)) && close();
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, outside);
    return () => ["pointerdown", "keydown"].forEach((kind) => removeEventListener(kind, outside));
  }, []);
  return html`<details class="menu" ref=${box}>
    <summary class="round" aria-label=${label}><${Icon} name="more" /></summary>
    <div onClick=${close}>${children}</div>
  </details>`;
}

export const Title = ({ children, back }) => html`<header class="title">
  ${back && html`<button class="round" aria-label="Back" onClick=${() => history.back()}><${Icon} name="back" /></button>`}
  <h1 tabindex="-1">${children}</h1>
</header>`;

export const Empty = ({ icon, title, children }) => html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2>${children}</div>`;

export const Skeleton = ({ rows = 3 }) => html`<div class="skeletons" role="status" aria-label="Loading">
  ${Array.from({ length: rows }, () => html`<div class="skeleton"><i></i><div><i></i><i></i><i></i></div></div>`)}
</div>`;

export function Failure({ error, again }) {
  useEffect(() => error?.code === "unexpected_answer" && void compareRelease(), [error]);
  return html`<div class="empty" role="alert">
    <${Icon} name="cloud" /><h2>This did not load</h2><p>${error?.says ?? reason(error)}</p>
    ${again && html`<button class="quiet" onClick=${again}>Try again</button>`}
  </div>`;
}

/** An item of a list, drawn again only when it is another: a long list changes one item at a time. */
class Row extends Component {
  shouldComponentUpdate = ({ of }) => of !== this.props.of;
  render({ of, draw }) {
    return html`<div class="item"><${Guard} small><${Drawn} of=${of} draw=${draw} /><//></div>`;
  }
}

const Drawn = ({ of, draw }) => draw(of);

/** A list store: its items, what to show when there are none, and more of them as the reader scrolls. */
export function Items({ store, item, empty, rows }) {
  const { items, more, status, error } = useLive(store);
  if (!items.length && status === "loading") return html`<${Skeleton} rows=${rows} />`;
  if (!items.length && status !== "ready") return html`<${Failure} error=${error} again=${() => store.refresh()} />`;
  return html`${items.length ? items.map((each) => html`<${Row} key=${each?.id} of=${each} draw=${item} />`) : empty}
    ${more && html`<${More} store=${store} />`}`;
}

export function More({ store }) {
  const end = useRef();
  const [busy, setBusy] = useState(false);
  const load = () => {
    setBusy(true);
    void store.loadMore().catch(() => {}).finally(() => setBusy(false));
  };
  useEffect(() => {
    const watcher = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && load(), { rootMargin: "600px" });
    watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [store]);
  return html`<div ref=${end} class="more"><button class="quiet" disabled=${busy} onClick=${load}>${busy ? "Loading…" : "Show more"}</button></div>`;
}

/** A labelled input, with what is wrong with it. */
export function Field({ label, hint, problem, as = "input", ...input }) {
  const id = `field-${input.name}`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${h(as, { id, dir: "auto", "aria-invalid": Boolean(problem), "aria-describedby": `${id}-more`, ...input })}
    <small id=${`${id}-more`} class=${problem ? "problem" : ""}>${problem ?? hint}</small>
  </div>`;
}

/** A form that sends what was written and shows what was refused, field by field. */
export function Form({ fields, button, send, children }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await send(Object.fromEntries(new FormData(event.target)), event.target);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const of = (name) => Object.entries(problem?.fields ?? {}).find(([pointer]) => pointer.endsWith(`/${name}`))?.[1];
  return html`<form onSubmit=${submit}>
    ${fields.map((field) => html`<${Field} key=${field.name} ...${field} problem=${of(field.name)} />`)}
    ${children}
    ${problem && !fields.some(({ name }) => of(name)) && html`<p class="problem" role="alert">${problem.message}</p>`}
    <button class="primary" disabled=${busy}>${busy ? "One moment…" : button}</button>
  </form>`;
}

/** Shows what is around a view that failed to draw, instead of an empty page. */
export class Guard extends Component {
  state = { error: null };
  static getDerivedStateFromError = (error) => ({ error });
  componentDidCatch(error) {
    console.error(error);
    void compareRelease(); // the server may be newer than this page
  }
  render({ children, small }, { error }) {
    if (error && small) return html`<p class="none">This version of the page cannot show this.</p>`;
    return error ? html`<${Failure} error=${{ says: "This view failed. Your data are safe." }} again=${() => this.setState({ error: null })} />` : children;
  }
}

/** Who of these people is online, as a set of ids. */
export function useOnline(ids) {
  const { items } = useLive(plaza.presence(ids));
  return new Set(items.filter(({ online }) => online).map(({ user_id }) => user_id));
}
