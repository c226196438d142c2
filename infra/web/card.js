// Черновик карточки: what is offered is taken, edited, cleared, undone; everything is saved as it is typed.

import * as api from './api.js';
import {asText, ordered} from './copytext.js';
import {button, confirmed, debounced, fill, h, icon, say, toast, typing} from './dom.js';
import {lang, listed, moment, percent, t} from './i18n.js';
import {bar} from './hits.js';
import {pieces, taken, unchanged} from './marks.js';
import {changes, merged, way} from './merge.js';
import {reducing} from './photos.js';
import {classOf, codeText, fits, isDraft, nameOf, numberOf} from './records.js';
import {keep, pref} from './prefs.js';

const SAVE_AFTER = 600;
const ONE_TYPING = 1200;
const LONG = new Set(['ShortDescription', 'Provenance', 'Condition']);
const ASKS = new Set(['Name', 'ShortDescription']);
const NEEDED = ['Name', 'TypologyGK'];  // of a card that is checked
const WHOLE = new Set([...ASKS, 'CreationTime', 'CreationTimeStart', 'CreationTimeEnd']);  // texts and years, which are of one object or of none
const FIRST = 'CreationTimeStart';
const LAST = 'CreationTimeEnd';
const SCROLLS = 100;  // signs: a longer text may be scrolled on a phone, also by keys
const SHOWN_AS = ['object.kp', 'object.gk', 'object.inv', 'object.id'];  // what the page writes before a number
const KINDS = ['offered', 'own', 'never'];

/** Put text on the clipboard and say so. */
export async function copy(text, what) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copiedByHand(text);
    toast(t('copy.done', {what}));
  } catch {
    toast(t('copy.failed'), {kind: 'bad'});
  }
}

/** Without TLS a browser has no clipboard to write to, and copies what is selected. */
function copiedByHand(text) {
  const field = h('textarea', {class: 'sr', value: text, 'aria-hidden': 'true', tabindex: '-1'});
  const had = document.activeElement;
  (document.querySelector('dialog[open]') || document.body).append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  had?.focus();
  if (!done) throw new Error('not copied');
}

/**
 * A card in `place`. Either of a query (`queryId`, `result`), whose draft is made with the first change, or of a draft (`draftId`).
 * `changed(what, value)` tells a worklist; `batch` is `{name, own}`.
 */
