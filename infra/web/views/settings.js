// The museum's own fields, the order in which a card is copied, and this browser's choices.

import * as api from '../api.js';
import {asText, ordered} from '../copytext.js';
import {button, debounced, fill, h, say} from '../dom.js';
import {bytes, t} from '../i18n.js';
import {reducing, SIDE} from '../photos.js';
import {keep, pref} from '../prefs.js';
import {codeText, table} from '../records.js';

export function show(main, params, shell) {
  let closed = false;
  let settings = null;
  const status = h('p', {class: 'soft small save-line', role: 'status'});
  const own = h('section', {class: 'panel', 'aria-labelledby': 's-own'}, h('h2', {id: 's-own'}, t('settings.own')), h('p', {class: 'soft small'}, t('settings.own_why')), h('div', {class: 'pairs'}), status);
  const copying = h('section', {class: 'panel', 'aria-labelledby': 's-copy'}, h('h2', {id: 's-copy'}, t('settings.copy')), h('p', {class: 'soft small'}, t('settings.copy_why')));
  const here = h('section', {class: 'panel', 'aria-labelledby': 's-here'}, h('h2', {id: 's-here'}, t('settings.here')));
  fill(main, h('div', {class: 'listing settings'}, h('h1', {}, t('settings.title')), own, copying, here));
  drawHere();
  Promise.all([table(), api.settings()]).then(([fields, found]) => {
    if (closed) return;
    settings = {own: {...found.own}, copy_order: [...(found.copy_order || [])]};
    drawOwn(fields);
    drawCopy(fields);
  }).catch((error) => { status.textContent = shell.why(error); });

  const later = debounced(save, 500);
  async function save() {
    try {
      await api.saveSettings(settings);
      status.className = 'small save-line saved';
      status.textContent = t('settings.saved');
    } catch (error) {
      status.className = 'small save-line failed';
      status.textContent = t('save.failed', {why: shell.why(error)});
    }
  }

  function drawOwn(fields) {
    fill(own.querySelector('.pairs'), fields.list.filter((field) => field.kind === 'own').map((field) => {
      const id = `s-${field.name}`;
      const codes = Object.keys(field.codes || {});
      const changed = (event) => {
        if (event.target.value) settings.own[field.name] = event.target.value;
        else delete settings.own[field.name];
        later();
      };
      const input = codes.length ? h('select', {id, onchange: changed}, h('option', {value: ''}, '—'), codes.map((code) => h('option', {value: code, selected: settings.own[field.name] === code}, codeText(field.name, code, field))))
        : h('input', {id, value: settings.own[field.name] || '', oninput: changed});
      return h('div', {class: 'field'}, h('label', {for: id, class: 'small'}, fields.label(field.name)), input);
    }));
  }

  function drawCopy(fields) {
    const all = fields.list.map((field) => field.name);
    const only = h('input', {type: 'checkbox', id: 's-only', checked: pref('copy.only', false), onchange: () => { keep('copy.only', only.checked); preview(); }});
    const form = h('select', {id: 's-form', onchange: () => { keep('copy.form', form.value); preview(); }}, ['lines', 'cells'].map((one) => h('option', {value: one, selected: pref('copy.form', 'lines') === one}, t(`settings.form.${one}`))));
    const list = h('ol', {class: 'order'});
    const sample = h('pre', {class: 'sample', tabindex: '0', 'aria-label': t('settings.sample')});
    copying.append(h('div', {class: 'row'}, h('label', {for: 's-form'}, t('settings.form')), form, h('label', {class: 'tick'}, only, t('settings.only'))), h('div', {class: 'order-in'}, list, sample));
    const names = () => ordered(all, settings.copy_order);
    const move = (name, to) => {
      const next = names();
      next.splice(next.indexOf(name), 1);
      next.splice(to, 0, name);
      settings.copy_order = next.slice(0, Math.max(settings.copy_order.includes(name) ? settings.copy_order.length : settings.copy_order.length + 1, to + 1));
      draw(name);
      later();
    };
    const draw = (focus) => {
      const now = names();
      fill(list, now.map((name, at) => h('li', {class: settings.copy_order.includes(name) ? 'in' : ''},
        h('label', {}, h('input', {type: 'checkbox', checked: settings.copy_order.includes(name), onchange: (event) => {
          settings.copy_order = event.target.checked ? [...settings.copy_order, name] : settings.copy_order.filter((one) => one !== name);
          draw(name);
          later();
        }}), fields.label(name)),
        h('span', {class: 'row tight'},
          button(t('settings.up', {name: fields.label(name)}), {icon: 'up', bare: true, kind: 'tiny', disabled: at === 0, data: {move: name}, onclick: () => { move(name, at - 1); say(t('settings.moved', {name: fields.label(name), n: at})); }}),
          button(t('settings.down', {name: fields.label(name)}), {icon: 'down', bare: true, kind: 'tiny', disabled: at === now.length - 1, data: {down: name}, onclick: () => { move(name, at + 1); say(t('settings.moved', {name: fields.label(name), n: at + 2})); }})))));
      if (focus) list.querySelector(`[data-move="${focus}"]:not(:disabled), [data-down="${focus}"]`)?.focus();
      preview();
    };
    const preview = () => {
      const example = {Name: t('settings.example_name'), KPNumber: '1234/5', CreationTime: '1850', MaterialandTechnique: t('settings.example_material'), ...settings.own};
      sample.textContent = asText(example, ordered(all, settings.copy_order, only.checked), {label: fields.label, shown: fields.shown, form: form.value});
    };
    draw();
  }

  function drawHere() {
    const reduce = h('input', {type: 'checkbox', id: 's-reduce', checked: reducing(), onchange: () => keep('reduce', reduce.checked)});
    const limit = h('p', {class: 'soft small'});
    here.append(h('label', {class: 'tick'}, reduce, h('span', {}, t('search.reduce', {side: String(SIDE)}))), limit,
      h('div', {class: 'row'}, button(t('settings.out'), {icon: 'x', onclick: () => { api.forget(); document.dispatchEvent(new CustomEvent('left')); }})));
    api.me().then((who) => { limit.textContent = t('settings.who', {museum: who.museum, owner: who.owner, limit: bytes(who.limits?.max_bytes || 0)}); }).catch(() => {});
  }

  return {close() { closed = true; if (later.pending()) { later.cancel(); save(); } }};
}

