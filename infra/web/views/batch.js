// A batch's worklist: object after object, by keyboard.

import * as api from '../api.js';
import {dismiss, hear, resume, retry, runOf} from '../batchrun.js';
import {copy} from '../card.js';
import {asText, ordered} from '../copytext.js';
import {button, fill, h, icon, say, toast, typing} from '../dom.js';
import {lang, percent, score, t} from '../i18n.js';
import {keep, pref} from '../prefs.js';
import {picture, table, topName} from '../records.js';
import * as sending from '../sending.js';
import {isFinal, watch} from '../watch.js';
import {problemOf} from './search.js';
import {birth, workplace} from './query.js';

const STREAMS = 2;
const FORM_SECONDS = 1200;
const IN_A_FILE = 500;  // cards, as the gateway gives them out
const LATER = 10e3;
const ANSWERS = 100;  // that are asked for when a batch is opened
const COMING = new Set(['kept', 'preparing', 'sending']);
const DONE = new Set(['checked', 'exported', 'linked']);

/** Save an export, however many files it is. `address(cursor)` is that of a part. */
export async function inFiles(address, name, format) {
  let count = 0;
  for (let cursor = null; count === 0 || cursor;) {
    const {body, next} = await api.file(address(cursor));
    count += 1;
    const url = URL.createObjectURL(body);
    h('a', {href: url, download: next || cursor ? `${name} ${count}.${format}` : `${name}.${format}`}).click();
    setTimeout(() => URL.revokeObjectURL(url), 60e3);
    cursor = next;
  }
  toast(t('batch.files_saved', {n: count}), {kind: 'good'});
}

