// One object: its photos and record; what is like it.

import * as api from '../api.js';
import {compare} from '../compare.js';
import {button, fill, h, icon} from '../dom.js';
import {t} from '../i18n.js';
import {hitCard, skeletons} from '../hits.js';
import {nameOf, numberOf, picture, recordList, table} from '../records.js';

export function show(main, params, shell) {
  const {id} = params;
  let object = null;
  let hits = [];
  let result = null;
  let dialog = null;
  let wanted = params.object;
  const title = h('h1', {tabindex: '-1'}, t('object.loading'));
  const of = h('p', {class: 'soft'});
  const big = h('div', {class: 'query-photo'});
  const views = h('div', {class: 'views', role: 'group', 'aria-label': t('compare.views')});
  const record = h('div', {class: 'panel object-record'});
  const acts = h('div', {class: 'row'});
  const list = h('ol', {class: 'hits', 'aria-busy': 'true'}, skeletons(10));
  fill(main, h('div', {class: 'object'},
    h('div', {class: 'object-head'}, h('div', {class: 'query-side'}, big, views), h('div', {}, title, of, acts, record)),
    h('section', {class: 'results', 'aria-labelledby': 'similar'}, h('h2', {id: 'similar', tabindex: '-1'}, t('object.similar')), list)));

  Promise.all([api.get(api.objectPath(id)), table()]).then(([data, fields]) => {
    object = data;
    title.textContent = nameOf(data.fields);
    shell.title(title.textContent);
    of.textContent = `${data.museum} · ${numberOf(data.fields, data)}`;
    fill(record, h('h2', {}, t('compare.record')), recordList(data.fields, fields), !data.draft && data.own && h('p', {class: 'soft small'}, t('object.imported')));
    fill(acts, data.draft && data.own && h('a', {class: 'button primary', href: `#/d/${data.id}`}, icon('pen'), h('span', {}, t('object.edit'))));
    const images = data.images || [];
    const showOne = (place) => {
      fill(big, images[place] ? picture(images[place], '1280', {alt: t('compare.view_n', {n: place + 1}), class: 'whole'}) : h('span', {class: 'nopicture', role: 'img', 'aria-label': t('photo.none')}));
      [...views.children].forEach((one, index) => one.setAttribute('aria-pressed', String(index === place)));
    };
    fill(views, images.length > 1 && images.map((image, place) => h('button', {type: 'button', class: 'view', 'aria-label': t('compare.view_n', {n: place + 1}), onclick: () => showOne(place)}, picture(image, '320'))));
    showOne(0);
    open();
  }).catch((error) => { title.textContent = t('object.gone'); fill(record, h('p', {}, shell.why(error))); });

  api.get(`${api.objectPath(id)}/similar`).then((data) => {
    result = data.result || data;
    hits = (result.hits || []).filter((hit) => hit.object.id !== id);
    list.setAttribute('aria-busy', 'false');
    if (!hits.length) { fill(list, h('li', {class: 'soft hits-hidden'}, t('query.none_here'))); return; }
    fill(list, hits.map((hit) => hitCard(hit, {threshold: result.verdict?.threshold, open: `#/o/${id}/similar/${hit.object.id}`, like: `#/o/${hit.object.id}/similar`})));
    open();
  }).catch((error) => { list.setAttribute('aria-busy', 'false'); fill(list, h('li', {class: 'hits-hidden'}, h('p', {}, shell.why(error)), button(t('error.again'), {onclick: () => shell.go(`o/${id}`)}))); });

  if (params.part === 'similar' && !wanted) requestAnimationFrame(() => main.querySelector('#similar')?.scrollIntoView({block: 'start'}));

  function open() {
    if (!wanted || !object || !result || dialog) return;
    const mine = wanted;
    const hit = hits.find((one) => one.object.id === mine) || null;
    dialog = compare({photos: object.images || [], hit, objectId: mine, threshold: result.verdict?.threshold, shell, likeHref: `#/o/${mine}/similar`,
      closed: () => {
        dialog = null;
        if (wanted === mine) { wanted = null; if (location.hash.includes(`/similar/${mine}`)) shell.go(`o/${id}`, true); }
        list.querySelector(`[data-object="${CSS.escape(mine)}"] a.cover`)?.focus();
      }});
  }

  return {
    update(next) {
      if (next.id !== id) return false;
      wanted = next.object;
      dialog?.close();
      dialog = null;
      open();
      return true;
    },
    close() { wanted = null; dialog?.close(); },
  };
}
