// The shell: start, token, navigation, language, theme.

import * as api from './api.js';
import * as i18n from './i18n.js';
import {filesOf} from './photos.js';
import {button, fill, h, icon, say, toast, typing} from './dom.js';
import {help} from './help.js';
import {keep, pref} from './prefs.js';
import * as batch from './views/batch.js';
import * as batches from './views/batches.js';
import * as draft from './views/draft.js';
import * as drafts from './views/drafts.js';
import * as history from './views/history.js';
import * as object from './views/object.js';
import * as query from './views/query.js';
import * as search from './views/search.js';
import * as settings from './views/settings.js';

const t = i18n.t;
const main = document.getElementById('main');
const ROUTES = [
  [/^$/, 'search', []],
  [/^q\/([\w-]+)(?:\/o\/([^/]+))?$/, 'query', ['id', 'object']],
  [/^o\/([^/]+)(?:\/(similar))?$/, 'object', ['id', 'part']],
  [/^history$/, 'history', []],
  [/^drafts$/, 'drafts', []],
  [/^d\/([^/]+)$/, 'draft', ['id']],
  [/^batch$/, 'batches', []],
  [/^batch\/([^/]+)(?:\/([\w-]+))?(?:\/o\/([^/]+))?$/, 'batch', ['name', 'item', 'object']],
  [/^settings$/, 'settings', []],
];
/** All are here from the first load on: a server that is away for a moment takes none of them from an open page. */
const VIEWS = {batch, batches, draft, drafts, history, object, query, search, settings};
const NAVIGATION = [['', 'search', 'nav.search'], ['batch', 'stack', 'nav.batch'], ['history', 'clock', 'nav.history'],
  ['drafts', 'card', 'nav.drafts'], ['settings', 'gear', 'nav.settings']];

const COOKIE = 2e3;

let current = null;  // {name, params, view}
let given = null;
let refused = false;  // the token that was there

/** What the address asks for. */
function route() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  for (const [pattern, name, names] of ROUTES) {
    const found = pattern.exec(path);
    if (found) {
      const params = Object.fromEntries(names.map((key, place) => [key, found[place + 1] && decodeURIComponent(found[place + 1])]));
      return {name, params: {...params, ...Object.fromEntries(new URLSearchParams(query))}};
    }
  }
  return null;
}

function show({focus = true, fresh = false} = {}) {
  const wanted = route();
  if (!wanted) { location.replace('#/'); return; }
  if (!api.token()) { signIn(); return; }
  if (!fresh && current?.name === wanted.name && current.view?.update?.(wanted.params)) {
    current.params = wanted.params;
    mark();
    return;
  }
  current?.view?.close?.();
  current = {...wanted, view: null};
  mark();
  main.className = `view-${wanted.name}`;
  fill(main);
  scrollTo(0, 0);
  const view = VIEWS[wanted.name].show(main, wanted.params, shell) || {};
  current.view = view;
  const heading = main.querySelector('h1');
  if (heading) {
    heading.tabIndex = -1;
    if (focus && !main.contains(document.activeElement)) heading.focus({preventScroll: true});
  }
  title(view.title || heading?.textContent);
}

function title(text) {
  document.title = text ? `${text} · ${t('app.name')}` : t('app.name');
}

function failed(error) {
  fill(main, h('section', {class: 'empty'}, icon('alert'), h('h1', {tabindex: '-1'}, t('error.title')), h('p', {}, shell.why(error)),
    button(t('error.again'), {kind: 'primary', onclick: () => show({fresh: true})})));
}

/** What views use of the shell. */
const shell = {
  title,
  go: (path, replace) => { if (replace) location.replace(`#/${path}`); else location.hash = `#/${path}`; },
  /** Why something failed, in the reader's language. */
  why(error) {
    const key = `code.${error.code}`;
    if (i18n.has(key)) return t(key);
    if (error.status === 400) return t('code.bad-request');
    if (error.status === 401) return t('sign.wrong');
    if (error.status >= 500) return t('code.server');
    return t('code.unknown', {code: error.code || error.name || ''});
  },
  failed: (error) => { if (error.name !== 'AbortError') toast(shell.why(error), {kind: 'bad'}); },
  crash: failed,
  /** Photos given elsewhere, for the search view; once. */
  given: () => { const files = given; given = null; return files; },
  give: (files) => { given = files; if (current?.name === 'search') current.view.take(shell.given()); else shell.go(''); },
};

