// Writing a post: text, up to four pictures with descriptions, and who may see it.

import { useRef, useState } from "preact/hooks";
import { attempt, plaza, say, useDraft, useMe } from "../state.js";
import { Avatar, Icon, html } from "../ui.js";

const MOST = 4;

export function Compose() {
  const mine = useMe();
  const [text, write, putBack] = useDraft();
  const [pictures, setPictures] = useState([]);
  const [visibility, setVisibility] = useState("public");
  const files = useRef();

  const add = (chosen) => {
    const images = [...chosen].filter(({ type }) => type.startsWith("image/"));
    if (images.length > MOST - pictures.length) say(`A post can have ${MOST} pictures.`, "bad");
    setPictures([...pictures, ...images.slice(0, MOST - pictures.length).map((file) => ({ file, url: URL.createObjectURL(file), alt: "" }))]);
  };
  const describe = (at, alt) => setPictures(pictures.map((each, index) => (index === at ? { ...each, alt } : each)));
  const remove = (at) => setPictures(pictures.filter((_, index) => index !== at));

  const send = async (event) => {
    event?.preventDefault();
    if (!text.trim() && !pictures.length) return;
    const sent = { text, pictures };
    write("");
    setPictures([]);
    const media = await attempt(Promise.all(sent.pictures.map(({ file, alt }) => plaza.upload(file, { alt }))));
    const post = media && (await attempt(plaza.publish({ text: sent.text, media: media.map(({ id }) => id), visibility })));
    if (!post) return void (putBack(sent.text), setPictures((now) => [...sent.pictures, ...now].slice(0, MOST))); // nothing that was written is lost
    for (const { url } of sent.pictures) URL.revokeObjectURL(url);
  };

  return html`<form class="compose" onSubmit=${send} onPaste=${({ clipboardData }) => clipboardData.files.length && add(clipboardData.files)}
      onDragOver=${(event) => event.preventDefault()} onDrop=${(event) => (event.preventDefault(), add(event.dataTransfer.files))}>
    <${Avatar} user=${mine} />
    <div>
      <textarea id="compose" aria-label="What is happening?" placeholder="What is happening?" rows="2" dir="auto" value=${text}
        onInput=${({ target }) => write(target.value)} onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && send(event)} />
      ${pictures.length > 0 && html`<div class="chosen">${pictures.map(({ url, alt }, at) => html`<figure key=${url}>
        <img src=${url} alt="" /><button type="button" class="round" aria-label="Remove picture" onClick=${() => remove(at)}><${Icon} name="close" /></button>
        <input aria-label="Description of the picture" placeholder="Describe it for those who cannot see it" value=${alt} maxlength="1500" onInput=${({ target }) => describe(at, target.value)} />
      </figure>`)}</div>`}
      <div class="row">
        <button type="button" class="round" aria-label="Add pictures" onClick=${() => files.current.click()}><${Icon} name="picture" /></button>
        <input ref=${files} type="file" accept="image/*" multiple hidden aria-label="Pictures" onChange=${({ target }) => (add(target.files), (target.value = ""))} />
        <select aria-label="Who can see it" value=${visibility} onChange=${({ target }) => setVisibility(target.value)}>
          <option value="public">Everybody</option><option value="followers">Followers</option>
        </select>
        <button class="primary" disabled=${!text.trim() && !pictures.length}>Post</button>
      </div>
    </div>
  </form>`;
}
