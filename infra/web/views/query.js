// One query: its photos, how far it is, and what was found.

import * as api from '../api.js';
import {button, debounced, fill, h, icon, painted, say, toast} from '../dom.js';
import {chance, has, moment, number, percent, t} from '../i18n.js';
import {catalogued, certainty, onEdge, outOfOrder, unchecked} from '../likeness.js';
import {FIRST_YEAR, LAST_YEAR, limitsOf} from '../limits.js';
import {bar, hitCard, showHits, skeletons} from '../hits.js';
import {isDraft, nameOf, numberOf, picture, table} from '../records.js';
import {compare} from '../compare.js';
import {boxOf, crop, marked} from '../crop.js';
import {card} from '../card.js';
import {helps, progress} from '../progress.js';
import {keep, pref} from '../prefs.js';
import * as sending from '../sending.js';
import {isFinal, watch} from '../watch.js';
import {SCOPES} from './search.js';

const SHOWN = 10;
const STORED = 100;
const SCROLLED = 200;  // ms after which the place is noted
const LEAST_SHARE = 0.01;  // of the class's votes: less says nothing
const EVERYTHING = {scope: 'all', classes: [], museums: [], period: null};

export function show(main, params, shell) {
  const id = params.id;
  const view = workplace(main, {id, shell, heading: 'h1', base: `q/${id}`});
  view.open(params.object);
  return {
    title: t('query.searching'),
    update(next) {
      if (next.id !== id) return false;
      view.open(next.object);
      return true;
    },
    close: view.close,
  };
}

/**
 * Everything about one query in `place`: used alone, and in a batch's worklist.
 * `base` is its address; `changed(what, value)` tells the worklist; `batch` is the batch's name and own fields; `next()` goes on
 * when the card is checked.
 */
