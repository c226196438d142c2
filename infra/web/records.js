// What of an object's record is shown, and how.

import * as api from './api.js';
import {address} from './api.js';
import {h} from './dom.js';
import {lang, t} from './i18n.js';

/** The name that a record has, or that it has none. */
export function nameOf(record) {
  return record?.Name || record?.MainWord || t('object.nameless');
}

/** The name of a query's first hit, for a list; an empty one is of what may not be seen any more. */
export function topName(top) {
  return top.name === '' ? t('history.gone') : nameOf({Name: top.name});
}

/** Whether a hit is a card that is being written. */
export const isDraft = (hit) => hit.object.own && hit.object.object_id.startsWith('draft-');

/** The number it is known by: КП, else the State Catalogue's, else the id in the museum's system. A draft is called one, but in a list of drafts. */
export function numberOf(record, object) {
  const number = numbered(record);
  if (object?.object_id.startsWith('draft-') && !(number && object.draft)) return [t('object.draft'), number].filter(Boolean).join(' · ');
  return number || (object ? t('object.id', {number: object.object_id}) : '');
}

function numbered(record) {
  if (record?.KPNumber) return /^\p{L}/u.test(record.KPNumber) ? record.KPNumber : t('object.kp', {number: record.KPNumber});
  if (record?.GKNumber) return t('object.gk', {number: record.GKNumber});
  if (record?.InvNumber) return t('object.inv', {number: record.InvNumber});
  return '';
}

/** A display copy; its box is reserved by the caller's CSS. */
export function picture(image, size, props = {}) {
  const url = image?.[size] || image?.['320'];
  if (!url) return h('span', {class: 'nopicture', role: 'img', 'aria-label': t('photo.none')});
  const node = h('img', {src: address(url), alt: '', decoding: 'async', ...props});
  node.addEventListener('error', () => node.classList.add('lost'), {once: true});
  return node;
}

/** The table of fields and classes, by name and code. */
export async function table() {
  const data = await api.fields();
  const list = Array.isArray(data) ? data : data.fields;
  const classes = data.classes || [];
  return {
    list, classes,
    byName: Object.fromEntries(list.map((field) => [field.name, field])),
    label: (name) => label(list.find((field) => field.name === name), name),
    className: (code) => classes.find((one) => String(one.code) === String(code))?.[lang] || String(code ?? ''),
    shown(name, value) {
      const field = list.find((one) => one.name === name);
      if (name === 'TypologyGK') return classOf(classes, value)?.[lang] || value;
      return (lang === 'ru' && field?.codes?.[value]) || (field?.codes?.[value] && codeText(name, value, field)) || value;
    },
  };
}

function label(field, name) {
  const text = field?.[lang] || name;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A code's meaning; the table has it in Russian alone, so English is ours. */
export function codeText(name, code, field) {
  if (lang === 'ru') return field.codes[code];
  const key = `codes.${name}.${code}`;
  const text = t(key);
  return text === key ? field.codes[code] : text;
}

/** The class that a code or a name means. */
export function classOf(classes, value) {
  const plain = String(value ?? '').trim().toLowerCase();
  return classes.find((one) => String(one.code) === plain || one.ru.toLowerCase() === plain || one.en.toLowerCase() === plain);
}

/** A record as a list of terms, fields that have something only. */
export function recordList(record, fields) {
  const rows = fields.list.filter((field) => record?.[field.name]);
  if (!rows.length) return h('p', {class: 'soft'}, t('object.norecord'));
  return h('dl', {class: 'record'}, rows.map((field) => [h('dt', {}, fields.label(field.name)), h('dd', {}, fields.shown(field.name, record[field.name]))]));
}

const YEAR = /^-?[0-9]{1,4}$/;
const DATES = [/^(?:(?:(?<day>[0-9]{1,2})\.)?(?<month>[0-9]{1,2})\.)?(?<year>[0-9]{4})$/, /^(?<year>[0-9]{4})-(?<month>[0-9]{2})(?:-(?<day>[0-9]{2}))?$/];
const COUNT = /^[0-9]*[1-9][0-9]*([^0-9.,].*)?$/s;

/** Whether a value has a field's form, as functions/catalogue/fields.py says it. */
export function fits(form, value) {
  if (form === 'year') return YEAR.test(value);
  if (form === 'date') return /\p{L}/u.test(value) || isDate(value);
  return form !== 'count' || COUNT.test(value);
}

/** Whether there is such a day, month or year. */
function isDate(value) {
  const found = DATES.map((one) => one.exec(value)?.groups).find(Boolean);
  if (!found) return false;
  const [year, month, day] = [found.year, found.month ?? 1, found.day ?? 1].map(Number);
  const made = new Date(Date.UTC(2000, month - 1, 1));
  made.setUTCFullYear(year, month - 1, day);
  return year > 0 && made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
}