export function show(main, params, shell) {
  const batch = params.name;
  const base = `batch/${encodeURIComponent(batch)}`;
  const queries = new Map();
  const drafts = new Map();
  const cards = new Map();  // all of the batch, also those of no query
  const exported = (format, cursor) => `/drafts/export${api.asked({batch, format, lang, cursor})}`;
  const swaps = pref(`batch.swap.${batch}`, {});
  const watchers = new Map();
  const fetching = new Set();  // queries whose photos are up, and which are asked for
  let current = null;
  let work = null;
  let closed = false;
  let loaded = false;
  let names = new Set();  // of own fields
  const summary = h('p', {class: 'soft batch-sum'});
  const line = h('div', {class: 'progress', role: 'progressbar', 'aria-label': t('batch.done_share'), 'aria-valuemin': 0, 'aria-valuemax': 100}, h('i'));
  const list = h('ol', {class: 'worklist', 'aria-label': t('batch.list')}, Array.from({length: 8}, () => h('li', {class: 'work ghost', 'aria-hidden': 'true'}, h('span', {class: 'thumb'}), h('i'))));
  const place = h('div', {class: 'workplace'});
  const exports = h('div', {class: 'row batch-out'},
    ['xlsx', 'json'].map((format) => h('a', {class: 'button', href: api.address(exported(format)), download: `${batch}.${format}`, onclick: (event) => given(event, format)}, icon('out'), h('span', {}, format.toUpperCase()))),
    button(t('batch.copy'), {icon: 'copy', onclick: copyAll}),
    button(t('batch.keys'), {kind: 'quiet batch-keys', onclick: keysHelp}));
  fill(main, h('div', {class: 'batch'},
    h('div', {class: 'batch-top'}, h('div', {class: 'batch-name'}, h('h1', {tabindex: '-1'}, batch), summary, line), exports),
    h('div', {class: 'batch-in'}, h('nav', {class: 'batch-list', 'aria-label': t('batch.list')},
      h('div', {class: 'row tight batch-steps'}, button(t('batch.previous'), {icon: 'up', bare: true, onclick: () => step(-1), 'aria-keyshortcuts': 'Alt+PageUp'}), button(t('batch.next'), {icon: 'down', bare: true, onclick: () => step(1), 'aria-keyshortcuts': 'Alt+PageDown'}),
        h('span', {class: 'soft small num', id: 'batch-at'})), list), place)));

  const unhear = hear(batch, (item) => { if (item?.dropped) queries.delete(item.dropped); if (item?.state === 'sent') fetchOne(item.id); else if (item && item.state !== 'sending' && !current && loaded) openWanted(); drawSoon(); });
  const warn = (event) => { if (runOf(batch)?.items.some((item) => item.state === 'sending' || (!item.safe && ['kept', 'preparing', 'held'].includes(item.state)))) event.preventDefault(); };
  window.addEventListener('beforeunload', warn);
  document.addEventListener('keydown', keys);
  begin();

  /** Show the batch; where it cannot be asked for now, as soon as it can. */
  async function begin() {
    try { await load(); } catch (error) {
      if (closed) return;
      fill(list);
      fill(place, h('section', {class: 'empty'}, icon('alert'), h('p', {}, shell.why(error)), button(t('error.again'), {kind: 'primary', onclick: () => { load().catch(shell.failed); }})));
      if (error.code !== 'offline') return;
      await sending.reachable(LATER);
      if (!closed && !loaded) begin();
    }
  }

  async function load() {
    await resume(batch);
    const [fields] = await Promise.all([table(), all(`/queries`, {batch, limit: 100}, (one) => queries.set(one.id, one)), all('/objects', {kind: 'drafts', batch, limit: 100}, noteDraft)]);
    names = new Set(fields.list.filter((field) => field.kind === 'own').map((field) => field.name));
    if (closed) return;
    loaded = true;
    draw();
    follow();
    openWanted(params.item);
    await answers();
  }

  /** What she said on another machine: of what is said to be catalogued, and has neither card nor an answer here. */
  async function answers() {
    const open = items().filter((one) => one.query?.duplicate && isFinal(one.query) && !draftOf(one.id) && !answerOf(one.id));
    for (const {id} of open.slice(0, ANSWERS)) {
      if (closed) return;
      const mine = shownId(id);
      const {said} = await api.get(`/queries/${mine}?hits=1`).catch(() => ({}));
      if (said && queries.has(mine)) queries.set(mine, {...queries.get(mine), said});
    }
    if (open.length) drawSoon();
  }

  async function all(path, asked, each) {
    let cursor = null;
    do {
      const page = await api.get(`${path}${api.asked({...asked, cursor})}`);
      page.items.forEach(each);
      cursor = page.next;
    } while (cursor && !closed);
  }

  function noteDraft(data) {
    if (!data.draft) return;
    cards.set(data.id, data);
    if (data.draft.query) drafts.set(data.draft.query, data);
  }

  /** Its photos are up: ask until it is known, since without that nothing here watches it. */
  async function fetchOne(id) {
    fetching.add(id);
    for (let attempt = 0; !closed; attempt += 1) {
      try {
        const found = await api.get(`/queries/${id}?hits=1`, {within: sending.STALLED});
        if (closed) return;
        fetching.delete(id);
        queries.set(id, {...queries.get(id), ...found});
        drawSoon();
        if (!loaded) return;
        follow();
        if (!current) openWanted();
        return;
      } catch (error) {
        if (error.code !== 'offline' && !(error.status >= 500)) { fetching.delete(id); shell.failed(error); return; }
        await sending.reachable(Math.min(LATER, 1000 * 2 ** attempt));
      }
    }
  }

  /** The search that is shown for an object: the last that was made of its photos, here or on another machine. */
  function shownId(id) {
    const made = [...queries.values()].filter((one) => one.of && one.id !== id && rootOf(one) === id).map((one) => one.id);
    return [...made, swaps[id] || id].sort()[0];  // ids begin with time backwards
  }

  /** The first search of the same photos that the batch has. */
  function rootOf(query) {
    let first = query;
    while (first.of && queries.has(first.of)) first = queries.get(first.of);
    return first.id;
  }

  /** `same` where she said that the object is catalogued already: here, or on another machine. */
  function answerOf(id) {
    const here = pref(`answer.${shownId(id)}`);
    if (here) return here;
    return Object.values(queries.get(shownId(id))?.said || queries.get(id)?.said || {}).includes('same') ? 'same' : null;
  }

  /** The batch's own fields: as they were given here, else what all its cards have alike. */
  function ownFields() {
    const kept = pref(`batch.own.${batch}`);
    const [first, ...others] = [...cards.values()].map((one) => one.fields);
    if (kept || !first) return kept || undefined;
    return Object.fromEntries(Object.entries(first).filter(([name, value]) => names.has(name) && others.every((one) => one[name] === value)));
  }

  const draftOf = (id) => drafts.get(shownId(id)) || drafts.get(id);

  /** The batch's objects in the order in which they were given: what is at the server, then what is not there yet. */
  function items() {
    const parts = new Set(Object.values(swaps));
    const there = [...queries.values()].filter((one) => !parts.has(one.id) && !(one.of && queries.has(one.of))).sort((a, b) => (a.id < b.id ? 1 : -1));
    const run = runOf(batch)?.items || [];
    const sent = new Map(run.filter((item) => item.id).map((item) => [item.id, item]));
    const here = run.filter((item) => !(item.id && queries.has(item.id)));
    return [...there.map((one) => ({id: one.id, query: one, item: sent.get(one.id)})), ...here.map((item) => ({id: item.id, item}))];
  }

  const nameOfItem = ({query, item}) => item?.name || (query?.filename || '').replace(/\.[^.]+$/, '').replace(/_\d$/, '') || t('object.nameless');

  /** Whether its photos never came, and nobody is sending them. */
  const lost = ({query, item}) => query?.status === 'uploading' && !item && Date.now() / 1000 - birth(query.id) > FORM_SECONDS;

  /** What is to be said of an object's state: `[key of a text, kind]`. */
  function stateOf({id, query, item}) {
    if (item && item.state !== 'sent') return [`work.${item.state}`, item.state === 'bad' || item.state === 'stopped' ? 'failed' : 'waiting'];
    if (!query) return ['work.sending', 'waiting'];
    if (lost({query, item})) return ['work.lost', 'failed'];
    const draft = draftOf(id)?.draft;
    if (draft) return [`state.${draft.state}`, `is-${draft.state}`];
    if (answerOf(id) === 'same') return ['work.same', 'is-linked'];
    if (query.status === 'completed') return nothing(query) ? ['work.nothing', 'ready'] : ['work.ready', 'ready'];
    return [`status.${query.status}`, query.status];
  }

  const nothing = (query) => (query.result ? query.result.verdict?.similar === false : !query.top);
  const finished = (one) => DONE.has(draftOf(one.id)?.draft?.state) || answerOf(one.id) === 'same';

  let drawing = 0;
  function drawSoon() {
    if (drawing || closed) return;
    drawing = requestAnimationFrame(() => { drawing = 0; if (loaded) draw(); });
  }

  function draw() {
    if (closed) return;
    const had = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const all = items();
    fill(list, all.map((one) => {
      const [key, kind] = stateOf(one);
      const photo = one.query?.photos?.[0];
      const local = one.id ? sending.previewsOf(one.id)[0] : null;
      const top = one.query?.top || (one.query?.result?.hits?.[0] && {name: one.query.result.hits[0].record?.Name, score: one.query.result.hits[0].score});
      const thumb = h('span', {class: 'thumb'}, local ? h('img', {src: local, alt: ''}) : picture(photo, '320', {loading: 'lazy'}));
      const text = h('span', {class: 'work-text'}, h('span', {class: 'work-name'}, nameOfItem(one)),
        h('span', {class: 'work-state'}, h('i', {class: `dot ${kind}`}), t(key), one.item?.state === 'sending' ? ` ${percent(one.item.share)}` : ''),
        one.query?.duplicate && kind === 'ready' ? h('span', {class: 'small work-top own'}, t('work.duplicate')) : top && one.query?.status === 'completed' && !nothing(one.query) ? h('span', {class: 'soft small work-top'}, `${score(top.score, 2)} · ${topName(top)}`) : null);
      if (lost(one)) return h('li', {class: 'work'}, h('div', {class: 'work-in'}, thumb, text, h('p', {class: 'small'}, t('work.lost_why'), ' ', button(t('work.forget'), {kind: 'quiet small', onclick: () => forget(one.id)}))));
      if (one.id && one.query) return h('li', {class: 'work'}, h('a', {href: `#/${base}/${one.id}`, data: {id: one.id}, 'aria-current': one.id === current ? 'true' : null}, thumb, text));
      return h('li', {class: 'work'}, h('div', {class: 'work-in'}, thumb, text, one.item?.problems?.length > 0 && h('p', {class: 'bad small'}, one.item.problems.map((bad) => `${bad.name}: ${problemOf(bad)}`).join(' ')),
        one.item?.state === 'stopped' && h('p', {class: 'bad small'}, shell.why(one.item.problem), ' ', button(t('error.again'), {kind: 'quiet small', onclick: () => retry(batch, one.item)})),
        one.item?.state === 'bad' && h('p', {class: 'small'}, button(t('work.forget'), {kind: 'quiet small', onclick: () => dismiss(batch, one.item)}))));
    }));
    if (had) list.querySelector(`[data-id="${had}"]`)?.focus();
    if (!all.length && loaded) fill(list, h('li', {class: 'soft'}, t('batch.empty')), h('li', {}, h('a', {class: 'button', href: '#/batch'}, t('batch.title'))));
    const done = all.filter(finished).length;
    const going = all.filter((one) => (!one.query || !isFinal(one.query)) && !lost(one)).length;
    summary.textContent = [t('batch.objects', {n: all.length}), t('batch.finished', {n: done}), going && t('batch.going', {n: going})].filter(Boolean).join(' · ');
    const share = all.length ? done / all.length : 0;
    line.firstChild.style.setProperty('transform', `scaleX(${share})`);
    line.setAttribute('aria-valuenow', Math.round(share * 100));
    const at = all.findIndex((one) => one.id === current);
    main.querySelector('#batch-at').textContent = at >= 0 ? t('card.of', {i: at + 1, n: all.length}) : '';
  }

  async function forget(id) {
    try {
      await api.remove(`/queries/${id}`);
      queries.delete(id);
      draw();
    } catch (error) { shell.failed(error); }
  }

  /** Watch the objects that are next to be found; the rest is asked for when their turn comes. */
  function follow() {
    const late = (one) => (one.query.status === 'uploading' ? 1 : 0);
    const open = items().filter((one) => one.query && !isFinal(one.query) && !lost(one)).sort((a, b) => late(a) - late(b)).slice(0, STREAMS);
    for (const [id, one] of watchers) if (!open.some((other) => other.id === id)) { one.close(); watchers.delete(id); }
    for (const {id} of open) {
      if (watchers.has(id)) continue;
      watchers.set(id, watch(id, {
        state: (next) => {
          const was = queries.get(id);
          queries.set(id, {...was, ...next});
          drawSoon();
          if (!isFinal(next)) return;
          watchers.delete(id);
          follow();
        },
        gone: () => { watchers.delete(id); queries.delete(id); drawSoon(); follow(); },
      }));
    }
  }

  /** Whether an object that was given before another one is still on its way. */
  function behind(found) {
    const given = runOf(batch)?.items || [];
    return given.some((item, place) => !queries.has(item.id) && (COMING.has(item.state) || fetching.has(item.id))
      && (place < given.indexOf(found.item) || (found.item && item.id > found.id)));  // ids begin with time backwards
  }

  /** Open what the address names, else the first object that is not done. */
  function openWanted(wanted) {
    const all = items().filter((one) => one.query && !lost(one));
    const named = all.find((one) => one.id === wanted);
    const found = named || all.find((one) => !finished(one)) || all[0];
    if (found && (named || !behind(found))) open(found.id, {focus: false});
    else fill(place, h('div', {class: 'empty'}, icon('clock'), h('p', {}, t('batch.wait'))));
  }

  let pendingFocus = false;
  function open(id, {focus = true} = {}) {
    if (current === id && work) return;
    work?.close();
    current = id;
    pendingFocus = focus;
    const mine = shownId(id);
    history.replaceState(focus ? null : history.state, '', `#/${base}/${id}`);
    work = workplace(place, {id: mine, shell, heading: 'h2', base: `${base}/${id}`, draftId: draftOf(id)?.id, batch: {name: batch, own: ownFields()}, changed: (what, value) => changed(id, what, value), next: () => step(1, true)});
    place.querySelector('.query-title')?.before(h('p', {class: 'work-of soft'}, nameOfItem(items().find((one) => one.id === id) || {})));
    draw();
    list.querySelector('[aria-current="true"]')?.scrollIntoView({block: 'nearest'});
    if (focus) { work.title.focus({preventScroll: true}); scrollTo({top: 0}); }
  }

  function changed(id, what, value) {
    if (closed) return true;
    if (what === 'draft') { cards.set(value.id, value); drafts.set(value.draft?.query || shownId(id), value); drawSoon(); }
    else if (what === 'erased') { cards.delete(value); for (const [key, one] of drafts) if (one.id === value) drafts.delete(key); drawSoon(); }
    else if (what === 'state') { if (queries.has(id) && shownId(id) === value.id) { queries.set(id, {...queries.get(id), ...value, id, of: queries.get(id).of}); drawSoon(); } }
    else if (what === 'card') { if (pendingFocus && id === current) { pendingFocus = false; focusWork(value); } }
    else if (what === 'answer') drawSoon();
    else if (what === 'replaced' || what === 'renamed') {
      swaps[id] = value;
      keep(`batch.swap.${batch}`, swaps);
      work?.close();
      work = null;
      current = null;
      open(id);
      return true;
    }
    return true;
  }

  /** Where the next key is wanted: at the question whether it is catalogued, which no Enter answers; else at "take all". */
  function focusWork(card) {
    const asks = place.querySelector('.same-title');
    if (!asks) { card.focus(); return; }
    asks.tabIndex = -1;
    asks.focus({preventScroll: true});
  }

  function step(by, unfinished = false) {
    const all = items().filter((one) => one.query && !lost(one));
    const at = all.findIndex((one) => one.id === current);
    let next = null;
    if (unfinished) next = [...all.slice(at + 1), ...all.slice(0, Math.max(0, at))].find((one) => !finished(one));
    else next = all[at + by];
    if (next) { open(next.id); return; }
    if (unfinished) { toast(t('batch.all_done'), {kind: 'good'}); exports.querySelector('a').focus(); }
  }

  function keys(event) {
    if (document.querySelector('dialog[open]')) return;
    if (event.altKey && (event.key === 'PageDown' || event.key === 'PageUp')) { event.preventDefault(); step(event.key === 'PageDown' ? 1 : -1); return; }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const card = work?.card?.();
    const act = {KeyJ: () => step(1), KeyK: () => step(-1), KeyA: () => card?.takeAll(), KeyC: () => place.querySelector('.same .quiet, .hit .button')?.click(),
      Digit1: () => place.querySelector('.same .primary')?.click(), Digit2: () => place.querySelector('.same .button:not(.primary, .quiet)')?.click()}[event.code]
      || (event.key === '?' || event.key === ',' && event.shiftKey ? keysHelp : null);
    if (!act) return;
    event.preventDefault();
    act();
  }

  function keysHelp() {
    const rows = [['A', 'keys.take'], ['Enter', 'keys.enter'], ['Ctrl + Enter', 'keys.check'], ['Esc', 'keys.leave'], ['Alt + ↓ ↑', 'keys.value'], ['J  K', 'keys.move'], ['Alt + Page Down, Page Up', 'keys.move_typing'], ['1  2', 'keys.same'], ['C', 'keys.compare'], ['Ctrl + Z', 'keys.undo']];
    const dialog = h('dialog', {class: 'ask', 'aria-labelledby': 'keys-title'}, h('h2', {id: 'keys-title'}, t('batch.keys')), h('dl', {class: 'keys'}, rows.map(([key, text]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, t(text))])),
      h('div', {class: 'row end'}, button(t('compare.close'), {kind: 'primary', autofocus: true, onclick: () => dialog.close()})));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  async function copyAll() {
    try {
      const fields = await table();
      const settings = await api.settings().catch(() => ({}));
      const only = pref('copy.only', false);
      const names = ordered(fields.list.map((field) => field.name), settings.copy_order, only);
      const cards = items().filter((one) => draftOf(one.id));
      if (!cards.length) { toast(t('batch.no_drafts')); return; }
      const row = (what, cells) => (only ? cells : `${what}\t${cells}`);
      const rows = [row(t('batch.object'), names.map((name) => fields.label(name)).join('\t')), ...cards.map((one) => row(nameOfItem(one).replace(/\s+/g, ' '), asText(draftOf(one.id).fields, names, {...fields, form: 'cells'})))];
      await copy(rows.join('\n'), t('batch.cards', {n: cards.length}));
    } catch (error) { shell.failed(error); }
  }

  /** The batch as a file, by the link itself; as several where one does not take all cards. */
  async function given(event, format) {
    asked();
    if (cards.size <= IN_A_FILE) return;
    event.preventDefault();
    toast(t('batch.in_files', {n: IN_A_FILE}));
    try { await inFiles((cursor) => exported(format, cursor), batch, format); } catch (error) { shell.failed(error); }
  }

  /** After an export: those checked may be marked as transferred. */
  function asked() {
    const checked = items().map((one) => draftOf(one.id)).filter((one) => one?.draft.state === 'checked');
    if (!checked.length) return;
    toast(t('batch.mark', {n: checked.length}), {action: t('batch.mark_do'), act: async () => {
      let count = 0;
      for (const one of checked) {
        try {
          const {etag} = await api.call('GET', api.objectPath(one.id));
          const {data} = await api.call('PATCH', api.objectPath(one.id), {body: {draft: {state: 'exported'}}, type: 'application/merge-patch+json', match: etag});
          noteDraft(data);
          count += 1;
        } catch (error) { shell.failed(error); }
      }
      draw();
      say(t('batch.marked', {n: count}));
      const id = current;
      if (id) { work?.close(); work = null; current = null; open(id, {focus: false}); }
    }});
  }

  return {
    title: batch,
    update(next) {
      if (next.name !== batch) return false;
      if (next.item && next.item !== current) open(next.item);
      work?.open(next.object);
      return true;
    },
    take: (found) => shell.give(found),
    close() {
      closed = true;
      unhear();
      work?.close();
      watchers.forEach((one) => one.close());
      document.removeEventListener('keydown', keys);
      window.removeEventListener('beforeunload', warn);
      cancelAnimationFrame(drawing);
    },
  };
}
