// Give a photo: drop, choose, paste, camera. Several at once are several views of one object.

import * as api from '../api.js';
import {button, fill, h, icon, say, toast} from '../dom.js';
import {bytes, bytesBeside, moment, t} from '../i18n.js';
import {MAX_VIEWS, prepare, reducing, SIDE} from '../photos.js';
import {keep, pref} from '../prefs.js';
import {picture, topName} from '../records.js';
import {begin} from '../sending.js';

export const SCOPES = ['all', 'mine', 'others'];

/** Why a file cannot be sent, and what to do. */
export function problemOf(one) {
  const values = {...one.values, size: bytesBeside(one.values?.size || 0, one.values?.limit || 0), limit: bytes(one.values?.limit || 0)};
  if (one.problem === 'not-image') return t(`file.not-image.${one.values.what}`);
  return t(`file.${one.problem}`, values);
}

export function show(main, params, shell) {
  let photos = [];
  let files = [];  // of the photos
  let unread = [];  // files, the first of which is being read
  let round = 0;
  let reading = false;
  let awaited = false;  // "find" was pressed before all was read
  let sending = false;
  let closed = false;
  let limits = {max_bytes: 40e6};
  const urls = new Set();
  const chosen = (event) => { take([...event.target.files].map((file) => ({file, path: file.name}))); event.target.value = ''; };
  const input = h('input', {type: 'file', accept: 'image/*,.heic,.heif,.tif,.tiff', multiple: true, class: 'sr', tabindex: '-1', 'aria-hidden': 'true', onchange: chosen});
  const camera = h('input', {type: 'file', accept: 'image/*', capture: 'environment', class: 'sr', tabindex: '-1', 'aria-hidden': 'true', onchange: chosen});
  const tray = h('ul', {class: 'tray', 'aria-label': t('search.tray')});
  const bad = h('div', {class: 'refused', role: 'alert'});
  const go = h('button', {type: 'button', class: 'button primary large', 'aria-describedby': 'ready-wait', onclick: send}, icon('search'), h('span', {}, t('search.go')));
  const wait = h('p', {class: 'soft small ready-wait', id: 'ready-wait', hidden: true});
  const scope = h('select', {id: 'scope', onchange: () => keep('scope', scope.value)}, SCOPES.map((one) => h('option', {value: one, selected: pref('scope', 'all') === one}, t(`scope.${one}`))));
  const reduce = h('input', {type: 'checkbox', id: 'reduce', checked: reducing(), onchange: () => { keep('reduce', reduce.checked); again(); }});
  const ready = h('div', {class: 'search-ready', hidden: true}, tray,
    h('div', {class: 'row ready-acts'}, go, button(t('search.more'), {icon: 'plus', onclick: () => input.click()}),
      h('span', {class: 'row'}, h('label', {for: 'scope'}, t('scope.label')), scope)), wait);
  const drop = h('section', {class: 'drop', 'aria-labelledby': 'search-title'},
    h('div', {class: 'drop-in'},
      h('span', {class: 'drop-sign'}, icon('photo')),
      h('p', {class: 'drop-lead no-touch'}, t('search.drop')),
      h('p', {class: 'drop-lead only-touch'}, t('search.touch')),
      h('div', {class: 'row center'}, button(t('search.choose'), {icon: 'photo', kind: 'primary', id: 'choose', onclick: () => input.click()}),
        button(t('search.camera'), {icon: 'camera', class: 'button camera', onclick: () => camera.click()})),
      h('p', {class: 'soft small'}, h('span', {class: 'no-touch'}, t('search.paste'), ' '), t('search.hint', {n: MAX_VIEWS}))));
  const recent = h('ol', {class: 'recent'}, Array.from({length: 6}, () => h('li', {class: 'ghost'})));
  const history = h('section', {class: 'recents', 'aria-labelledby': 'recent-title'},
    h('h2', {id: 'recent-title'}, t('search.recent')), recent, h('p', {}, h('a', {href: '#/history'}, t('search.all'))));

  fill(main,
    h('div', {class: 'intro'}, h('h1', {id: 'search-title'}, t('search.title')), h('p', {class: 'lead'}, t('search.lead'))),
    input, camera, bad, drop, ready,
    h('p', {class: 'reduce'}, reduce, h('label', {for: 'reduce'}, t('search.reduce', {side: String(SIDE)})), h('span', {class: 'soft small'}, t('search.reduce_why'))),
    history);

  api.me().then((who) => { limits = who.limits || limits; }).catch(() => {});
  api.get('/queries?limit=6').then(({items}) => {
    if (!items.length) { history.classList.add('none'); return; }
    fill(recent, items.slice(0, 6).map((one) => h('li', {}, h('a', {href: `#/q/${one.id}`},
      h('span', {class: 'thumb'}, picture(one.photos?.[0], '320')),
      h('span', {class: 'recent-name'}, one.top ? topName(one.top) : t(one.status === 'completed' ? 'work.nothing' : `status.${one.status}`)),
      h('span', {class: 'soft small'}, one.uploaded_at ? moment(one.uploaded_at) : '')))));
  }).catch(() => history.classList.add('none'));

  function take(found) {
    if (sending) return;
    const room = MAX_VIEWS - photos.length - unread.length;
    const some = found.slice(0, room);
    fill(bad, found.length > room && h('p', {}, t('search.too_many', {n: MAX_VIEWS}), ' ', h('a', {href: '#/batch'}, t('search.to_batch'))));
    unread.push(...some.map(({file}) => file));
    read();
  }

  /** The same files anew: whether they are reduced was changed. */
  function again() {
    if (sending) return;
    unread = [...files, ...unread];
    files = [];
    photos = [];
    round += 1;
    read();
  }

  async function read() {
    if (reading || !unread.length) return;
    reading = true;
    drop.classList.add('reading');
    say(t('search.reading'));
    let refused = false;
    while (unread.length && !closed) {
      waits();
      const [file] = unread;
      const turn = round;
      const one = await prepare(file, limits).catch(() => ({name: file.name, problem: 'broken', values: {}}));
      if (turn !== round) continue;
      unread.shift();
      if (one.problem) {
        refused = true;
        bad.append(h('p', {}, h('strong', {}, one.name), ' — ', problemOf(one)));
      } else {
        photos.push(one);
        files.push(file);
      }
      draw();
    }
    reading = false;
    if (closed) return;
    drop.classList.remove('reading');
    const press = awaited && !refused;  // what was refused is to be seen before anything goes
    awaited = false;
    waits();
    if (!photos.length) return;
    if (press) { send(); return; }
    say(t('search.ready', {n: photos.length}));
    go.focus();
  }

  /** Say that the press is kept until all is read. */
  function waits() {
    wait.hidden = !awaited;
    go.setAttribute('aria-busy', String(awaited));
    if (awaited) wait.textContent = t('search.awaited', {n: photos.length + 1, of: photos.length + unread.length});
  }

  function draw() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls.clear();
    ready.hidden = photos.length === 0;
    drop.classList.toggle('has', photos.length > 0);
    fill(tray, photos.map((one, place) => {
      let view;
      if (one.preview) {
        const url = URL.createObjectURL(one.preview);
        urls.add(url);
        view = h('img', {src: url, alt: t('search.view', {n: place + 1}), class: 'preview'});
      } else view = h('div', {class: 'preview unshown'}, icon('photo'), h('span', {}, t('search.unshown', {format: one.type.slice(6).toUpperCase()})));
      return h('li', {}, view,
        h('p', {class: 'small'}, h('span', {class: 'file-name'}, one.name), h('span', {class: 'soft'}, one.reduced ? t('search.reduced', {from: bytes(one.original), to: bytes(one.size)}) : bytes(one.size))),
        button(t('search.remove', {name: one.name}), {icon: 'x', bare: true, kind: 'round', onclick: () => {
          photos.splice(place, 1);
          files.splice(place, 1);
          if (!photos.length) awaited = false;
          draw();
          waits();
          (tray.querySelector('button') || drop.querySelector('button')).focus();
        }}));
    }));
  }

  async function send() {
    if (sending || !photos.length) return;
    if (reading) {
      awaited = true;
      waits();
      say(wait.textContent);
      return;
    }
    sending = true;
    go.disabled = true;
    try {
      const wanted = scope.value === 'all' ? {} : {scope: scope.value};
      const id = await begin(photos, wanted);
      shell.go(`q/${id}`);
    } catch (error) {
      sending = false;
      go.disabled = false;
      toast(error.code === 'offline' ? t('search.offline') : shell.why(error), {kind: 'bad'});
    }
  }

  const first = shell.given();
  if (first) take(first);
  return {take, close: () => { closed = true; urls.forEach((url) => URL.revokeObjectURL(url)); }};
}