export function card(place, {queryId, result, fields, shell, changed = () => {}, batch, draftId, openObject, next}) {
  let values = {};
  let sources = {};
  let sure = new Set();
  let state = 'draft';
  let linked = null;
  let saved = null;  // {id, etag, fields, sources, confirmed, state, linked}
  let saving = false;
  let again = false;
  let closed = false;
  let removed = false;
  let held = false;
  let refused = false;  // a state that was asked for
  let findable = false;
  let begun = false;
  let trying = false;
  let early = {};  // what she wrote while it was looked for whether there is a draft
  const known = Boolean(draftId || pref(`draft.${queryId}`));  // a draft that there is: nobody writes before it is shown
  let asked = false;
  let checking = false;
  const ends = [];
  let clashes = {};  // by field, what another window wrote there meanwhile: not sent until she chooses
  let undone = [];
  let done = [];
  let last = {name: '', at: 0};
  const offers = result?.draft || {};
  const at = {};
  const rows = {};
  const backup = () => `unsaved.${saved?.id || draftId || queryId}`;
  const prefix = `c-${(queryId || draftId || '').slice(-10)}`;

  const stateTag = h('span', {class: 'tag'});
  const saveLine = h('p', {class: 'soft small save-line'});
  const undoButton = button(t('card.undo'), {icon: 'undo', bare: true, disabled: true, onclick: undo});
  const redoButton = button(t('card.redo'), {icon: 'redo', bare: true, disabled: true, onclick: redo});
  const allButton = button(t('card.take_all'), {icon: 'check', kind: 'primary take-all', onclick: () => takeAll(), 'aria-keyshortcuts': 'Alt+A'});
  const copyButton = button(t('card.copy'), {icon: 'copy', bare: true, onclick: copyCard});
  const deleteButton = button(t('card.delete'), {icon: 'bin', bare: true, hidden: true, onclick: erase});
  const checkButton = button(t('card.check'), {icon: 'check', kind: 'primary', onclick: () => check(), 'aria-keyshortcuts': 'Control+Enter'});
  const stateActs = h('div', {class: 'row state-acts'});
  const open = h('p', {class: 'soft small', 'aria-live': 'off'});
  const photoNote = h('p', {class: 'soft small photo-note', hidden: !queryId || !reducing()});
  const veil = h('div', {class: 'note veil', hidden: true}, icon('info'), h('div', {}, h('p', {}, t('card.held')), button(t('card.anyway'), {kind: 'quiet small', onclick: () => { hold(false); rows[fields.list[0].name]?.input.focus(); }})));
  const body = h('div', {class: 'card-body'}, KINDS.map(group));
  const title = h('h2', {tabindex: '-1'}, t('card.title'));
  const node = h('section', {class: 'panel card', onkeydown: keys},
    h('div', {class: 'card-top'}, h('div', {class: 'row'}, title, h('span', {class: 'spring'}), undoButton, redoButton, copyButton, deleteButton), h('div', {class: 'row'}, stateTag, saveLine),
      h('div', {class: 'row'}, allButton)),
    veil, body, h('div', {class: 'card-foot'}, open, stateActs), photoNote);
  fill(place, node);
  if (!Object.keys(offers).length) allButton.hidden = true;
  const later = debounced(save, SAVE_AFTER);
  const folds = [...body.querySelectorAll('details')];
  const printing = () => folds.forEach((one) => { one.dataset.was = String(one.open); one.open = true; });
  const printed = () => folds.forEach((one) => { if (one.dataset.was === 'false') one.open = false; });
  const online = () => { if (dirty() || !begun) save(); };
  const leaving = (event) => { if (dirty()) { store(); save(); if (saving) event.preventDefault(); } };
  /** Alt+A, wherever the keyboard is. */
  const anywhere = (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== 'KeyA' || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    if (!allButton.hidden && !allButton.disabled) takeAll();
  };
  document.addEventListener('keydown', anywhere);
  window.addEventListener('online', online);
  window.addEventListener('beforeunload', leaving);
  window.addEventListener('beforeprint', printing);
  window.addEventListener('afterprint', printed);

  /** Begin with the draft that there is. Where it cannot be read, nobody writes: what is written would be another. */
  async function begin() {
    trying = true;
    try {
      await load();
    } catch (error) {
      drawSave(error.code === 'offline' ? 'offline' : 'failed', error);
      shell.failed(error);
    } finally { trying = false; }
  }

  async function load() {
    const there = await made();
    const own = there ? {} : {...(await api.settings().catch(() => ({}))).own, ...batch?.own};
    early = values;
    const before = backup();
    const unsaved = pref(`unsaved.${there?.data.id}`) ?? pref(before);
    if (there) adopt(there.data, there.etag);
    else values = Object.fromEntries(Object.entries(own).filter(([name, value]) => value && fields.byName[name]?.kind === 'own'));
    if (backup() !== before) keep(before, null);
    if (unsaved) {
      const base = unsaved.base || {};
      ({values, clashes} = merged(base, unsaved.values, saved?.fields || base));
      sources = unsaved.base ? unsaved.sources : {...saved?.sources, ...unsaved.sources};
      sure = new Set(unsaved.sure);
    }
    for (const [name, value] of Object.entries(early)) apply(name, value);
    begun = true;
    hold(held);
    render();
    if (!unsaved && !Object.keys(early).length) return;
    store();
    if (closed) save(); else later();
  }

  /** The draft that there is already, with its ETag. */
  async function made() {
    const draft = draftId || pref(`draft.${queryId}`) || (!batch && await madeElsewhere().catch(() => null));  // saving says it too
    if (!draft) return null;
    try {
      return await api.call('GET', api.objectPath(draft));
    } catch (error) {
      if (error.status !== 404 || draftId) throw error;
      keep(`draft.${queryId}`, null);
      return null;
    }
  }

  /** The draft that another browser made of this query, if any. Drafts are listed by name, which has the query's id: it is the next one after its own beginning. */
  async function madeElsewhere() {
    const {museum} = await api.me();
    const {items} = await api.get(`/objects${api.asked({kind: 'drafts', limit: 1, cursor: api.handle(museum, `draft-${queryId.slice(0, -1)}`)})}`);
    return items.find((one) => one.draft?.query === queryId)?.id;
  }

  /** Take what the server has as what is saved, and as what is shown. */
  function adopt(data, etag) {
    const info = data.draft || {};
    saved = {id: data.id, etag, fields: {...data.fields}, sources: {...info.sources}, confirmed: [...(info.confirmed || [])], state: info.state || 'draft', linked: info.linked_to || null};
    values = {...saved.fields};
    sources = {...saved.sources};
    sure = new Set(saved.confirmed);
    state = saved.state;
    linked = saved.linked;
    if (queryId) keep(`draft.${queryId}`, saved.id);
    changed('draft', data);
  }

  function group(kind) {
    const list = fields.list.filter((field) => field.kind === kind);
    const inside = list.map(row);
    if (kind === 'offered') return h('fieldset', {class: 'kind offered'}, h('legend', {}, t(Object.keys(offers).length ? 'card.offered' : 'card.described')), inside);
    return h('details', {class: `kind ${kind}`, open: kind === 'never' || undefined}, h('summary', {}, h('span', {}, t(`card.${kind}`)), h('span', {class: 'soft small'}, t(`card.${kind}_why`))), h('div', {class: 'pairs'}, inside));
  }

  function row(field) {
    const {name, kind} = field;
    const id = `${prefix}-${name}`;
    const coded = name === 'TypologyGK' || Object.keys(field.codes || {}).length > 0;
    let input;
    let mirror = null;
    if (coded) {
      const options = name === 'TypologyGK' ? fields.classes.map((one) => [String(one.code), one[lang]]) : Object.keys(field.codes).map((code) => [code, codeText(name, code, field)]);
      input = h('select', {id, onchange: () => typed(name)}, h('option', {value: ''}, kind === 'never' ? t('card.yours') : '—'), options.map(([code, text]) => h('option', {value: code}, text)));
    } else {
      input = h('textarea', {id, rows: LONG.has(name) ? 2 : 1, oninput: () => typed(name), autocomplete: 'off', spellcheck: String(LONG.has(name) || name === 'Name'), lang: 'ru',
        inputmode: field.form === 'year' ? 'numeric' : null, onkeydown: LONG.has(name) ? null : oneLine, placeholder: kind === 'never' ? t('card.yours') : null});
      mirror = h('div', {class: 'mirror', 'aria-hidden': 'true'});
    }
    input.setAttribute('aria-describedby', `${id}-note`);
    const origin = h('span', {class: 'origin soft small'});
    const copyIt = button(t('card.copy_field', {name: fields.label(name)}), {icon: 'copy', bare: true, kind: 'tiny', tabindex: '-1', onclick: () => copy(fields.shown(name, values[name] || ''), fields.label(name))});
    const clear = button(t('card.clear_field', {name: fields.label(name)}), {icon: 'x', bare: true, kind: 'tiny', tabindex: '-1', onclick: () => { set(name, ''); input.focus(); say(t('card.cleared')); }});
    const note = h('div', {class: 'field-note', id: `${id}-note`});
    const offer = h('div', {class: 'offer'});
    const wrap = h('div', {class: `field ${kind} ${LONG.has(name) ? 'wide' : ''}`, data: {field: name}},
      h('div', {class: 'field-top'}, h('label', {for: id}, fields.label(name)), origin, h('span', {class: 'spring'}), copyIt, clear),
      mirror ? h('div', {class: 'grow'}, mirror, input) : input, note, offer);
    rows[name] = {field, input, mirror, note, offer, origin, clear, copyIt, wrap};
    return wrap;
  }

  /** A field of one line has no line break. */
  function oneLine(event) {
    if (event.key === 'Enter' && !event.isComposing) event.preventDefault();
  }

  function render() {
    for (const name of Object.keys(rows)) draw(name);
    allButton.disabled = held || state === 'linked' || !offeredLeft();
    stateTag.textContent = saved ? t(`state.${state}`) : t('state.none');
    stateTag.className = `tag state-${saved ? state : 'none'}`;
    undoButton.disabled = !done.length;
    redoButton.disabled = !undone.length;
    deleteButton.hidden = !saved;
    drawPhotoNote();
    const left = toConfirm();
    open.textContent = left.length ? t('card.to_confirm', {n: left.length, names: listed(left.map((name) => fields.label(name).toLowerCase()))}) : '';
    drawState();
    drawSave(begun && dirty() && saved ? 'soon' : undefined);
  }

  function draw(name) {
    const {field, input, mirror, note, offer, origin, clear, copyIt, wrap} = rows[name];
    const value = values[name] || '';
    const locked = state === 'linked';
    if (mirror) input.readOnly = locked;
    else input.disabled = locked;
    const shownValue = name === 'TypologyGK' && value ? String(classOf(fields.classes, value)?.code ?? '') : value;
    if (input.value !== shownValue) input.value = shownValue;
    if (mirror) fill(mirror, mark(name, value), '\u200b');
    wrap.classList.toggle('filled', Boolean(value));
    copyIt.disabled = !value;
    clear.disabled = !value || locked;
    const from = sources[name];
    const same = from && unchanged(value, from.value);
    origin.textContent = '';
    if (value && field.kind === 'own' && !from) origin.textContent = t('card.from_settings');
    else if (value && from) origin.textContent = t(same ? 'card.taken' : 'card.edited', {number: sourceName(from.object)});
    const parts = [];
    const open = needs(name);
    if (open.length) {
      parts.push(h('div', {class: 'confirm'}, h('p', {}, t('card.confirm'), ' ', open.slice(0, 8).map((one, place) => [place ? ' ' : '', h('mark', {class: one.kind, title: t(`mark.${one.kind}`)}, one.text.length > 60 ? `${one.text.slice(0, 57)}…` : one.text)])),
        button(t('card.confirmed'), {icon: 'check', kind: 'small', 'aria-label': t('card.confirmed_field', {name: fields.label(name)}), onclick: () => { remember(''); sure.add(name); touched(name); (nextOpen() || checkButton).focus(); }})));
    } else if (from && sure.has(name) && taken(value, from.value, name).length) parts.push(h('p', {class: 'ok small'}, icon('check'), t('card.was_confirmed')));
    if (same && ASKS.has(name)) {
      parts.push(h('div', {class: 'distinct'}, h('p', {}, t('card.distinct')), button(t('card.distinct_add'), {icon: 'pen', kind: 'quiet small', onclick: () => {
        const text = values[name].replace(/[\s.;,]*$/, '');
        set(name, `${text}; `);
        input.focus();
        input.setSelectionRange(input.value.length, input.value.length);
      }})));
    }
    const problem = wrong(field, value) || (value === wrap.warned && wrap.warning) || '';
    if (problem) parts.push(h('p', {class: 'bad small'}, problem));
    input.toggleAttribute('aria-invalid', Boolean(problem));
    if (problem) input.setAttribute('aria-invalid', 'true');
    if (name in clashes) {
      const said = (one) => (one ? fields.shown(name, one) : t('card.empty'));
      const other = clashes[name];
      const choose = (act) => { delete clashes[name]; act(); input.focus(); };
      parts.push(h('div', {class: 'note clash', role: 'group', 'aria-label': t('card.changed')}, icon('alert'), h('div', {}, h('p', {}, t('card.changed')), h('p', {}, t('card.clash_here', {value: said(value)})), h('p', {}, t('card.clash', {value: said(other)})),
        h('div', {class: 'row'}, button(t('card.clash_keep'), {kind: 'small', data: {keep: 'mine'}, onclick: () => choose(() => touched(name))}), button(t('card.clash_take'), {kind: 'small', data: {keep: 'theirs'}, onclick: () => choose(() => set(name, other))})))));
    }
    keepFocus(note, () => fill(note, parts));
    drawOffer(name, offer, value);
  }

  /** Redraw without losing the place of the keyboard. */
  function keepFocus(part, work) {
    const had = part.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
    work();
    if (had) part.querySelector(`[data-keep="${had}"]`)?.focus();
  }

  function mark(name, value) {
    const from = sources[name];
    if (!from || !value || sure.has(name)) return [value];
    if (taken(value, from.value, name).length === 0) return [value];
    const wanted = new Set(taken(value, from.value, name).map((one) => one.text));
    return pieces(value, name).map((piece) => (piece.kind && wanted.has(piece.text) ? h('mark', {class: piece.kind}, piece.text) : piece.text));
  }

  const needs = (name) => (sources[name] && values[name] && !sure.has(name) ? taken(values[name], sources[name].value, name) : []);
  const toConfirm = () => Object.keys(rows).filter((name) => needs(name).length);
  const nextOpen = () => { const [name] = toConfirm(); return name && rows[name].note.querySelector('.confirm button'); };

  function wrong(field, value) {
    if (!value) return '';
    if (!fits(field.form, value.trim())) return t(`card.bad_${field.form}`);
    const start = (values[FIRST] || '').trim();
    return field.name === LAST && fits('year', start) && start && Number(start) > Number(value) ? t('card.bad_period') : '';
  }

  /** What is wrong with a value that the gateway alone warns of: none, years the wrong way round, or a code or class that there is not. */
  const warned = (field, value) => t(!value ? 'card.needed' : field.form === 'year' ? 'card.bad_period' : 'card.bad_code');

  function sourceName(object) {
    const hit = (result?.hits || []).find((one) => one.object.id === object);
    if (hit) return numberOf(hit.record, hit.object);
    for (const list of Object.values(offers)) for (const offer of list) for (const source of offer.sources) if (source.id === object) return numberOf(null, source);
    return object ? t('card.other_record') : '';
  }

  function drawOffer(name, place, value) {
    const list = offers[name];
    if (!list?.length || state === 'linked') { fill(place); return; }
    const here = at[name] ?? 0;
    const offer = list[here];
    const text = fields.shown(name, offer.value);
    const isIt = unchanged(value, offer.value) || (name === 'TypologyGK' && value && classOf(fields.classes, offer.value)?.code === classOf(fields.classes, value)?.code);
    keepFocus(place, () => fill(place,
      !isIt && h('div', {class: 'offer-one'}, h('p', {class: 'offer-value', tabindex: text.length > SCROLLS ? '0' : null}, text),
        button(t('card.take'), {kind: 'small', 'aria-label': t('card.take_named', {name: fields.label(name), value: text}), data: {keep: 'take'}, onclick: () => { take(name, offer); rows[name].input.focus(); }})),
      h('div', {class: 'offer-more'},
        h('span', {class: 'support', title: t('card.support_why')}, bar(offer.support, {kind: 'l1'}), h('span', {}, t('card.support', {p: percent(offer.support)}))),
        h('span', {class: 'soft offer-from'}, t('card.from', {n: offer.sources.length}), ' ', offer.sources.slice(0, 3).map((source, index) => [index ? ', ' : '', openObject
          ? h('a', {href: `#/o/${source.id}`, onclick: (event) => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); openObject(source.id); } }}, sourceName(source.id)) : h('a', {href: `#/o/${source.id}`}, sourceName(source.id))])),
        list.length > 1 && h('span', {class: 'row tight'},
          button(t('card.previous_of', {name: fields.label(name)}), {icon: 'left', bare: true, kind: 'tiny', data: {keep: 'back'}, onclick: () => turn(name, -1)}),
          h('span', {class: 'soft small num'}, t('card.of', {i: here + 1, n: list.length})),
          button(t('card.next_of', {name: fields.label(name)}), {icon: 'right', bare: true, kind: 'tiny', data: {keep: 'next'}, onclick: () => turn(name, 1)})))));
  }

  /** Show the next offered value of a field. */
  function turn(name, by) {
    const list = offers[name];
    at[name] = ((at[name] ?? 0) + by + list.length) % list.length;
    draw(name);
    say(fields.shown(name, list[at[name]].value));
  }

  /** What an undo brings back. */
  const kept = () => ({values: {...values}, sources: {...sources}, sure: [...sure], state});

  function remember(name) {
    const now = Date.now();
    if (name && last.name === name && state === 'draft' && now - last.at < ONE_TYPING) { last.at = now; return; }
    last = {name, at: now};
    done.push(kept());
    if (done.length > 200) done.shift();
    undone = [];
  }

  function put(back) {
    values = back.values;
    sources = back.sources;
    sure = new Set(back.sure);
    last = {name: '', at: 0};
    if (state === 'draft') state = back.state;
    else fall(null);
    render();
    store();
    later();
  }

  function undo() {
    if (!done.length || state === 'linked') return;
    undone.push(kept());
    put(done.pop());
    say(t('card.undone'));
  }

  function redo() {
    if (!undone.length || state === 'linked') return;
    done.push(kept());
    put(undone.pop());
  }

  function typed(name) {
    remember(name);
    const value = rows[name].input.value;
    if (value.trim()) values[name] = value;
    else { delete values[name]; delete sources[name]; sure.delete(name); }
    touched(name);
  }

  function set(name, value, source) {
    remember('');
    apply(name, value, source);
    touched(name);
  }

  function apply(name, value, source) {
    if (value) values[name] = value; else delete values[name];
    if (!value) delete sources[name];
    else if (source) { sources[name] = {object: source.object, value: source.value, at: Math.round(Date.now() / 1000)}; sure.delete(name); }
  }

  const valueOf = (name, offer) => (name === 'TypologyGK' ? String(classOf(fields.classes, offer.value)?.code ?? offer.value) : offer.value);

  /** The object that the card is made after: that of its name, else the first that is offered. */
  const sample = () => [sources.Name?.object, ...[offers.Name?.[at.Name ?? 0], ...Object.values(offers).map((list) => list[0])].map((offer) => offer?.sources[0]?.id)].find(Boolean);

  /** What is taken of a field together with all others: texts and years of one object, where it has them; else what most records say. */
  function together(name, object) {
    const list = offers[name];
    let offer = list[at[name] ?? 0];
    if (WHOLE.has(name) && at[name] === undefined) {
      const written = result.hits.find((hit) => hit.object.id === object)?.record?.[name];
      offer = list.find((one) => one.sources.some((source) => source.id === object)) || (written ? {value: written, sources: [{id: object}]} : offer);
    }
    const value = valueOf(name, offer);
    return {value, source: {object: (offer.sources.find((source) => source.id === object) || offer.sources[0])?.id, value}};
  }

  /** Fields whose value is from another object than the card's name. */
  const foreign = () => Object.keys(rows).filter((name) => sources.Name && values.Name && sources[name] && values[name] && !sure.has(name) && sources[name].object !== sources.Name.object);

  /** What is pressed before the draft is here waits for it. */
  function onceBegun(act) {
    ready.then(() => { if (begun) act(); });
  }

  function take(name, offer) {
    if (!begun) {
      const before = values[name];
      onceBegun(() => { if (early[name] === before) take(name, offer); });  // what she has written meanwhile stays
      return;
    }
    const value = valueOf(name, offer);
    set(name, value, {object: offer.sources[0]?.id, value});
    say(t('card.taken_said', {name: fields.label(name)}));
  }

  function takeAll() {
    if (held || state === 'linked') return;
    if (!begun) {
      if (!asked) onceBegun(takeAll);
      asked = true;
      checkButton.focus({preventScroll: true});  // the next key is for it, as ever
      return;
    }
    remember('');
    let count = 0;
    const object = sample();
    for (const [name, list] of Object.entries(offers)) {
      if (!list.length || values[name] || !rows[name] || fields.byName[name].kind !== 'offered') continue;
      const {value, source} = together(name, object);
      apply(name, value, source);
      count += 1;
    }
    touched();
    say(t('card.took', {n: count}));
    checkButton.focus({preventScroll: true});
  }

  /** Whether she wrote or edited the field herself. */
  const hers = (name) => Boolean(values[name]) && !unchanged(values[name], sources[name]?.value);

  /** Take the offered fields of one sample, but for what she wrote. */
  function takeFrom(hit) {
    if (!begun) { onceBegun(() => takeFrom(hit)); return; }
    if (held || state === 'linked') return;
    remember('');
    let count = 0;
    let left = 0;
    for (const [name, value] of Object.entries(hit.record || {})) {
      if (fields.byName[name]?.kind !== 'offered' || !value) continue;
      const text = valueOf(name, {value});
      if (hers(name)) { left += 1; continue; }
      apply(name, text, {object: hit.object.id, value: text});
      count += 1;
    }
    touched();
    undoable([t('card.took', {n: count}), left && t('card.left', {n: left})].filter(Boolean).join('. '), {act: undo});
  }

  function takeClass(code) {
    if (!begun) { onceBegun(() => takeClass(code)); return; }
    if (held || state === 'linked') return;
    const offer = (offers.TypologyGK || []).find((one) => String(classOf(fields.classes, one.value)?.code) === String(code));
    set('TypologyGK', String(code), offer && {object: offer.sources[0]?.id, value: String(code)});
    undoable(t('card.class_taken', {name: fields.className(code)}), {act: undo});
  }

  function touched(name) {
    if (fall()) render();
    else if (name) { draw(name); if (name === FIRST) draw(LAST); renderRest(); } else render();
    store();
    later();
  }

  /** A change makes a card that was checked a draft again: said, and undone together with the change. */
  function fall(before = done.at(-1)) {
    if (state !== 'checked' && state !== 'exported') return false;
    undoable(t(`card.fell.${state}`), {urgent: true, act: before?.state === state && (() => backTo(before))});
    state = 'draft';
    return true;
  }

  /** A note that goes with the card: what is done to it from another page would be done unseen. */
  function noted(text, options) {
    const note = toast(text, options);
    ends.push(() => note.remove());
  }

  const undoable = (text, {act, ...options}) => noted(text, {...options, ...(act && {action: t('card.undo'), act})});

  function backTo(before) {
    while (state !== 'linked' && done.includes(before)) undo();
  }

  /** What else a change of one field moves. */
  function renderRest() {
    allButton.disabled = held || !offeredLeft();
    undoButton.disabled = !done.length;
    redoButton.disabled = !undone.length;
    const left = toConfirm();
    open.textContent = left.length ? t('card.to_confirm', {n: left.length, names: listed(left.map((one) => fields.label(one).toLowerCase()))}) : '';
    drawSave('soon');
    drawState();
  }

  function store() {
    if (begun) keep(backup(), {values, sources, sure: [...sure], base: saved?.fields});
  }

  /** Nothing is unsaved, but for what she has still to choose. */
  function settled() {
    if (Object.keys(clashes).length) store();
    else keep(backup(), null);
  }

  /** What is sent of values or sources: where she has to choose, what is there already. */
  function sent(mine, there) {
    const open = Object.keys(clashes).map((name) => [name, there?.[name]]);
    return Object.fromEntries(Object.entries({...mine, ...Object.fromEntries(open)}).filter(([, one]) => one));
  }

  function dirty() {
    if (removed) return false;
    if (!saved) return pref(backup()) !== null;
    return Object.keys(changes(saved.fields, sent(values, saved.fields))).length > 0 || !alike(saved.sources, sent(sources, saved.sources))
      || JSON.stringify(saved.confirmed) !== JSON.stringify([...sure]) || saved.state !== state || saved.linked !== linked;
  }

  const alike = (some, others) => [...new Set([...Object.keys(some), ...Object.keys(others)])].every((name) => JSON.stringify(some[name]) === JSON.stringify(others[name]));

  let run = null;  // what is being saved
  function save() {
    if (!begun) { if (!trying) ready = begin(); return run; }  // it saves what was written meanwhile
    later.cancel();
    if (saving) again = true;
    else run = saveNow();
    return run;
  }

  async function saveNow() {
    if (!dirty()) { drawSave(); return; }
    saving = true;
    drawSave('saving');
    const mine = {values: sent(values, saved?.fields), sources: sent(sources, saved?.sources), sure: [...sure], state, linked};
    try {
      if (!saved) {
        const kinds = (wanted) => Object.fromEntries(Object.entries(mine.values).filter(([name]) => (fields.byName[name]?.kind === 'own') === wanted));
        const {data, etag} = await api.call('POST', '/drafts', {body: {query: queryId, ...(batch ? {batch: batch.name} : {}), fields: kinds(false), sources: mine.sources, own: kinds(true)}});
        keep(backup(), null);
        if (madeMeanwhile(data, mine)) { joinMade(data, etag, mine); return; }
        note(data, etag, mine, true);
        say(t('card.made'));
      } else {
        const patch = changes(saved.fields, mine.values);
        const traced = {};
        for (const name of new Set([...Object.keys(saved.sources), ...Object.keys(mine.sources)])) {
          if (JSON.stringify(saved.sources[name]) !== JSON.stringify(mine.sources[name])) traced[name] = mine.sources[name] ?? null;
        }
        const draft = {};
        if (Object.keys(traced).length) draft.sources = traced;
        if (JSON.stringify(saved.confirmed) !== JSON.stringify(mine.sure)) draft.confirmed = mine.sure;
        const steps = saved.state === mine.state && saved.linked === mine.linked ? [] : way(saved.state, mine.state);
        if (saved.state === 'linked' && mine.state === 'linked' && saved.linked !== mine.linked) steps.push('exported', 'linked');
        const send = async (body) => {
          const {data, etag} = await api.call('PATCH', api.objectPath(saved.id), {body, type: 'application/merge-patch+json', match: saved.etag});
          saved.etag = etag;
          return [data, etag];
        };
        const moved = (step) => (step === 'linked' ? {state: step, linked_to: mine.linked} : {state: step});
        const texts = Object.keys(patch).length ? {fields: patch} : {};
        const locked = saved.state === 'linked' && steps.length > 0;  // its texts open with the step back
        const first = {...(locked ? {} : texts), draft: {...(locked ? {} : draft), ...(steps.length ? moved(steps.shift()) : {})}};
        let [data, etag] = await send(Object.keys(first.draft).length ? first : texts);
        if (locked && (Object.keys(texts).length || Object.keys(draft).length)) [data, etag] = await send({...texts, ...(Object.keys(draft).length ? {draft} : {})});
        for (const step of steps) [data, etag] = await send({draft: moved(step)});
        note(data, etag, mine);
      }
      saving = false;
      if (again || dirty()) { again = false; later(); } else { settled(); drawSave('saved'); }
    } catch (error) {
      saving = false;
      again = false;
      if (error.status === 412) { await rejoin(); return; }
      if (error.code === 'has-warnings' || error.code === 'incomplete' || error.code === 'wrong-state' || error.code === 'bad-link') {
        for (const name of Object.keys(error.more?.warnings || {})) if (rows[name]) Object.assign(rows[name].wrap, {warning: warned(rows[name].field, values[name]), warned: values[name] || ''});
        state = saved.state;
        linked = saved.linked;
        refused = true;
        render();
      }
      drawSave(error.code === 'offline' ? 'offline' : 'failed', error);
      if (error.code !== 'offline') say(shell.why(error), true);
    }
  }

  /** What was sent is what is saved now; what is being typed stays. A new draft may have got own fields from the settings. */
  function note(data, etag, mine, fresh = false) {
    const own = fresh ? Object.fromEntries(Object.entries(data.fields || {}).filter(([name]) => fields.byName[name]?.kind === 'own' && !mine.values[name])) : {};
    Object.assign(values, own);
    const kept = fresh ? {confirmed: data.draft?.confirmed || [], state: data.draft?.state || 'draft', linked: null} : {confirmed: mine.sure, state: mine.state, linked: mine.linked};
    saved = {id: data.id, etag, fields: {...mine.values, ...own}, sources: mine.sources, ...kept, at: Date.now()};
    if (queryId) keep(`draft.${queryId}`, saved.id);
    if (fresh) awaitFindable();
    changed('draft', data);
    if (!closed) { stateTag.textContent = t(`state.${state}`); stateTag.className = `tag state-${state}`; deleteButton.hidden = false; drawState(); drawPhotoNote(); }
  }

  /** A new draft's photos are indexed at once: from then on a search finds it. */
  function awaitFindable() {
    const stream = new EventSource(api.address(`/drafts/${saved.id}/events`), {withCredentials: true});
    ends.push(() => stream.close());
    stream.addEventListener('gone', () => stream.close());
    stream.addEventListener('result', (event) => {
      stream.close();
      findable = JSON.parse(event.data).images.some((image) => image.findable);
      if (!closed && saveState === 'saved') drawSave('saved');
    });
  }

  /** Another window changed the draft: take over what only it changed; where both did, she chooses. */
  async function rejoin() {
    try {
      const {data, etag} = await api.call('GET', api.objectPath(saved.id));
      join(data, etag, saved);
    } catch (error) { drawSave('failed', error); }
  }

  /** `base`: what both began with, as `saved` is. */
  function join(data, etag, base) {
    const joined = merged(base.fields, {...values, ...Object.fromEntries(Object.keys(clashes).map((name) => [name, base.fields[name]]))}, data.fields);
    const theirs = data.draft || {};
    for (const name of Object.keys(clashes)) {  // still to be chosen
      const mine = values[name] || '';
      const there = data.fields[name] || '';
      if (mine) joined.values[name] = mine; else delete joined.values[name];
      if (mine !== there) joined.clashes[name] = there;
    }
    const more = Object.keys(joined.clashes).filter((name) => rows[name] && clashes[name] !== joined.clashes[name]);
    values = joined.values;
    clashes = Object.fromEntries(Object.entries(joined.clashes).filter(([name]) => rows[name]));
    sources = {...theirs.sources, ...Object.fromEntries(Object.entries(sources).filter(([name, one]) => values[name] && JSON.stringify(one) !== JSON.stringify(base.sources[name])))};
    sure = new Set([...(theirs.confirmed || []), ...sure]);
    if (state === base.state) state = theirs.state || state;
    if (linked === base.linked) linked = theirs.linked_to || linked;
    saved = {id: data.id, etag, fields: {...data.fields}, sources: {...theirs.sources}, confirmed: [...(theirs.confirmed || [])], state: theirs.state || 'draft', linked: theirs.linked_to || null, at: Date.now()};
    if (queryId) keep(`draft.${queryId}`, saved.id);
    changed('draft', data);
    if (closed) return;
    render();
    if (more.length) noted(t('card.merged_clash', {names: listed(more.map((name) => fields.label(name)))}), {kind: 'bad', action: t('card.clash_choose'), act: toClash});
    later();
  }

  /** To the first choice between two windows; whether there is one. */
  function toClash() {
    const first = Object.keys(rows).find((name) => name in clashes);
    rows[first]?.note.querySelector('.clash button')?.focus();
    return Boolean(first);
  }

  /** Whether the draft that was asked for was another window's already: it says something else than was sent. */
  function madeMeanwhile(data, mine) {
    const there = data.fields || {};
    return Object.entries(mine.values).some(([name, value]) => (there[name] || '') !== value.trim())
      || Object.keys(there).some((name) => !mine.values[name] && fields.byName[name]?.kind === 'offered');
  }

  function joinMade(data, etag, mine) {
    saving = false;
    again = false;
    const same = Object.fromEntries(Object.entries(mine.values).filter(([name, value]) => (data.fields[name] || '') === value.trim()));
    join({...data, fields: {...data.fields, ...same}}, etag, {fields: same, sources: {}, state: 'draft', linked: null});
  }

  const offeredLeft = () => Object.entries(offers).some(([name, list]) => list.length && !values[name] && fields.byName[name]?.kind === 'offered');
  const wrongNow = () => fields.list.some((field) => wrong(field, values[field.name] || ''));

  let saveState = '';
  function drawSave(now, error) {
    saveState = now || (saved ? 'saved' : 'fresh');
    const text = {fresh: t('save.fresh'), soon: t('save.saving'), saving: t('save.saving'), saved: t('save.saved', {at: moment((saved?.at || Date.now()) / 1000)}), offline: t('save.offline')}[saveState]
      ?? t('save.failed', {why: error ? shell.why(error) : ''});
    saveLine.className = `small save-line ${saveState}`;
    fill(saveLine, h('span', {}, [text, saveState === 'saved' && findable && t('save.findable')].filter(Boolean).join(' · ')), wrongNow() && saveState === 'saved' && h('span', {class: 'bad'}, t('save.wrong')), saveState === 'failed' && button(t('save.again'), {kind: 'quiet small', onclick: save}));
  }

  /** That the draft has the photo that was searched, and where its original is added. */
  function drawPhotoNote() {
    fill(photoNote, t('card.photo_reduced'), saved && [' ', h('a', {href: `#/d/${saved.id}`}, t('object.edit'))]);
  }

  function drawState() {
    const acts = [];
    if (state === 'draft') acts.push(checkButton);
    else {
      acts.push(h('span', {class: 'ok'}, icon('check'), t(`state.${state}`)));
      if (state === 'checked') acts.push(button(t('card.export'), {icon: 'out', onclick: () => move('exported')}));
      if (state !== 'linked') acts.push(button(t('card.link'), {icon: 'link', onclick: chooseLink}));
      else if (linked) acts.push(h('a', {class: 'button quiet', href: `#/o/${linked}`}, t('card.linked_open')));
      acts.push(button(t(state === 'linked' ? 'card.unlink' : 'card.back'), {kind: 'quiet', onclick: () => move(state === 'linked' ? 'exported' : 'draft')}));
    }
    const had = stateActs.contains(document.activeElement);
    fill(stateActs, acts);
    if (had) stateActs.querySelector('button')?.focus({preventScroll: true});
  }

  function move(to) {
    state = to;
    if (to !== 'linked') linked = null;
    if (!saved) store();
    render();
    save();
    say(t(`state.${state}`));
  }

  /** Checked: what is marked is shown once more, all at once, and confirmed together. */
  async function check() {
    if (checking) return;
    checking = true;
    try {
      await ready;
      await looked();
    } finally { checking = false; }
  }

  async function looked() {
    if (held || !begun || state === 'linked') return;
    if (toClash()) { toast(t('card.changed'), {kind: 'bad'}); return; }
    const empty = NEEDED.filter((name) => rows[name] && !values[name]?.trim());
    for (const name of empty) {
      Object.assign(rows[name].wrap, {warning: t('card.needed'), warned: values[name] || ''});
      draw(name);
    }
    if (empty.length || wrongNow()) { toast(t(empty.length ? 'code.incomplete' : 'code.has-warnings'), {kind: 'bad'}); toWrong(); return; }
    const left = toConfirm();
    const others = foreign();
    if ((left.length || others.length) && !await review(left, others)) return;
    [...left, ...others].forEach((name) => sure.add(name));
    state = 'checked';
    refused = false;
    if (!saved) store();
    render();
    await run;
    await save();
    if (state === 'checked' && saved?.state === 'draft' && !refused && saveState !== 'offline') await save();  // the first has made the card
    if (refused) { toWrong(); return; }
    if (state !== 'checked') return;
    say(t('state.checked'));
    changed('checked', saved?.id);
    next?.();
  }

  /** To the first field that has to be mended. */
  function toWrong() {
    const field = node.querySelector('[aria-invalid="true"]');
    const fold = field?.closest('details');
    if (fold) fold.open = true;
    field?.focus();
  }

  function review(names, others) {
    return new Promise((resolve) => {
      const yes = button(t('review.yes'), {icon: 'check', kind: 'primary', onclick: () => dialog.close('yes')});
      const dialog = h('dialog', {class: 'ask review', 'aria-labelledby': 'review-title'}, h('h2', {id: 'review-title'}, t('review.title')), names.length > 0 && h('p', {class: 'soft'}, t('review.lead')),
        h('dl', {}, names.map((name) => [h('dt', {}, fields.label(name)), h('dd', {}, mark(name, values[name]).map((one) => (typeof one === 'string' ? fields.shown(name, one) : one)))])),
        others.length > 0 && h('div', {class: 'review-others'}, h('p', {}, icon('alert'), h('span', {}, t('review.others', {number: sourceName(sources.Name.object)}))),
          h('ul', {}, others.map((name) => h('li', {}, t('review.other', {name: fields.label(name), value: fields.shown(name, values[name]), number: sourceName(sources[name].object)}))))),
        names.filter((name) => ASKS.has(name) && unchanged(values[name], sources[name]?.value)).map((name) => h('p', {class: 'distinct-note'}, icon('alert'), t('review.same', {name: fields.label(name).toLowerCase()}))),
        h('div', {class: 'row end'}, button(t('review.no'), {onclick: () => dialog.close('')}), yes));
      dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); });
      document.body.append(dialog);
      dialog.showModal();
      yes.focus();
    });
  }

  /** Imported objects with such a number, of the first page that has any: a page looks at some hundred objects. */
  async function ofNumber(number, goOn) {
    let cursor;
    do {
      const {items, next: more} = await api.get(`/objects${api.asked({number, kind: 'all', limit: 20, cursor})}`);
      const found = items.filter((one) => one.own && !one.draft);
      if (found.length) return found;
      cursor = more;
    } while (cursor && goOn());
    return [];
  }

  async function chooseLink() {
    const found = h('ul', {class: 'found'});
    const number = h('input', {id: 'link-number', type: 'search', autocomplete: 'off'});
    const search = async () => {
      if (!number.value.trim()) { fill(found); return; }
      try {
        const typed = number.value.trim();
        const same = () => dialog.open && typed === number.value.trim();
        fill(found, h('li', {class: 'soft'}, t('link.looking')));
        let imported = await ofNumber(typed, same);
        const before = SHOWN_AS.map((key) => t(key, {number: ''})).find((text) => typed.toLowerCase().startsWith(text.toLowerCase()));
        if (!imported.length && before) imported = await ofNumber(typed.slice(before.length), same);
        if (!same()) return;
        fill(found, imported.length ? imported.map((one) => h('li', {}, h('button', {type: 'button', class: 'found-one', onclick: () => { linked = one.id; dialog.close(); moveLinked(); }}, h('strong', {}, nameOf(one.fields)), h('span', {class: 'soft'}, numberOf(one.fields, one))))) : h('li', {class: 'soft'}, t('link.none')));
      } catch (error) { fill(found, h('li', {class: 'bad'}, shell.why(error))); }
    };
    const soon = debounced(search, 250);
    number.addEventListener('input', soon);
    const dialog = h('dialog', {class: 'ask', 'aria-labelledby': 'link-title'}, h('h2', {id: 'link-title'}, t('link.title')), h('p', {class: 'soft'}, t('link.lead')),
      h('label', {for: 'link-number'}, t('link.number')), number, found, h('div', {class: 'row end'}, button(t('app.cancel'), {onclick: () => dialog.close()})));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    number.focus();
  }

  function moveLinked() {
    state = 'linked';
    if (!saved) store();
    render();
    save();
    say(t('state.linked'));
  }

  /** "It is this one": a draft that was begun belongs to that record. */
  function linkTo(hit) {
    if (!saved || isDraft(hit)) return;
    toast(t('link.ask', {number: numberOf(hit.record, hit.object)}), {action: t('card.link'), act: () => { linked = hit.object.id; moveLinked(); }});
  }

  async function erase() {
    if (!await confirmed(t('delete.draft'), t('delete.draft_why'), t('delete.yes'), t('app.cancel'))) return;
    try {
      await api.remove(`/drafts/${encodeURIComponent(saved.id)}`);
    } catch (error) {
      if (error.status !== 404) { shell.failed(error); return; }
    }
    keep(backup(), null);
    if (queryId) keep(`draft.${queryId}`, null);
    const gone = saved.id;
    saved = null;
    values = {};
    sources = {};
    sure = new Set();
    state = 'draft';
    linked = null;
    done = [];
    undone = [];
    clashes = {};
    if (draftId) removed = true;
    render();
    toast(t('delete.done'));
    changed('erased', gone);
  }

  async function copyCard() {
    const settings = await api.settings().catch(() => ({}));
    const names = ordered(fields.list.map((field) => field.name), settings.copy_order, pref('copy.only', false));
    await copy(asText(values, names, {label: fields.label, shown: fields.shown, form: pref('copy.form', 'lines')}), t('card.title'));
  }

  function keys(event) {
    const {key, code} = event;
    const command = event.ctrlKey || event.metaKey;
    if (key === 'Escape' && typing(event.target)) { event.preventDefault(); title.focus({preventScroll: true}); }
    else if (command && key === 'Enter') { event.preventDefault(); check(); }
    else if (command && code === 'KeyZ') { event.preventDefault(); if (event.shiftKey) redo(); else undo(); }
    else if (command && code === 'KeyY') { event.preventDefault(); redo(); }
    else if (event.altKey && (key === 'ArrowDown' || key === 'ArrowUp')) {
      const name = event.target.closest?.('[data-field]')?.dataset.field;
      if (!name || !offers[name]?.length) return;
      event.preventDefault();
      const step = () => another(name, key === 'ArrowDown' ? 1 : -1);
      if (begun) step(); else onceBegun(step);
    }
  }

  /** The next or last of the values that are offered, after the one that is taken. */
  function another(name, step) {
    const list = offers[name];
    const taken = list.findIndex((one) => valueOf(name, one) === values[name]);
    at[name] = taken < 0 ? (at[name] ?? 0) : (taken + step + list.length) % list.length;
    take(name, list[at[name]]);
    say(fields.shown(name, list[at[name]].value));
  }

  function hold(on) {
    held = on;
    veil.hidden = !on;
    body.inert = on || (known && !begun);
    allButton.disabled = on || state === 'linked' || !offeredLeft();
    checkButton.disabled = on;
    node.classList.toggle('held', on);
  }

  hold(false);
  render();
  let ready = begin();

  return {
    hold, takeAll, takeClass, takeFrom, linkTo, check, save, node, allButton,
    /** The draft's photos were changed beside: its tag is another now. */
    renewed(data, etag) { if (saved && !saving) join(data, etag, saved); },
    get draft() { return saved?.id; },
    get state() { return saved ? state : 'none'; },
    /** Where work begins: at what is offered, else at what is to be confirmed or written; at the heading of a card that is done. What is begun is waited for. In a worklist, whose keys are letters, never in a field. */
    focus() {
      if (known && !begun) { onceBegun(() => { if (!closed && !node.contains(document.activeElement)) this.focus(); }); return; }
      if (saved && state !== 'draft') title.focus({preventScroll: true});
      else if (!allButton.hidden && !allButton.disabled) allButton.focus();
      else if (held) title.focus();
      else if (saved) checkButton.focus({preventScroll: true});
      else if (batch) title.focus({preventScroll: true});
      else rows[fields.list[0].name].input.focus({preventScroll: true});
    },
    close() {
      closed = true;
      ends.forEach((end) => end());
      if (dirty()) { store(); save(); }
      document.removeEventListener('keydown', anywhere);
      window.removeEventListener('online', online);
      window.removeEventListener('beforeunload', leaving);
      window.removeEventListener('beforeprint', printing);
      window.removeEventListener('afterprint', printed);
    },
  };
}

