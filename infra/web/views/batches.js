// A folder of a morning's photos: put together into objects, then begun; and the batches there are.

import * as api from '../api.js';
import {start} from '../batchrun.js';
import {button, fill, h, icon, say, toast} from '../dom.js';
import {best, grouped, joined, moved, split, stem} from '../grouping.js';
import {day, t, written} from '../i18n.js';
import {keep, pref} from '../prefs.js';
import {table} from '../records.js';

const MODES = ['name', 'folder', 'count', 'each'];
const PHOTO = /\.(jpe?g|png|webp|tiff?|hei[cf]|avif|gif|bmp)$/i;

const NAMED = 6;  // skipped files
const ENOUGH = 20;
const PAGES = 20;  // of the history, a hundred searches each: one large batch does not hide those before it

export function show(main, params, shell) {
  let files = [];
  let groups = [];
  let mode = 'name';
  let size = 3;
  let own = null;
  let closed = false;
  const urls = new Map();
  const used = new Set(pref('batches', []).map((one) => one.name));
  const chosen = (event) => { take([...event.target.files].map((file) => ({file, path: file.webkitRelativePath || file.name}))); event.target.value = ''; };
  const folder = h('input', {type: 'file', webkitdirectory: true, multiple: true, class: 'sr', tabindex: '-1', 'aria-hidden': 'true', id: 'folder', onchange: chosen});
  const some = h('input', {type: 'file', multiple: true, accept: 'image/*,.heic,.heif,.tif,.tiff', class: 'sr', tabindex: '-1', 'aria-hidden': 'true', id: 'several', onchange: chosen});
  const drop = h('section', {class: 'drop'}, h('div', {class: 'drop-in'}, h('span', {class: 'drop-sign'}, icon('folder')), h('p', {class: 'drop-lead'}, t('batch.drop')),
    h('div', {class: 'row center'}, button(t('batch.folder'), {icon: 'folder', kind: 'primary', onclick: () => folder.click()}), button(t('batch.files'), {icon: 'photo', onclick: () => some.click()})),
    h('p', {class: 'soft small'}, t('batch.hint'))));
  const plan = h('section', {class: 'plan', 'aria-label': t('batch.plan')});
  const known = h('section', {class: 'listing known', 'aria-labelledby': 'known'}, h('h2', {id: 'known'}, t('batch.known')), h('ul', {class: 'rows'}));
  fill(main, h('div', {class: 'intro'}, h('h1', {}, t('batch.title')), h('p', {class: 'lead'}, t('batch.lead'))), folder, some, drop, plan, known);
  drawKnown();

  async function drawKnown() {
    const names = new Map(pref('batches', []).map((one) => [one.name, one]));
    drawList(names);
    try {
      let cursor = null;
      for (let page = 0; page < PAGES && !closed; page += 1) {
        const {items, next} = await api.get(`/queries${api.asked({limit: 100, cursor})}`);
        for (const one of items) if (one.batch && !names.has(one.batch)) names.set(one.batch, {name: one.batch, at: one.uploaded_at});
        drawList(names);
        if (!next || names.size >= ENOUGH) break;
        cursor = next;
      }
    } catch { /* what this browser knows is shown */ }
  }

  function drawList(names) {
    if (closed) return;
    for (const name of names.keys()) used.add(name);
    known.hidden = !names.size || files.length > 0;
    const had = known.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    fill(known.lastChild, [...names.values()].sort((a, b) => (b.at || 0) - (a.at || 0)).map((one) => h('li', {class: 'rowline short'}, icon('stack'),
      h('span', {class: 'rowline-text'}, h('a', {class: 'cover', href: `#/batch/${encodeURIComponent(one.name)}`}, one.name), h('span', {class: 'soft small'}, one.at ? day(one.at) : '')))));
    if (had) [...known.querySelectorAll('a')].find((one) => one.getAttribute('href') === had)?.focus();
  }

  function take(found) {
    const photos = found.filter(({path, file}) => PHOTO.test(path) || file.type.startsWith('image/'));
    const skipped = found.filter((one) => !photos.includes(one)).map(({path}) => path.split('/').pop());
    if (skipped.length) toast(t('batch.skipped', {n: skipped.length, names: [...skipped.slice(0, NAMED), ...(skipped.length > NAMED ? ['…'] : [])].join(', ')}));
    if (!photos.length) return;
    files = [...files, ...photos];
    mode = best(files.map((one) => one.path));
    regroup();
    say(t('batch.given', {n: files.length}));
    plan.querySelector('input')?.focus();
    plan.scrollIntoView({block: 'start'});
  }

  function regroup() {
    groups = grouped(files.map((one) => one.path), mode, size);
    draw();
  }

  const urlOf = (place) => {
    if (!urls.has(place)) urls.set(place, URL.createObjectURL(files[place].file));
    return urls.get(place);
  };

  async function draw() {
    drop.classList.add('has');
    known.hidden = true;
    const suggestion = plan.querySelector('#batch-name')?.value || suggested();
    const name = h('input', {id: 'batch-name', value: suggestion, maxlength: 60, required: true});
    const how = h('select', {id: 'batch-mode', onchange: () => { mode = how.value; regroup(); plan.querySelector('#batch-mode').focus(); }}, MODES.map((one) => h('option', {value: one, selected: one === mode}, t(`batch.mode.${one}`))));
    const count = h('input', {id: 'batch-size', type: 'number', min: 1, max: 8, value: size, onchange: () => { size = Math.min(8, Math.max(1, Number(count.value) || 3)); regroup(); plan.querySelector('#batch-size').focus(); }});
    const labelled = (field, key) => h('div', {class: 'field-small'}, h('label', {for: field.id}, t(key)), field);
    const list = h('ol', {class: 'groups'}, groups.map(groupCard));
    fill(plan, h('div', {class: 'plan-top panel'},
      h('div', {class: 'plan-fields'}, labelled(name, 'batch.name'), labelled(how, 'batch.how'), mode === 'count' && labelled(count, 'batch.size')),
      h('details', {class: 'own-fields'}, h('summary', {}, t('batch.own')), h('div', {class: 'pairs'})),
      h('div', {class: 'row'}, h('p', {class: 'plan-count'}, t('batch.objects', {n: groups.length}), ', ', t('batch.photos', {n: files.length})), h('span', {class: 'spring'}),
        button(t('batch.forget'), {kind: 'quiet', onclick: () => { files = []; groups = []; fill(plan); drop.classList.remove('has'); drawKnown(); drop.querySelector('button').focus(); }}),
        button(t('batch.start'), {icon: 'search', kind: 'primary', onclick: () => go(name.value.trim())}))), h('p', {class: 'soft small'}, t('batch.by_hand')), list);
    drawOwn(plan.querySelector('.own-fields'));
  }

  async function drawOwn(place) {
    try {
      const [fields, settings] = await Promise.all([table(), api.settings()]);
      own ||= {...settings.own};
      fill(place.lastChild, fields.list.filter((field) => field.kind === 'own').map((field) => {
        const id = `own-${field.name}`;
        const codes = Object.keys(field.codes || {});
        const changed = (event) => { own[field.name] = event.target.value; };
        const input = codes.length ? h('select', {id, onchange: changed}, h('option', {value: ''}, '—'), codes.map((code) => h('option', {value: code, selected: own[field.name] === code}, fields.shown(field.name, code))))
          : h('input', {id, value: own[field.name] || '', oninput: changed});
        return h('div', {class: 'field'}, h('label', {for: id, class: 'small'}, fields.label(field.name)), input);
      }));
    } catch (error) { shell.failed(error); }
  }

  function groupCard(group, place) {
    const change = (next, focus) => {
      groups = next;
      fill(plan.querySelector('.groups'), groups.map(groupCard));
      plan.querySelector('.plan-count').textContent = `${t('batch.objects', {n: groups.length})}, ${t('batch.photos', {n: files.length})}`;
      const near = plan.querySelectorAll('.group')[Math.min(focus, groups.length - 1)];
      near?.querySelector('input')?.focus();
      say(t('batch.objects', {n: groups.length}));
    };
    return h('li', {class: 'group panel'},
      h('div', {class: 'row tight'}, h('input', {value: group.name, 'aria-label': t('batch.object_name', {n: place + 1}), onchange: (event) => { groups[place] = {...group, name: event.target.value.trim() || group.name}; }}),
        place > 0 && button(t('batch.join', {name: group.name}), {icon: 'up', bare: true, onclick: () => change(joined(groups, place), place - 1)})),
      h('ul', {class: 'group-photos'}, group.files.map((file, at) => {
        const image = h('img', {src: urlOf(file), alt: stem(files[file].path), loading: 'lazy', decoding: 'async', title: files[file].path});
        image.addEventListener('error', () => image.replaceWith(h('span', {class: 'unshown small'}, stem(files[file].path))));
        return h('li', {}, h('span', {class: 'thumb'}, image), h('div', {class: 'row tight'},
          place > 0 && button(t('batch.before'), {icon: 'left', bare: true, kind: 'tiny', onclick: () => change(moved(groups, place, at, -1), place)}),
          at > 0 && button(t('batch.split'), {icon: 'minus', bare: true, kind: 'tiny', onclick: () => change(split(groups, place, at, stem(files[file].path)), place + 1)}),
          place < groups.length - 1 && button(t('batch.after'), {icon: 'right', bare: true, kind: 'tiny', onclick: () => change(moved(groups, place, at, 1), place)})));
      })));
  }

  function suggested() {
    const now = new Date();
    const date = new Intl.DateTimeFormat(written(), {day: 'numeric', month: 'long'}).format(now);
    const name = `${date}, ${t(now.getHours() < 12 ? 'batch.morning' : 'batch.afternoon')}`;
    for (let i = 1; ; i += 1) {
      const next = i === 1 ? name : `${name} ${i}`;
      if (!used.has(next)) return next;
    }
  }

  function go(name) {
    if (!name) { plan.querySelector('#batch-name').focus(); toast(t('batch.need_name')); return; }
    keep('batches', [{name, at: Date.now() / 1000}, ...pref('batches', []).filter((one) => one.name !== name)].slice(0, 100));
    if (own) keep(`batch.own.${name}`, own);
    start(name, groups.map((group) => ({name: group.name, files: group.files.map((file) => files[file].file)}))).catch(shell.failed);
    shell.go(`batch/${encodeURIComponent(name)}`);
  }

  return {take, close() { closed = true; urls.forEach((url) => URL.revokeObjectURL(url)); }};
}
