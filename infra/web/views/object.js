// One object: its photos and record; and the search for what is like it.

import * as api from '../api.js';
import {button, fill, h, icon} from '../dom.js';
import {t} from '../i18n.js';
import {nameOf, numberOf, picture, recordList, table} from '../records.js';

const begun = new Map();

/** Begin the search for what is like an object, once while the page is open; resolves to its query. */
async function like(id, name) {
  if (!begun.has(id)) {
    const made = api.post(`${api.objectPath(id)}/similar`).then(({id: query}) => query);
    begun.set(id, made);
    made.catch(() => begun.delete(id));
  }
  return begun.get(id);
}

export function show(main, params, shell) {
  const {id} = params;
  let closed = false;
  const title = h('h1', {tabindex: '-1'}, t('object.loading'));
  const of = h('p', {class: 'soft'});
  const big = h('div', {class: 'query-photo'});
  const views = h('div', {class: 'views', role: 'group', 'aria-label': t('compare.views')});
  const record = h('div', {class: 'panel object-record'});
  const acts = h('div', {class: 'row'});
  fill(main, h('div', {class: 'object'}, h('div', {class: 'object-head'}, h('div', {class: 'query-side'}, big, views), h('div', {}, title, of, acts, record))));

  Promise.all([api.get(api.objectPath(id)), table()]).then(([data, fields]) => {
    if (closed) return;
    title.textContent = nameOf(data.fields);
    shell.title(title.textContent);
    of.textContent = `${data.museum} · ${numberOf(data.fields, {object_id: data.object_id})}`;
    fill(record, h('h2', {}, t('compare.record')), recordList(data.fields, fields), !data.draft && data.own && h('p', {class: 'soft small'}, t('object.imported')));
    fill(acts, button(t('hit.like'), {icon: 'like', kind: 'primary', onclick: search}), data.draft && data.own && h('a', {class: 'button', href: `#/d/${data.id}`}, icon('pen'), h('span', {}, t('object.edit'))));
    const images = data.images || [];
    const showOne = (place) => {
      fill(big, images[place] ? picture(images[place], '1280', {alt: t('compare.view_n', {n: place + 1}), class: 'whole'}) : h('span', {class: 'nopicture', role: 'img', 'aria-label': t('photo.none')}));
      [...views.children].forEach((one, index) => one.setAttribute('aria-pressed', String(index === place)));
    };
    fill(views, images.length > 1 && images.map((image, place) => h('button', {type: 'button', class: 'view', 'aria-label': t('compare.view_n', {n: place + 1}), onclick: () => showOne(place)}, picture(image, '320'))));
    showOne(0);
    if (params.part === 'similar') search();
  }).catch((error) => { title.textContent = t('object.gone'); fill(record, h('p', {}, shell.why(error))); });

  async function search() {
    try {
      const query = await like(id, title.textContent);
      if (!closed) shell.go(`q/${query}`, params.part === 'similar');
    } catch (error) { shell.failed(error); }
  }

  return {update: () => false, close() { closed = true; }};
}