export function workplace(place, {id, shell, heading, base, changed = () => {}, batch, draftId, next}) {
  let snapshot = null;
  let hits = [];
  let drawn = null;  // the result whose hits are in the list
  let dialog = null;
  let box = null;
  let ended = false;
  let told = Promise.resolve();  // her answers
  let writer = null;
  let writing = false;
  let fieldsTable = null;
  let mayWrite = true;
  let elsewhere = false;  // another window sends the photos
  const title = h(heading, {tabindex: '-1', class: 'query-title'}, t('query.searching'));
  const stats = h('p', {class: 'soft query-facts'});
  const status = h('div', {class: 'status'});
  const chips = h('div', {class: 'chips'});
  const photo = h('div', {class: 'query-photo'});
  const thumbs = h('div', {class: 'views', role: 'group', 'aria-label': t('compare.photos')});
  const cropButton = button(t('crop.start'), {icon: 'crop', disabled: true, onclick: startCrop});
  const classBox = h('section', {class: 'class-box', 'aria-labelledby': `class-${id}`}, h('h2', {id: `class-${id}`}, t('class.title')), h('div', {class: 'class-in ghosts'}, h('i'), h('i'), h('i')));
  const classIn = classBox.lastChild;
  const list = h('ol', {class: 'hits', 'aria-busy': 'true'}, skeletons(SHOWN));
  const moreButton = button(t('query.more', {n: STORED}), {icon: 'down', class: 'button more-hits', onclick: more});
  const under = h('p', {class: 'row center more-row'}, moreButton);
  const checkNote = h('p', {class: 'soft small check-note gone'}, t('query.unchecked'));
  const orderNote = h('p', {class: 'soft small order-note'});
  const resultsTitle = h('h2', {id: `hits-${id}`}, t('query.results'));
  const filters = filterForm();
  const results = h('section', {class: 'results', 'aria-labelledby': `hits-${id}`}, h('div', {class: 'row results-top'}, resultsTitle, orderNote, filters.toggle), filters.panel, chips, list, under, checkNote);
  const cardPlace = h('section', {class: 'card-place', 'aria-label': t('card.title')}, h('div', {class: 'panel card-ghost', 'aria-hidden': 'true'}, Array.from({length: 7}, () => h('i'))));
  const jump = h('a', {class: 'button jump', href: '#card', onclick: (event) => { event.preventDefault(); cardPlace.scrollIntoView({block: 'start'}); cardPlace.querySelector('h2')?.focus(); }}, icon('card'), h('span', {}, t('card.title')));
  fill(place,
    h('div', {class: 'query'},
      h('div', {class: 'query-head'}, h('div', {class: 'query-side'}, photo, thumbs, h('div', {class: 'row'}, cropButton)),
        h('div', {class: 'query-state'}, title, stats, status, h('div', {class: 'row only-narrow'}, jump)), classBox),
      results, cardPlace));
  under.classList.add('unseen');

  const bars = progress(() => helps({check, push}));
  fill(status, bars.node);
  drawPhotos();
  let stop = sending.listen(id, heard);
  const local = sending.stateOf(id);
  if (local) heard(local);
  else sending.resume(id, follow).then((kept) => { if (kept === id) follow(); else elsewhere = kept === 'elsewhere'; });

  let watcher = start();
  Promise.all([table(), api.writes()]).then(([found, may]) => { fieldsTable = found; mayWrite = may; filters.ready(found); if (snapshot?.result && !ended) finish(); }).catch(shell.failed);

  /** Hear of the upload that this window sends now. */
  function follow() {
    if (ended) return;
    elsewhere = false;
    stop();
    stop = sending.listen(id, heard);
    heard(sending.stateOf(id));
  }

  function start() {
    return watch(id, {
      state, link: bars.link, quiet: (seconds) => { if (!sending.stateOf(id) || sending.stateOf(id).done) quiet(seconds); },
      gone: vanished,
    });
  }

  function vanished() {
    bars.close();
    fill(place, h('section', {class: 'empty'}, icon('search'), h('h1', {tabindex: '-1'}, t('query.gone')), h('p', {}, t('query.gone_why')), h('a', {class: 'button primary', href: '#/'}, t('query.new'))));
    if (heading === 'h1') shell.title(t('query.gone'));
    say(t('query.gone'));
  }

  function quiet(seconds) {
    if (snapshot?.status === 'uploading' && !sending.stateOf(id) && !elsewhere) { abandoned(); return; }
    bars.quiet(seconds);
  }

  /** The photo never came, and this browser has it no more. */
  function abandoned() {
    title.textContent = t('query.unsent');
    fill(status, h('div', {class: 'note bad'}, icon('alert'), h('div', {}, h('p', {}, t('query.unsent_why')), h('div', {class: 'row'}, h('a', {class: 'button primary', href: '#/'}, t('query.again'))))));
    say(t('query.unsent_why'), true);
  }

  async function check() {
    const found = await watcher.check();
    if (found && !isFinal(found)) toast(t('progress.checked', {stage: t(`stage.${found.stage}`)}));
  }

  async function push() {
    try {
      await api.post(`/queries/${id}/uploaded`);
      toast(t('progress.pushed'));
    } catch (error) { shell.failed(error); }
  }

  function heard(state) {
    if (ended || !state) return;
    bars.upload(state);
    changed('upload', state);
    if (!state.problem) return;
    if (state.problem.code === 'form-expired') {
      sending.again(id).then((next) => { if (next && !ended) { if (changed('renamed', next) === undefined) shell.go(`q/${next}`, true); } }).catch(shell.failed);
      return;
    }
    title.textContent = t('query.unsent');
    fill(status, h('div', {class: 'note bad'}, icon('alert'), h('div', {}, h('p', {}, shell.why(state.problem)), h('div', {class: 'row'}, h('a', {class: 'button primary', href: '#/'}, t('query.again'))))));
  }

  function state(next) {
    const first = !snapshot;
    snapshot = next;
    if (isFinal(next)) {
      performance.mark('museum.result');
      bars.close();
      drawHits();  // before all else, which waits until they are painted
      painted(() => {
        performance.mark('museum.shown');
        if (ended) return;
        if (!photo.querySelector('img')) drawPhotos();
        finish();
      });
      changed('state', next);
      return;
    }
    changed('state', next);
    bars.snapshot(next);
    if (first || !photo.querySelector('img')) drawPhotos();
    if (first) drawChips();
    if (next.status === 'uploading' && !sending.stateOf(id)) sending.resume(id).then((kept) => { if (!kept && !ended && snapshot.status === 'uploading' && next.uploaded_at === null && snapshot.now - birth(id) > 60) abandoned(); });
  }

  /** The photos: our own first, since they are here; else the server's. */
  function drawPhotos() {
    const own = sending.previewsOf(id);
    const all = own.length ? own : (snapshot?.photos || []).map((one) => api.address(one['1280'] || one['320']));
    if (!all.length) { fill(photo, h('span', {class: 'nopicture', role: 'img', 'aria-label': t('photo.coming')})); return; }
    const image = h('img', {src: all[0], alt: t('query.photo'), class: 'whole'});
    fill(photo, image);
    const part = boxOf(snapshot?.region);
    if (part) marked(photo, image, part);
    fill(thumbs, all.length > 1 ? all.map((url, place) => h('button', {type: 'button', class: 'view', 'aria-pressed': String(place === 0), 'aria-label': t('compare.photo_n', {n: place + 1}), onclick: (event) => {
      image.src = url;
      [...thumbs.children].forEach((one) => one.setAttribute('aria-pressed', String(one === event.currentTarget)));
      cropButton.disabled = place !== 0 || !isFinal(snapshot || {});
    }}, h('img', {src: url, alt: ''}))) : []);
  }

  function drawChips() {
    const like = alike();
    const texts = [like && t('chip.like', {name: like.name}), ...limitsOf(snapshot, fieldsTable)].filter(Boolean);
    fill(chips, texts.map((text) => h('span', {class: 'chip'}, text)),
      texts.length > (snapshot.region ? 1 : 0) + (like ? 1 : 0) && button(t('chip.clear'), {kind: 'quiet small', icon: 'x', onclick: () => narrow(EVERYTHING)}));
  }

  function finish() {
    const result = snapshot.result;
    cropButton.disabled = !photo.querySelector('img');
    list.setAttribute('aria-busy', 'false');
    if (!drawHits()) { ended_badly(); return; }
    filters.museums([...(snapshot.filter?.museums || []), ...new Set(hits.map((hit) => hit.object.museum))].sort());
    const verdict = result.verdict || {};
    const nothing = isNothing(result);
    classBlock(result.class);
    drawChips();
    const seconds = result.completed_at && snapshot.uploaded_at ? result.completed_at - snapshot.uploaded_at : null;
    stats.textContent = [snapshot.uploaded_at && moment(snapshot.uploaded_at), seconds > 0 && t('query.took', {n: number(seconds, 1)})].filter(Boolean).join(' · ');
    const like = alike();
    const there = like ? null : catalogued(result);
    title.textContent = t(!hits.length ? 'query.empty' : onEdge(result) ? 'query.edge' : nothing ? nothingHere() : verdict.similar ? 'query.found' : 'query.near');
    if (heading === 'h1') shell.title(title.textContent);
    const asks = drawStatus();
    say(asks ? asked(there) : title.textContent);
    checkNote.classList.toggle('gone', Boolean(like) || !unchecked(result));
    if (like || !mayWrite) {
      cardPlace.classList.add('gone');
      jump.classList.add('gone');
    } else if (fieldsTable && !writer && !writing) {
      writing = true;
      painted(() => write(result, there));
    }
    if (dialog === 'wanted') open(wantedObject);
  }

  /** The question whether it is catalogued, or what was answered; whether there is a question. */
  function drawStatus() {
    const {result} = snapshot;
    const there = alike() ? null : catalogued(result);
    const same = alike() ? null : hits.find((hit) => hit.object.own && !hit.gone && answerTo(hit) === 'same');
    const asks = Boolean(there) && !same && !answerTo(there.hit);
    place.classList.toggle('asks', asks);
    if (asks) banner(there);
    else fill(status, verdictNote(result, isNothing(result)), same ? sameNote(same) : there && differentNote(there.hit));
    return asks;
  }

  function write(result, there) {
    if (ended) return;
    writer = card(cardPlace, {queryId: snapshot.root || id, result, fields: fieldsTable, shell, changed, batch, draftId, next, openObject: (object) => shell.go(`${base}/o/${object}`)});
    if (there && place.classList.contains('asks')) writer.hold(true);
    changed('card', writer);
  }

  /** The object that this asks more like of. */
  const alike = () => (snapshot.like ? {id: snapshot.like, name: snapshot.filename} : null);

  /** What she said of a hit: here, or on another machine. */
  function answerTo(hit) {
    const here = pref(`said.${id}`)?.[hit.object.id];
    return here ? here !== 'none' && here : snapshot.said?.[hit.object.id];
  }

  /** Keep what she said, and show it: `none` where she takes it back. The worklist looks at `answer`. */
  function keepAnswer(hit, is) {
    keep(`said.${id}`, {...pref(`said.${id}`), [hit.object.id]: is});
    if (hit.object.own) keep(`answer.${id}`, hits.some((one) => one.object.own && answerTo(one) === 'same') ? 'same' : is);
    const shown = list.querySelector(`[data-object="${CSS.escape(hit.object.id)}"]`);
    const focused = shown?.contains(document.activeElement);
    shown?.replaceWith(hitCard(hit, optionsOf(hit)));
    if (focused) list.querySelector(`[data-object="${CSS.escape(hit.object.id)}"] a.cover`)?.focus();
  }

  const optionsOf = (hit) => ({threshold: snapshot.result.verdict?.threshold, open: `#/${base}/o/${hit.object.id}`, like: `#/o/${hit.object.id}/similar`, said: answerTo(hit)});

  /** Whether it is searched within limits; a filter that asks for nothing is none. */
  function narrowed() {
    const {scope, filter} = snapshot;
    return scope !== 'all' || Boolean(filter?.classes?.length || filter?.museums?.length || filter?.period);
  }

  /** What the search was limited to, if it was: then nothing is said of the whole catalogue. */
  const limits = () => (snapshot.region ? (narrowed() ? 'both' : 'part') : narrowed() && 'limits');

  const nothingHere = () => (limits() ? `query.nothing_in.${limits()}` : 'query.nothing');

  function verdictNote(result, nothing) {
    const verdict = result.verdict || {};
    if (nothing && !hits.length) return h('div', {class: 'note'}, icon('info'), h('p', {}, t(narrowed() ? 'query.none_here' : 'query.empty_collection')));
    if (nothing) {
      const best = Math.max(...hits.map((hit) => hit.score));
      const key = onEdge(result) ? 'query.edge_why' : limits() ? 'query.narrowed_why' : 'query.nothing_why';
      return h('div', {class: 'note'}, icon('info'), h('div', {}, h('p', {}, t(key, {score: number(best, 3), limit: number(verdict.threshold ?? 0, 3)})),
        limits() ? h('div', {class: 'row'}, narrowed() && button(t('query.without_limits'), {icon: 'search', onclick: () => narrow(EVERYTHING)}), snapshot.region && button(t('query.whole'), {icon: 'search', onclick: whole}))
          : h('p', {class: 'soft'}, t('query.nothing_help'))));
    }
    if (verdict.similar === null || verdict.similar === undefined) return h('div', {class: 'note'}, icon('info'), h('p', {}, t('query.uncalibrated')));
    const above = hits.filter((hit) => hit.score >= verdict.threshold).length;
    return h('p', {class: 'soft'}, t('query.calibrated', {n: above, all: hits.length, limit: number(verdict.threshold ?? 0, 3)}));
  }

  /** Whether the neighbours are kept behind a button. */
  const isFar = (result) => isNothing(result) && !onEdge(result);

  const isNothing = (result) => result.verdict?.similar === false || result.hits.length === 0;

  /** Show the hits of the result, once; whether there is a result. */
  function drawHits() {
    const {status: how, result} = snapshot;
    if (how !== 'completed' || !result) return false;
    if (drawn === result) return true;
    drawn = result;
    hits = result.hits;
    const nothing = isFar(result);
    const total = result.total ?? hits.length;
    const before = history.state?.hits?.id === id && history.state.hits;
    resultsTitle.textContent = isNothing(result) && hits.length ? t('query.nearest') : t('query.results');
    results.classList.toggle('nothing', nothing);
    orderNote.textContent = !nothing && outOfOrder(hits) ? t('query.order') : '';
    if (nothing && hits.length && !before) {
      const reveal = button(t('query.show_nearest', {n: hits.length}), {icon: 'down', onclick: () => { showHits(list, hits, optionsOf); under.classList.toggle('gone', total <= hits.length); list.querySelector('a')?.focus(); }});
      fill(list, h('li', {class: 'hits-hidden'}, reveal));
    } else showHits(list, hits, optionsOf);
    under.classList.remove('unseen');
    under.classList.toggle('gone', (nothing && !before) || total <= hits.length);
    moreButton.querySelector('span').textContent = t('query.more', {n: Math.min(STORED, total) - hits.length});
    if (before && total > hits.length) all().then(() => { if (before.top > scrollY) scrollTo(0, before.top); }).catch(shell.failed);
    return true;
  }

  /** Keep in this entry of the browser's history that all are shown, and where she is in them: for a reload, and for who comes back. */
  function noteHits() {
    history.replaceState({...history.state, hits: {id, top: scrollY}}, '');
  }
  const scrolled = debounced(noteHits, SCROLLED);

  async function all() {
    const next = await api.get(`/queries/${id}?hits=${STORED}`);
    if (ended) return;
    const from = hits.length;
    hits = next.result.hits;
    list.append(...hits.slice(from).map((hit) => hitCard(hit, optionsOf(hit))));
    under.classList.add('gone');
    addEventListener('scroll', scrolled, {passive: true});
  }

  async function more() {
    moreButton.disabled = true;
    try {
      const from = hits.length;
      await all();
      noteHits();
      list.children[from]?.querySelector('a.cover, .hit-gone')?.focus();
      say(t('query.now_shown', {n: hits.length}));
    } catch (error) { shell.failed(error); } finally { moreButton.disabled = false; }
  }

  function ended_badly() {
    const rejected = snapshot.status === 'rejected';
    title.textContent = t(rejected ? 'query.rejected' : 'query.failed');
    if (heading === 'h1') shell.title(title.textContent);
    const key = `reject.${snapshot.code}`;
    const why = has(key) ? t(key) : t('code.unknown', {code: snapshot.code || ''});
    fill(status, h('div', {class: 'note bad'}, icon('alert'), h('div', {}, h('p', {}, why),
      !rejected && h('p', {class: 'soft'}, t('query.failed_help')),
      h('div', {class: 'row'}, !rejected && button(t('query.retry'), {kind: 'primary', onclick: retry}), h('a', {class: rejected ? 'button primary' : 'button', href: '#/'}, t('query.again'))))));
    fill(list);
    fill(classIn);
    classBox.classList.add('gone');
    results.classList.add('gone');
    cardPlace.classList.add('gone');
    jump.classList.add('gone');
    cropButton.hidden = true;
    say(`${title.textContent}. ${why}`, true);
  }

  /** A new search of the same photos: what failed has ended, and stays as it is. */
  function retry() {
    const {scope, filter} = snapshot;
    return narrow({scope: scope || 'all', classes: filter?.classes || [], museums: filter?.museums || [], period: filter?.period || null});
  }

  function classBlock(vote) {
    const how = certainty(vote);
    classIn.classList.remove('ghosts');
    if (how === 'none') { fill(classIn, h('p', {class: 'soft'}, t('class.none'))); return; }
    const nameIt = (one) => fieldsTable?.className(one.code) || one.name;
    const row = (one, first) => h('li', {class: first ? 'first' : ''},
      h('button', {type: 'button', class: 'class-take', title: t('class.take'), onclick: () => writer?.takeClass(one.code)},
        h('span', {class: 'class-name'}, nameIt(one)), ' ', h('span', {class: 'num'}, percent(one.confidence)), h('span', {class: 'sr'}, ` ${t('class.take')}`)), bar(one.confidence, {kind: first && how !== 'unsure' ? 'l3' : 'l0'}));
    fill(classIn, h('p', {class: `class-how ${how}`}, how === 'unsure' && icon('alert'), t(`class.${how}`)), h('ul', {class: 'votes'}, row(vote, true), (vote.runners_up || []).filter((one) => one.confidence >= LEAST_SHARE).slice(0, 3).map((one) => row(one, false))));
  }

  /** What a hit is called in a sentence: a draft by its name, since there are many. */
  const called = (hit) => (isDraft(hit) ? t('object.draft_named', {name: nameOf(hit.record)}) : numberOf(hit.record, hit.object));

  /** What a screen reader says of it. */
  function asked({hit, kind}) {
    return kind === 'near' ? t('same.near_said', {number: called(hit)}) : t('same.said', {name: nameOf(hit.record)});
  }

  function banner(there) {
    const {hit, kind} = there;
    const number = numberOf(hit.record, hit.object);
    const text = t(`same.${kind}_text`, {number: called(hit), name: nameOf(hit.record), p: chance(hit.relation?.probability ?? 0)});
    const answer = (is) => answered(is, there);
    fill(status, h('div', {class: 'same', role: 'group', 'aria-labelledby': `same-${id}`},
      h('a', {class: 'same-pic', href: `#/${base}/o/${hit.object.id}`, 'aria-label': t('hit.compare')}, picture(hit.image, '320')),
      h('div', {}, h('p', {class: 'same-title', id: `same-${id}`}, text), kind !== 'copy' && h('p', {class: 'soft'}, `${nameOf(hit.record)} · ${number}`),
        h('div', {class: 'row'}, button(t(kind === 'copy' ? 'same.same_copy' : 'same.same'), {icon: 'check', kind: 'primary', onclick: () => answer('same')}),
          button(t(kind === 'copy' ? 'same.different_copy' : 'same.different'), {onclick: () => answer('different')}),
          h('a', {class: 'button quiet', href: `#/${base}/o/${hit.object.id}`}, icon('compare'), h('span', {}, t('hit.compare')))))));
    place.classList.add('asks');
  }

  /** `compared`: answered in the comparison, which stays open; what comes after it, comes when it is closed. */
  async function answered(is, {hit}, compared = false) {
    keepAnswer(hit, is);
    const asks = drawStatus();
    writer?.hold(asks);
    if (is === 'same' && !compared) writer?.linkTo(hit);
    changed('answer', is);
    if (!compared) {
      if (is === 'same') (status.querySelector('a, button'))?.focus();
      else if (!asks) writer?.focus();
    }
    await feedback(hit, is);
    if (is === 'same' && !compared) next?.();
  }

  /** One after another: the last answer is the one that counts. */
  function feedback(hit, is) {
    told = told.then(() => tell(hit, is));
    return told;
  }

  async function tell(hit, is) {
    try {
      await api.post(`/queries/${id}/feedback`, {object: hit.object.id, is});
      say(t(is === 'same' ? 'same.noted_same' : 'same.noted_different'));
    } catch (error) { shell.failed(error); }
  }

  function sameNote(hit) {
    return h('div', {class: 'note good'}, icon('check'), h('div', {}, h('p', {}, t(isDraft(hit) ? 'same.is_draft' : 'same.is', {number: called(hit)})),
      h('div', {class: 'row'}, h('a', {class: 'button small', href: `#/o/${hit.object.id}`}, t('same.open')), againButton(hit))));
  }

  function differentNote(hit) {
    return h('div', {class: 'note'}, icon('info'), h('div', {}, h('p', {}, t('same.is_not', {number: called(hit)})), h('div', {class: 'row'}, againButton(hit))));
  }

  function againButton(hit) {
    return button(t('same.mistake'), {kind: 'quiet small', onclick: () => {
      keepAnswer(hit, 'none');
      const asks = drawStatus();
      writer?.hold(asks);
      changed('answer', 'none');
      status.querySelector('.same .button, a, button')?.focus();
    }});
  }

  function filterForm() {
    const scope = h('select', {id: `f-scope-${id}`}, SCOPES.map((one) => h('option', {value: one}, t(`scope.${one}`))));
    const cls = h('select', {id: `f-class-${id}`}, h('option', {value: ''}, t('filter.any_class')));
    const museum = h('select', {id: `f-museum-${id}`}, h('option', {value: ''}, t('filter.any_museum')));
    const year = (end) => h('input', {id: `f-${end}-${id}`, size: 6, autocomplete: 'off', 'aria-describedby': `f-bad-${id}`, oninput: (event) => { event.target.removeAttribute('aria-invalid'); fill(bad); }});
    const bad = h('p', {id: `f-bad-${id}`, class: 'bad small', role: 'alert'});
    const from = year('from');
    const to = year('to');
    const labelled = (field, key) => h('div', {class: 'field-small'}, h('label', {for: field.id}, t(key)), field);
    const panel = h('form', {class: 'filters panel', hidden: true, onsubmit: (event) => {
      event.preventDefault();
      const wrong = [from, to].filter((field) => yearOf(field.value) === undefined);
      for (const field of [from, to]) field.toggleAttribute('aria-invalid', false);
      for (const field of wrong) field.setAttribute('aria-invalid', 'true');
      bad.textContent = wrong.length ? t('filter.bad_year') : '';
      if (wrong.length) { wrong[0].focus(); return; }
      const [first, last] = [from, to].map((field) => yearOf(field.value));
      narrow({scope: scope.value, classes: cls.value ? [Number(cls.value)] : [], museums: museum.value ? [museum.value] : [],
        period: first === null && last === null ? null : [first ?? FIRST_YEAR, last ?? LAST_YEAR]});
    }}, labelled(scope, 'scope.label'), labelled(cls, 'filter.class'), labelled(museum, 'filter.museum'),
    h('div', {class: 'row tight'}, labelled(from, 'filter.from'), labelled(to, 'filter.to')),
    h('button', {type: 'submit', class: 'button primary'}, t('filter.apply')), h('p', {class: 'soft small'}, t('filter.years')), bad);
    const toggle = button(t('filter.title'), {icon: 'gear', kind: 'quiet', 'aria-expanded': 'false', onclick: () => {
      panel.hidden = !panel.hidden;
      toggle.setAttribute('aria-expanded', String(!panel.hidden));
      if (!panel.hidden) { fillIn(); scope.focus(); }
    }});
    const fillIn = () => {
      scope.value = snapshot?.scope || 'all';
      cls.value = snapshot?.filter?.classes?.[0] ?? '';
      museum.value = snapshot?.filter?.museums?.[0] ?? '';
      const [first, last] = snapshot?.filter?.period || [FIRST_YEAR, LAST_YEAR];
      from.value = first === FIRST_YEAR ? '' : first;
      to.value = last === LAST_YEAR ? '' : last;
    };
    return {toggle, panel, ready(found) {
      cls.append(...found.classes.map((one) => h('option', {value: one.code}, found.className(one.code))));
    }, museums(names) {
      const there = new Set([...museum.options].map((one) => one.value));
      museum.append(...names.filter((name) => !there.has(name)).map((name) => h('option', {value: name}, name)));
    }};
  }

  /** The same search of the whole photo, of which this is a part. */
  async function whole() {
    try {
      let one = snapshot;
      while (one.region && one.of) one = await api.get(`/queries/${one.of}?hits=1`);
      const {scope, filter} = snapshot;
      await narrow({...EVERYTHING, scope: scope || 'all', ...filter}, one.id);
    } catch (error) { shell.failed(error); }
  }

  async function narrow(wanted, of = id) {
    try {
      const made = await api.post(`/queries/${of}/filter`, wanted);
      if (changed('replaced', made.id) === undefined) shell.go(`q/${made.id}`);
    } catch (error) { shell.failed(error); }
  }

  function startCrop() {
    const image = photo.querySelector('img');
    if (!image || box) return;
    box = crop(image.src, {
      start: boxOf(snapshot.region),
      closed: () => { box = null; cropButton.focus(); },
      search: async (part) => {
        try {
          const made = await api.post(`/queries/${id}/crop`, part);
          if (changed('replaced', made.id) === undefined) shell.go(`q/${made.id}`);
        } catch (error) { shell.failed(error); }
      },
    });
  }

  let wantedObject = null;
  function open(object) {
    if (dialog && dialog !== 'wanted') { dialog.close(); dialog = null; }
    wantedObject = object;
    if (hits.length > SHOWN) noteHits();  // another entry, the same list
    if (!object) { dialog = null; return; }
    if (!snapshot?.result) { dialog = 'wanted'; return; }
    const hit = hits.find((one) => one.object.id === object) || null;
    const returned = document.activeElement;
    let now = null;  // what is answered while it is open
    dialog = compare({
      photos: snapshot.photos?.length ? snapshot.photos : sending.previewsOf(id).map((url) => ({1280: url})), hit, objectId: object, threshold: snapshot.result.verdict?.threshold, shell,
      likeHref: hit?.gone ? null : `#/o/${object}/similar`, use: hit?.record && writer ? (one) => writer.takeFrom(one) : null,
      same: hit && !hit.gone ? (is) => { now = is; if (hit.object.own) answered(is, {hit}, true); else { keepAnswer(hit, is); feedback(hit, is); } } : null,
      said: hit && answerTo(hit),
      closed: () => {
        dialog = null;
        if (wantedObject === object) { wantedObject = null; if (location.hash.startsWith(`#/${base}/o/`)) shell.go(base, true); }
        const settled = now === 'same' && hit.object.own && !ended;
        if (settled) writer?.linkTo(hit);
        if (settled && next) next();
        else (list.querySelector(`[data-object="${CSS.escape(object)}"] a.cover`) || returned)?.focus?.();
      },
    });
  }

  return {open, title, card: () => writer, close() {
    ended = true;
    removeEventListener('scroll', scrolled);
    scrolled.cancel();
    stop();
    watcher.close();
    bars.close();
    box?.close();
    if (dialog && dialog !== 'wanted') { wantedObject = null; dialog.close(); }
    writer?.close();
  }};
}

/** A year as it is written, with either sign for a minus; null where nothing is, undefined where it is none. Pure. */
export function yearOf(text) {
  const plain = text.trim().replace(/^[\u2212\u2013]/, '-');
  if (plain === '') return null;
  return /^-?\d{1,4}$/.test(plain) ? Number(plain) : undefined;
}

/** When a query's id was made, in seconds: its first 12 digits count down. */
export function birth(id) {
  const left = parseInt(id.slice(0, 12), 16);
  return Number.isFinite(left) ? (2 ** 48 - 1 - left) / 1000 : 0;
}

