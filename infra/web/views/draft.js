// One draft: its photos and its card, with what was offered where its search is still there.

import * as api from '../api.js';
import {card} from '../card.js';
import {button, confirmed, fill, h, icon, say, toast} from '../dom.js';
import {percent, t} from '../i18n.js';
import {prepare} from '../photos.js';
import {nameOf, picture, table} from '../records.js';
import {refusal} from '../refusal.js';
import {formPost} from '../sending.js';
import {problemOf} from './search.js';

const AGAIN = 3e3;

export function show(main, params, shell) {
  const {id} = params;
  let data = null;
  let writer = null;
  let closed = false;
  let stream = null;
  let again = 0;
  const local = new Map();
  const told = new Set();  // photos whose end is known
  const title = h('h1', {tabindex: '-1'}, t('card.title'));
  const photos = h('ul', {class: 'draft-photos', 'aria-label': t('draft.photos')});
  const input = h('input', {type: 'file', accept: 'image/*,.heic,.heif,.tif,.tiff', multiple: true, class: 'sr', tabindex: '-1', 'aria-hidden': 'true', onchange: (event) => { add([...event.target.files]); event.target.value = ''; }});
  const going = h('p', {class: 'soft small', role: 'status'});
  const links = h('div', {class: 'row'});
  const place = h('div', {class: 'card-place'}, h('div', {class: 'panel card-ghost', 'aria-hidden': 'true'}, Array.from({length: 7}, () => h('i'))));
  fill(main, h('div', {class: 'draft'}, h('div', {class: 'draft-side'}, title, photos, h('div', {class: 'row'}, button(t('draft.add'), {icon: 'plus', onclick: () => input.click()}), input), going, links), place));
  load().catch((error) => shell.crash(error));

  async function load() {
    const fields = await table();
    data = await api.get(api.objectPath(id));
    let result = null;
    if (data.draft?.query) result = (await api.get(`/queries/${data.draft.query}`).catch(() => null))?.result;
    if (closed) return;
    title.textContent = nameOf(data.fields);
    shell.title(title.textContent);
    data.images.filter((image) => !pending(image)).forEach((image) => told.add(image.name));
    drawPhotos();
    watchPhotos();
    fill(links, data.draft?.query && result && h('a', {class: 'button', href: `#/q/${data.draft.query}`}, icon('search'), h('span', {}, t('draft.search'))),
      h('a', {class: 'button', href: `#/o/${id}/similar`}, icon('like'), h('span', {}, t('hit.like'))),
      data.draft?.batch && h('a', {class: 'button quiet', href: `#/batch/${encodeURIComponent(data.draft.batch)}`}, icon('stack'), h('span', {}, data.draft.batch)));
    writer = card(place, {draftId: id, result, fields, shell, changed: (what, value) => {
      if (what === 'draft') { title.textContent = nameOf(value.fields); data = {...data, ...value, images: data.images}; }
      if (what === 'erased') shell.go('drafts', true);
    }});
  }

  /** The server's copy, else what this browser can show itself, else that it is to come. */
  function shown(image, at) {
    const alt = t('compare.view_n', {n: at + 1});
    if (image['320']) return picture(image, at ? '320' : '1280', {alt});
    if (local.has(image.name)) return h('img', {src: local.get(image.name), alt});
    return h('span', {class: 'nopicture', role: 'img', 'aria-label': t(pending(image) ? 'photo.coming' : 'photo.none')});
  }

  const pending = (image) => !image.findable && !image.reason;

  /** Hear of the photos until each is findable or refused. A stream is about the photos that were there when it was opened. */
  function watchPhotos() {
    clearTimeout(again);
    stream?.close();
    if (closed || !data.images?.some(pending)) return;
    stream = new EventSource(api.address(`/drafts/${encodeURIComponent(id)}/events`), {withCredentials: true});
    stream.addEventListener('state', heard);
    stream.addEventListener('result', (event) => { stream.close(); heard(event); });
    stream.addEventListener('gone', () => stream.close());
    stream.addEventListener('error', () => { if (stream.readyState === EventSource.CLOSED && !closed) again = setTimeout(renew, AGAIN); });
  }

  /** The stream was refused: the cookie may have run out. */
  async function renew() {
    await api.enter().catch(() => {});
    watchPhotos();
  }

  /** Say how a photo ended, once. */
  function tellEnds() {
    for (const image of data.images.filter((one) => !pending(one) && !told.has(one.name))) {
      told.add(image.name);
      say(image.reason ? t(refusal(image.reason)) : t('draft.read'), Boolean(image.reason));
    }
  }

  function heard(event) {
    if (closed) return;
    data = {...data, images: JSON.parse(event.data).images};
    drawPhotos();
    tellEnds();
  }

  function drawPhotos() {
    const images = data.images || [];
    fill(photos, images.map((image, at) => h('li', {},
      h('span', {class: 'thumb'}, shown(image, at)),
      image.reason && h('p', {class: 'bad small'}, t(refusal(image.reason))),
      pending(image) && h('p', {class: 'soft small'}, t('draft.reading')),
      h('div', {class: 'row tight'}, image.main || at === 0 ? h('span', {class: 'tag own'}, t('draft.main')) : button(t('draft.make_main'), {kind: 'quiet small', onclick: () => order(at, 0)}),
        h('span', {class: 'spring'}),
        at > 0 && button(t('draft.earlier'), {icon: 'left', bare: true, kind: 'tiny', onclick: () => order(at, at - 1)}),
        at < images.length - 1 && button(t('draft.later'), {icon: 'right', bare: true, kind: 'tiny', onclick: () => order(at, at + 1)}),
        button(t('draft.remove', {n: at + 1}), {icon: 'bin', bare: true, kind: 'tiny', onclick: () => erase(image)})))));
  }

  async function refresh(patch) {
    await writer?.save();
    for (let attempt = 0; ; attempt += 1) {
      try {
        const now = await api.call('GET', api.objectPath(id));
        const answer = patch ? await api.call('PATCH', api.objectPath(id), {body: {draft: patch}, type: 'application/merge-patch+json', match: now.etag}) : now;
        data = answer.data;
        writer?.renewed(answer.data, answer.etag);
        drawPhotos();
        tellEnds();
        watchPhotos();
        return;
      } catch (error) { if (error.status !== 412 || attempt > 2) throw error; }
    }
  }

  async function order(from, to) {
    const names = data.images.map((image) => image.name);
    const [name] = names.splice(from, 1);
    names.splice(to, 0, name);
    try {
      await refresh({order: names});
      photos.children[to]?.querySelector('button')?.focus();
      say(t('draft.ordered'));
    } catch (error) { shell.failed(error); }
  }

  async function erase(image) {
    if (!await confirmed(t('draft.remove_title'), t('draft.remove_why'), t('delete.yes'), t('app.cancel'))) return;
    try {
      await api.remove(`/drafts/${encodeURIComponent(id)}/images/${encodeURIComponent(image.name)}`);
      await refresh();
    } catch (error) { shell.failed(error); }
  }

  async function add(files) {
    const {limits} = await api.me();
    for (const file of files) {
      const photo = await prepare(file, limits, {asIs: true});
      if (photo.problem) { toast(`${photo.name}: ${problemOf(photo)}`, {kind: 'bad'}); continue; }
      try {
        const {name, upload} = await api.post(`/drafts/${encodeURIComponent(id)}/images`, {filename: photo.name, content_type: photo.type, size: photo.size});
        await formPost(upload, photo, (bytes) => { going.textContent = `${photo.name} ${percent(bytes / photo.size)}`; });
        if (photo.preview && name) local.set(name, URL.createObjectURL(photo.preview));
        await refresh();
      } catch (error) { if (error.code === 'offline') toast(t('draft.offline', {name: photo.name}), {kind: 'bad'}); else shell.failed(error); }
    }
    going.textContent = '';
  }

  return {
    title: t('card.title'),
    take: (found) => add(found.map((one) => one.file)),
    close() { closed = true; clearTimeout(again); stream?.close(); writer?.close(); local.forEach((url) => URL.revokeObjectURL(url)); },
  };
}
