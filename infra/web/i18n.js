// Every text of the page, in Russian and English; numbers, dates and plurals by locale.

import {keep, pref} from './prefs.js';

export const LANGUAGES = ['ru', 'en'];
let texts = {};
let plurals = new Intl.PluralRules('ru');
export let lang = 'ru';
let locale = 'ru-RU';

/** The language asked for before, else the browser's first that we have, else Russian. */
export function preferred() {
  const asked = pref('lang');
  if (LANGUAGES.includes(asked)) return asked;
  const known = (navigator.languages || []).map((one) => one.slice(0, 2)).find((one) => LANGUAGES.includes(one));
  return known || 'ru';
}

export async function load(wanted = preferred()) {
  const answer = await fetch(new URL(`lang/${wanted}.json`, import.meta.url));
  if (!answer.ok) throw new TypeError(`lang/${wanted}.json: ${answer.status}`);
  texts = await answer.json();
  lang = wanted;
  locale = (navigator.languages || []).find((one) => one.startsWith(`${lang}-`)) || {ru: 'ru-RU', en: 'en-GB'}[lang];
  plurals = new Intl.PluralRules(lang);
  document.documentElement.lang = lang;
}

export async function change(wanted) {
  await load(wanted);
  keep('lang', wanted);
}

/** The text of a key, with `{name}` filled in; `n` chooses the plural form and is written by locale. */
export function t(key, values = {}) {
  let text = texts[key];
  if (text === undefined) return key;
  if (typeof text === 'object') text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? number(value) : String(value);
  });
}

/** Whether there is a text for a key. */
export function has(key) {
  return key in texts;
}

const formats = new Map();

/** A number's format, made once: making one takes longer than using it. */
function format(options) {
  const key = `${locale} ${Object.values(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale, options));
  return formats.get(key);
}

/** The locale that numbers and dates are written in. */
export const written = () => locale;

export function number(value, digits = 0) {
  return format({maximumFractionDigits: digits, minimumFractionDigits: 0}).format(value);
}

/** A cosine: below 0 two photos have nothing in common either. */
export function score(value, digits = 3) {
  return format({maximumFractionDigits: digits, minimumFractionDigits: digits}).format(Math.max(0, value));
}

export function percent(share) {
  return format({maximumFractionDigits: 0, style: 'percent'}).format(share);
}

/** A probability: never called certain, nor impossible. */
export function chance(share) {
  if (share > 0.99) return t('unit.over', {p: percent(0.99)});
  return percent(Math.max(0.01, share));
}

export function bytes(size, digits = 1) {
  if (size < 1e6) return t('unit.kb', {n: number(Math.max(1, Math.round(size / 1e3)))});
  return t('unit.mb', {n: number(size / 1e6, digits)});
}

/** A size with as many digits as it takes to differ from `other`. */
export function bytesBeside(size, other) {
  const digits = [1, 2, 3, 4, 5].find((one) => bytes(size, one) !== bytes(other, one));
  return bytes(size, digits ?? 6);
}

/** Milliseconds in seconds or minutes. */
export function duration(ms) {
  if (ms < 950) return t('unit.s', {n: number(Math.max(0.1, ms / 1000), 1)});
  if (ms < 90e3) return t('unit.s', {n: number(Math.round(ms / 1000))});
  return t('unit.min', {n: number(Math.round(ms / 60e3))});
}

/** A moment, given in seconds since the epoch: today as a time, else with its day. */
export function moment(epoch) {
  const date = new Date(epoch * 1000);
  const today = new Date().toDateString() === date.toDateString();
  const year = date.getFullYear() === new Date().getFullYear() ? {} : {year: 'numeric'};
  const form = today ? {hour: '2-digit', minute: '2-digit'} : {day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', ...year};
  return new Intl.DateTimeFormat(locale, form).format(date);
}

export function day(epoch) {
  return new Intl.DateTimeFormat(locale, {day: 'numeric', month: 'long', year: 'numeric'}).format(new Date(epoch * 1000));
}

/** Names as one phrase: «a, b и c». */
export function listed(names) {
  return new Intl.ListFormat(locale, {type: 'conjunction'}).format(names);
}
