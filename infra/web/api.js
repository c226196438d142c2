// The gateway. Calls carry the token; EventSource and pictures use the short-lived cookie that it is exchanged for.

import {keep, pref} from './prefs.js';

const RENEW = 45 * 60e3;  // the cookie lives an hour
const REPEATS = 3;
const BACK = 5e3;  // what was on its way when the line was cut may never end: once it is back, this is enough
let base = '/api';
let session = null;
let renewed = 0;

/** What the gateway refused, or `offline` where it was not reached. */
export class Problem extends Error {
  constructor(status, code, more = {}) {
    super(code);
    Object.assign(this, {status, code, more});
  }
}

export async function configure() {
  try {
    const answer = await fetch(new URL('config.json', import.meta.url));
    if (answer.ok) base = (await answer.json()).api || base;
  } catch { /* the usual place */ }
  setInterval(() => { if (token() && Date.now() - renewed > RENEW) enter().catch(() => {}); }, 60e3);
}

export const token = () => pref('token');
export const forget = () => { keep('token', null); session = null; cache.clear(); };
export const accept = (text) => { keep('token', text); session = null; cache.clear(); };

/** The address of a call, or of something the gateway named. */
export function address(path) {
  if (/^[a-z]+:/.test(path)) return path;
  if (path.startsWith('/api/')) return new URL(path.slice(4).replace(/^\//, ''), new URL(`${base}/`, location.href)).href;
  return new URL(path.replace(/^\//, ''), new URL(`${base}/`, location.href)).href;
}

/** Exchange the token for the cookie; once at a time. */
export function enter() {
  session ||= call('POST', '/session').then(() => { renewed = Date.now(); }).finally(() => { session = null; });
  return session;
}

/** Give up what makes no progress: `stop()` after `ms` without `moved()`, sooner once a lost line is back. */
export function limited(ms, stop) {
  let timer = setTimeout(stop, ms);
  const moved = (after = ms) => { clearTimeout(timer); timer = setTimeout(stop, after); };
  const back = () => moved(Math.min(ms, BACK));
  window.addEventListener('online', back);
  return {moved: () => moved(), end: () => { clearTimeout(timer); window.removeEventListener('online', back); }};
}

/** One call: `{data, etag, status}`. Waits and repeats where the gateway asks for it (429). `probe`: a 401 signs nobody out. `within`: ms in which an answer must come. */
export async function call(method, path, {body, type = 'application/json', match, signal, repeats = REPEATS, probe = false, within} = {}) {
  const headers = {accept: 'application/json'};
  if (token()) headers.authorization = `Bearer ${token()}`;
  if (body !== undefined) headers['content-type'] = type;
  if (match) headers['if-match'] = match;
  const late = new AbortController();
  const limit = within && limited(within, () => late.abort());
  let answer;
  let text;
  try {
    answer = await fetch(address(path), {
      method, headers, signal: within ? late.signal : signal, credentials: 'include', cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await answer.text();
  } catch (error) {
    if (error.name === 'AbortError' && !late.signal.aborted) throw error;
    throw new Problem(0, 'offline');
  } finally { limit?.end(); }
  const wait = Number(answer.headers.get('retry-after')) || 1;
  if (answer.status === 429 && repeats > 0 && wait <= 60) { // what is counted by the day is said at once
    await pause(Math.min(30, wait) * 1000);
    return call(method, path, {body, type, match, signal, probe, within, repeats: repeats - 1});
  }
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { /* a proxy's page is no answer of ours */ }
  if (!answer.ok) {
    if (answer.status === 401 && !probe) document.dispatchEvent(new CustomEvent('signed-out'));
    throw new Problem(answer.status, data?.code || `http-${answer.status}`, data || {});
  }
  return {data, etag: answer.headers.get('etag'), status: answer.status};
}

/** A file that a call gives, and the cursor of its next part; null where it is the last. */
export async function file(path) {
  const answer = await fetch(address(path), {headers: {authorization: `Bearer ${token()}`}, credentials: 'include', cache: 'no-store'})
    .catch(() => { throw new Problem(0, 'offline'); });
  if (!answer.ok) throw new Problem(answer.status, (await answer.json().catch(() => ({}))).code || `http-${answer.status}`);
  const body = await answer.blob();
  if (body.type.startsWith('application/json')) return {body, next: JSON.parse(await body.text()).next};
  return {body, next: /[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(answer.headers.get('link') || '')?.[1] ?? null};
}

export const get = async (path, more) => (await call('GET', path, more)).data;
export const post = async (path, body = {}, more = {}) => (await call('POST', path, {body, ...more})).data;
export const remove = (path) => call('DELETE', path);
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const cache = new Map();

/** Something that does not change while the page is open, asked for once. */
function once(path) {
  if (!cache.has(path)) cache.set(path, get(path).catch((error) => { cache.delete(path); throw error; }));
  return cache.get(path);
}

export const me = () => once('/me');
/** Whether the token may make drafts; a visitor only searches. */
export const writes = () => me().then((who) => !who.roles || who.roles.some((role) => role !== 'visitor'));
export const fields = () => once('/fields');
export const settings = () => once('/settings');
export async function saveSettings(body) {
  cache.set('/settings', Promise.resolve(body));  // for a card that is opened meanwhile
  try {
    const {data} = await call('PUT', '/settings', {body});
    cache.set('/settings', Promise.resolve(data || body));
    return data || body;
  } catch (error) {
    cache.delete('/settings');
    throw error;
  }
}

/** The path of an object. */
export const objectPath = (id) => `/objects/${encodeURIComponent(id)}`;

/** The id of an object of a museum. */
export function handle(museum, objectId) {
  const bytes = new TextEncoder().encode(`${museum}/${objectId}`);
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** A query string of what is set. */
export function asked(values) {
  const text = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return String(text) ? `?${text}` : '';
}