function signIn() {
  current?.view?.close?.();
  current = null;
  top();
  const field = h('input', {id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false', 'aria-describedby': 'token-help token-bad'});
  const bad = h('p', {id: 'token-bad', class: 'bad', role: 'alert'}, refused && t('sign.wrong'));
  const enter = async (event) => {
    event.preventDefault();
    api.accept(field.value.trim());
    try {
      await api.get('/me', {probe: true});
      refused = false;
      await begin();
    } catch (error) {
      api.forget();
      bad.textContent = error.status === 401 || error.status === 403 ? t('sign.wrong') : shell.why(error);
      field.focus();
    }
  };
  main.className = 'view-sign';
  fill(main, h('form', {class: 'panel sign', onsubmit: enter},
    h('h1', {}, t('sign.title')), h('p', {id: 'token-help', class: 'soft'}, t('sign.help')),
    h('label', {for: 'token'}, t('sign.token')), field, bad,
    h('button', {class: 'button primary', type: 'submit'}, t('sign.enter'))));
  title(t('sign.title'));
  field.focus();
}

function mark() {
  for (const link of document.querySelectorAll('#top nav a')) {
    const path = link.getAttribute('href').slice(2);
    const name = current?.name;
    const here = path === '' ? name === 'search' || name === 'query' || name === 'object'
      : path === 'batch' ? name === 'batch' || name === 'batches'
      : path === 'drafts' ? name === 'drafts' || name === 'draft' : path === name;
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function top() {
  const theme = pref('theme', 'auto');
  const next = {auto: 'light', light: 'dark', dark: 'auto'}[theme];
  const other = i18n.lang === 'ru' ? 'en' : 'ru';
  document.getElementById('skip').textContent = t('app.skip');
  document.getElementById('toasts').setAttribute('aria-label', t('app.notes'));
  fill(document.getElementById('top'),
    h('header', {class: 'top'},
      h('a', {class: 'brand', href: '#/'}, h('img', {src: 'icon.svg', alt: '', width: 28, height: 28}), h('span', {}, t('app.name'))),
      h('nav', {'aria-label': t('nav.label')},
        NAVIGATION.map(([path, sign, key]) => h('a', {href: `#/${path}`}, icon(sign), h('span', {}, t(key))))),
      h('div', {class: 'row tools'},
        h('span', {id: 'museum', class: 'soft museum'}),
        button(t('help.title'), {icon: 'help', bare: true, id: 'help', 'aria-keyshortcuts': 'F1', onclick: help}),
        h('button', {type: 'button', class: 'button bare', lang: other, 'aria-label': `${other.toUpperCase()}: ${t('app.language')}`, title: t('app.language'),
          onclick: async () => {
            try { await i18n.change(other); } catch { shell.failed(new api.Problem(0, 'offline')); return; }
            top();
            show({focus: false, fresh: true});
          }}, other.toUpperCase()),
        button(t(`theme.${theme}`), {icon: {auto: 'auto', light: 'sun', dark: 'moon'}[theme], bare: true, id: 'theme',
          onclick: () => { keep('theme', next); paint(); top(); document.getElementById('theme').focus(); say(t(`theme.${next}`)); }}))));
  mark();
  if (!api.token()) return;
  api.me().then((who) => { document.getElementById('museum').textContent = who.museum; }).catch(() => {});
  api.writes().then((may) => { for (const path of ['batch', 'drafts']) document.querySelector(`#top nav a[href="#/${path}"]`).hidden = !may; }).catch(() => {});
}

function paint() {
  const theme = pref('theme', 'auto');
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** A token in the address is moved out of it at once; whether there was one. */
function tokenOfAddress() {
  const found = /^#token=([^&]+)/.exec(location.hash);
  if (!found) return false;
  api.accept(decodeURIComponent(found[1]));
  window.history.replaceState(null, '', `${location.pathname}${location.search}#/`);
  return true;
}

/** Streams and pictures are asked for by a cookie: it comes before them, unless that takes long. */
async function known() {
  if (api.token()) await Promise.race([api.enter().catch(() => {}), api.pause(COOKIE)]);
}

async function begin() {
  top();
  await known();
  show({focus: false, fresh: true});
}

function listen() {
  addEventListener('hashchange', () => document.querySelectorAll('dialog.ask[open]').forEach((one) => one.close('')));  // what was asked was asked of another view
  addEventListener('hashchange', async () => { if (tokenOfAddress()) await known(); show(); });
  document.addEventListener('left', () => { refused = false; signIn(); });
  document.addEventListener('signed-out', () => { if (api.token()) { api.forget(); refused = true; signIn(); } });
  document.addEventListener('keydown', (event) => {
    const asked = event.key === 'F1' || (event.key === '?' && !typing(event.target) && current?.name !== 'batch');  // a batch shows its own keys
    if (!asked || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    help();
  });
  document.getElementById('skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
  document.addEventListener('dragover', (event) => {
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    document.documentElement.classList.add('dragging');
  });
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.documentElement.classList.remove('dragging'); });
  document.addEventListener('drop', async (event) => {
    document.documentElement.classList.remove('dragging');
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    receive(await filesOf(event.dataTransfer));
  });
  document.addEventListener('paste', async (event) => {
    const files = await filesOf(event.clipboardData);
    if (files.length) receive(files);
  });
}

function receive(found) {
  if (!found.length || !api.token()) return;
  if (current?.view?.take) current.view.take(found);
  else shell.give(found);
}

paint();
tokenOfAddress();
listen();
await Promise.all([i18n.load(), api.configure()]);
begin();
