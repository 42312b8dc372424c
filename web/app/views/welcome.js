// The first screen: what this is, and the way in. Also how a second person joins in a second window.

import { useState } from "preact/hooks";
import { go } from "../route.js";
import { ask, attempt, me, plaza, say, session } from "../state.js";
import { Form, Icon, Title, html } from "../ui.js";

const ENDED = {
  logout: "You logged out in another place.", session_revoked: "This session was ended.", account_suspended: "This account is suspended.",
  refresh_token_reused: "This session was ended, because its token was used twice.",
};
const username = { name: "username", label: "Username", autocomplete: "username", required: true, maxlength: 30, autocapitalize: "none", spellcheck: false };
const password = { name: "password", label: "Password", type: "password", required: true, maxlength: 128 };

/** A button that opens the page once more, for somebody else. */
export const SecondWindow = () => html`<button class="primary" onClick=${() => open(`#/join/${encodeURIComponent(me()?.username ?? "")}`, "_blank", "noopener,width=520,height=860")}>
  <${Icon} name="window" /> Open a second window</button>`;

export function Welcome({ id: inviter }) {
  const [joining, setJoining] = useState(true);
  const { state, reason } = session.value;
  const entered = () => go(inviter ? `@${encodeURIComponent(inviter)}` : "");
  return html`<div class="welcome">
    <section class="hero">
      <p class="brand"><${Mark} /> Plaza</p>
      <h1 tabindex="-1">See it happen.</h1>
      <p class="lead">A square where posts, comments and likes arrive while you look: nothing missed, nothing twice, also after the tunnel.</p>
      <ol class="steps">
        <li><b>Join</b> with a name and a password. Nothing is sent anywhere else.</li>
        <li><b>Open a second window</b> and join as somebody else.</li>
        <li><b>Like, comment, type.</b> Each window sees the other at once.</li>
      </ol>
      <${SecondWindow} />
      <p class="fine">For developers: <a href="docs">REST API</a> · <a href="docs/events">socket events</a></p>
    </section>
    <section class="card" aria-label="Enter">
      ${state === "ended" && html`<p class="notice" role="status">${ENDED[reason] ?? "Your session has ended."} What you wrote is kept.</p>`}
      ${inviter && html`<p class="notice">You join beside <b>@${inviter}</b>, as somebody else.</p>`}
      <div class="tabs" role="group" aria-label="Join or log in">
        <button aria-pressed=${joining} onClick=${() => setJoining(true)}>Join</button><button aria-pressed=${!joining} onClick=${() => setJoining(false)}>Log in</button>
      </div>
      ${joining ? html`<${Form} key="join" button="Join" send=${(body) => plaza.register(body).then(entered)} fields=${[
          { ...username, hint: "Letters, digits and _; others find you by it." },
          { name: "email", label: "E-mail", type: "email", autocomplete: "email", required: true, hint: "Only for a new password." },
          { ...password, autocomplete: "new-password", minlength: 8, hint: "At least 8 characters." }]} />`
        : html`<${Form} key="login" button="Log in" send=${(body) => plaza.login(body).then(entered)} fields=${[username, { ...password, autocomplete: "current-password" }]}>
          <p><a href="#/forgotten">Forgotten password?</a></p><//>`}
    </section>
  </div>`;
}

export const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9" /><circle cx="11" cy="12" r="4" /><circle cx="22" cy="14" r="3" /><path d="M5 25c.6-5 3-7.5 6-7.5s5.4 2.5 6 7.5zM18.5 25c-.1-2.4-.7-4.2-1.6-5.6a5 5 0 0 1 5.1-2c2.6.6 4.3 3 4.7 7.6z" /></svg>`;

const leave = () => (location.href = new URL(".", location.href).href);

const Small = ({ title, children }) => html`<div class="welcome small"><section class="card"><${Title}>${title}<//>${children}</section></div>`;

export const Forgotten = () => html`<${Small} title="A new password">
  <${Form} button="Send me a link" fields=${[{ name: "email", label: "E-mail", type: "email", required: true, hint: "Where your account is known, a mail is on its way." }]}
    send=${async (body) => (await ask("POST", "/v1/auth/password-reset/request", { body }), say("If the address is known, a mail is on its way."), go(""))} />
<//>`;

export const ResetPassword = ({ id: token }) => html`<${Small} title="Choose a new password">
  <${Form} button="Save" fields=${[{ ...password, autocomplete: "new-password", minlength: 8, hint: "All your sessions end." }]}
    send=${async ({ password }) => (await ask("POST", "/v1/auth/password-reset", { body: { token, password } }), leave())} />
<//>`;

export const VerifyEmail = ({ id: token }) => html`<${Small} title="Your e-mail address">
  <p>One click confirms that it is yours.</p>
  <button class="primary" onClick=${async () => (await attempt(ask("POST", "/v1/auth/verify-email", { body: { token } }))) !== undefined && leave()}>Confirm</button>
<//>`;
