// My drafts: the cards that are being made, by state, class, number and name.

import * as api from '../api.js';
import {button, debounced, fill, h, icon, say} from '../dom.js';
import {lang, moment, t} from '../i18n.js';
import {backToPlace, keepPlace} from '../place.js';
import {nameOf, numberOf, picture, table} from '../records.js';
import {inFiles} from './batch.js';

const STATES = ['draft', 'checked', 'exported', 'linked'];

export function show(main, params, shell) {
  let cursor = null;
  let closed = false;
  let turn = 0;
  const name = h('input', {id: 'd-name', type: 'search', value: params.name || '', oninput: () => typed()});
  const number = h('input', {id: 'd-number', type: 'search', value: params.number || '', oninput: () => typed()});
  const cls = h('select', {id: 'd-class', onchange: () => chosen()}, h('option', {value: ''}, t('filter.any_class')), params.class && h('option', {value: params.class, selected: true}, params.class));
  const state = h('select', {id: 'd-state', onchange: () => chosen()}, h('option', {value: ''}, t('drafts.any_state')), STATES.map((one) => h('option', {value: one, selected: one === params.state}, t(`state.${one}`))));
  const soon = debounced(() => page(true), 300);
  const labelled = (field, key) => h('div', {class: 'field-small'}, h('label', {for: field.id}, t(key)), field);
  const list = h('ol', {class: 'rows', 'aria-busy': 'true'}, Array.from({length: 8}, () => h('li', {class: 'rowline ghost', 'aria-hidden': 'true'}, h('span', {class: 'thumb'}), h('i'))));
  const more = button(t('list.more'), {icon: 'down', onclick: () => page(), hidden: true});
  fill(main, h('div', {class: 'listing'}, h('h1', {}, t('drafts.title')), h('p', {class: 'soft'}, t('drafts.lead')),
    h('div', {class: 'filters', role: 'search'}, labelled(name, 'drafts.name'), labelled(number, 'drafts.number'), labelled(cls, 'class.title'), labelled(state, 'drafts.state')),
    h('div', {class: 'row drafts-out', role: 'group', 'aria-labelledby': 'drafts-out'}, h('span', {class: 'soft', id: 'drafts-out'}, t('drafts.out')), ['xlsx', 'json'].map((format) => button(format.toUpperCase(), {icon: 'out', onclick: (event) => give(event.currentTarget, format)}))), list, h('p', {class: 'row center'}, more)));
  table().then(nameClasses).catch(() => {});
  keepPlace(list);
  page(true).then(() => backToPlace(list, page, () => cursor)).catch(shell.failed);

  function nameClasses(fields) {
    const code = cls.value;
    fill(cls, cls.options[0], fields.classes.map((one) => h('option', {value: one.code}, fields.className(one.code))));
    cls.value = code;
  }

  /** What is asked for, in the address too: whoever comes back finds the same list. */
  function note() {
    history.replaceState(null, '', `#/drafts${api.asked({...wanted(), state: state.value})}`);
  }

  function wanted() {
    return {class: cls.value, number: number.value.trim(), name: name.value.trim()};
  }

  function typed() {
    note();
    soon();
  }

  function chosen() {
    note();
    page(true);
  }

  /** All drafts of the museum, also those that a filter hides: the gateway gives out all, or a batch. */
  async function give(pressed, format) {
    pressed.disabled = true;
    try { await inFiles((cursor) => `/drafts/export${api.asked({format, lang, cursor})}`, t('drafts.title'), format); } catch (error) { shell.failed(error); } finally { pressed.disabled = false; }
  }

  async function page(first = false) {
    const mine = ++turn;
    more.disabled = true;
    if (first) cursor = null;
    try {
      const {items, next} = await api.get(`/objects${api.asked({kind: 'drafts', ...wanted(), limit: 50, cursor})}`);
      if (closed || mine !== turn) return;
      if (first) fill(list);
      const from = list.children.length;
      const found = items.filter((one) => one.draft && (!state.value || one.draft.state === state.value));
      list.append(...found.map(line));
      cursor = next;
      more.hidden = !next;
      list.setAttribute('aria-busy', 'false');
      const filtered = name.value || number.value || cls.value || state.value;
      if (!list.children.length && !next) fill(list, h('li', {class: 'empty'}, icon('card'), h('p', {}, t(filtered ? 'drafts.none_such' : 'drafts.none')), !filtered && h('a', {class: 'button primary', href: '#/'}, t('query.new'))));
      else if (!list.children.length) await page();
      if (!first) list.children[from]?.querySelector('a')?.focus();
      say(t('query.now_shown', {n: list.querySelectorAll('.rowline').length}));
    } catch (error) {
      if (first && !closed) fill(list, h('li', {class: 'empty'}, icon('alert'), h('p', {}, shell.why(error)), button(t('error.again'), {onclick: () => page(true)})));
      else shell.failed(error);
    } finally { more.disabled = false; }
  }

  function line(one) {
    const {draft} = one;
    return h('li', {class: 'rowline'}, h('span', {class: 'thumb'}, picture(one.images?.[0], '320', {loading: 'lazy'})),
      h('span', {class: 'rowline-text'}, h('a', {class: 'cover', href: `#/d/${one.id}`}, nameOf(one.fields)),
        h('span', {class: 'soft small'}, [one.fields?.KPNumber && numberOf(one.fields, one), draft.changed && moment(draft.changed), draft.by, draft.batch && t('history.batch', {name: draft.batch})].filter(Boolean).join(' · '))),
      h('span', {class: `tag state-${draft.state}`}, t(`state.${draft.state}`)));
  }

  return {close() { closed = true; soon.cancel(); }};
}
