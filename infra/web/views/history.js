// My searches, newest first.

import * as api from '../api.js';
import {button, confirmed, fill, h, icon, say, toast} from '../dom.js';
import {moment, score, t} from '../i18n.js';
import {limitsOf} from '../limits.js';
import {backToPlace, keepPlace} from '../place.js';
import {picture, table, topName} from '../records.js';

export function show(main, params, shell) {
  let cursor = null;
  let closed = false;
  const list = h('ol', {class: 'rows', 'aria-busy': 'true'}, Array.from({length: 8}, () => h('li', {class: 'rowline ghost', 'aria-hidden': 'true'}, h('span', {class: 'thumb'}), h('i'))));
  const more = button(t('list.more'), {icon: 'down', onclick: () => page(), hidden: true});
  fill(main, h('div', {class: 'listing'}, h('h1', {}, t('history.title')), h('p', {class: 'soft'}, t('history.lead')), list, h('p', {class: 'row center'}, more)));
  keepPlace(list);
  page(true).then(() => backToPlace(list, page, () => cursor)).catch(shell.failed);

  async function page(first = false) {
    more.disabled = true;
    try {
      const [{items, next}, fields] = await Promise.all([api.get(`/queries${api.asked({limit: 30, cursor})}`), table()]);
      if (closed) return;
      if (first) fill(list);
      const from = list.children.length;
      list.append(...items.map((one) => line(one, fields)));
      cursor = next;
      more.hidden = !next;
      list.setAttribute('aria-busy', 'false');
      if (!list.children.length) fill(list, h('li', {class: 'empty'}, icon('clock'), h('p', {}, t('history.none')), h('a', {class: 'button primary', href: '#/'}, t('query.new'))));
      if (!first) { list.children[from]?.querySelector('a')?.focus(); say(t('query.now_shown', {n: list.children.length})); }
    } catch (error) {
      if (first && !closed) fill(list, h('li', {class: 'empty'}, icon('alert'), h('p', {}, shell.why(error)), button(t('error.again'), {onclick: () => page(true)})));
      else shell.failed(error);
    } finally { more.disabled = false; }
  }

  function line(one, fields) {
    const name = one.top ? topName(one.top) : t(one.status === 'completed' ? 'work.nothing' : `status.${one.status}`);
    const row = h('li', {class: 'rowline'},
      h('span', {class: 'thumb'}, picture(one.photos?.[0], '320', {loading: 'lazy'})),
      h('span', {class: 'rowline-text'}, h('a', {class: 'cover', href: `#/q/${one.id}`}, name),
        h('span', {class: 'soft small'}, [(one.uploaded_at || one.created) && moment(one.uploaded_at || one.created), one.filename, ...limitsOf(one, fields), one.batch && t('history.batch', {name: one.batch})].filter(Boolean).join(' · '))),
      one.top ? h('span', {class: 'num soft', title: t('hit.score')}, score(one.top.score)) : null,
      one.status !== 'completed' && h('span', {class: `tag status-${one.status}`}, t(`status.${one.status}`)),
      one.top?.image ? h('span', {class: 'thumb small-thumb'}, picture(one.top.image, '320', {loading: 'lazy'})) : h('span', {class: 'thumb small-thumb none'}),
      button(t('history.delete', {name}), {icon: 'bin', bare: true, onclick: async () => {
        if (!await confirmed(t('history.delete_title'), t('history.delete_why'), t('delete.yes'), t('app.cancel'))) return;
        try {
          const {data} = await api.remove(`/queries/${one.id}`);
          if (data?.queries > 1) {  // others of these photos are in the list too
            toast(t('history.deleted_all', {n: data.queries}));
            cursor = null;
            await page(true);
            list.querySelector('a')?.focus();
            return;
          }
          const next = row.nextElementSibling || row.previousElementSibling;
          row.remove();
          next?.querySelector('a')?.focus();
          toast(t('history.deleted'));
        } catch (error) { shell.failed(error); }
      }}));
    return row;
  }

  return {close() { closed = true; }};
}

