// Photos on their way up: the form asked for, bytes counted, repeated after a lost connection.

import * as outbox from './outbox.js';
import {address, call, limited, pause, post, Problem} from './api.js';

export const STALLED = 45e3;  // without a byte or an answer a request is given up and repeated
const running = new Map();
const previews = new Map();

/** The upload of a query that this page sends: `{share, loaded, total, problem, done}`; undefined where it sends none. */
export const stateOf = (id) => running.get(id)?.state;

/** Addresses of local pictures of a query's photos, shown until the server has its own. */
export const previewsOf = (id) => previews.get(id) || [];

/** Hear of an upload's progress; returns how to stop. */
export function listen(id, heard) {
  const one = running.get(id);
  one?.ears.add(heard);
  return () => one?.ears.delete(heard);
}

/**
 * Begin a query of prepared photos and return its id at once; the bytes follow.
 * `more` is what the gateway is told beside them: batch, wait, scope, filter.
 */
export async function begin(photos, more = {}, {key, name} = {}) {
  const told = photos.map(({name, type, size}) => ({filename: name, content_type: type, size}));
  const made = await post('/uploads', {...told[0], ...(told.length > 1 ? {parts: told} : {}), ...more}, {within: STALLED});
  const forms = made.upload && told.length === 1 && !made.parts?.length ? [made.upload] : made.parts;
  previews.set(made.id, photos.filter((one) => one.preview).map((one) => URL.createObjectURL(one.preview)));
  const send = {key: key || made.id, id: made.id, name, batch: more.batch, forms, more,
    photos: photos.map(({name, type, size, blob, preview}) => ({name, type, size, blob, preview}))};
  if (!key) await alone(`send.${made.id}`);
  await outbox.put(send);
  carry(send).catch(() => {});
  return made.id;
}

/** Resolves when a query's photos are up; throws what stopped them. */
export async function ended(id) {
  const one = running.get(id);
  if (!one) return;
  await one.sent;
}

/**
 * Whether this window alone may do something, as long as it is open: another one sends nothing twice. Where another one has it,
 * `freed()` is called once that one is closed.
 */
export function alone(name, freed) {
  if (!navigator.locks) return Promise.resolve(true);
  const forever = () => new Promise(() => {});
  return new Promise((told) => {
    navigator.locks.request(`museum.${name}`, {ifAvailable: true}, (lock) => {
      told(Boolean(lock));
      return lock ? forever() : null;
    }).then(() => freed && navigator.locks.request(`museum.${name}`, () => { freed(); return forever(); })).catch(() => told(true));
  });
}

/**
 * Go on with an upload that an earlier page began. Resolves to its id where this window sends it, to `elsewhere` where another
 * one does (`freed()` is called when this one has taken it over), and to null where nothing was kept.
 */
export async function resume(id, freed = () => {}) {
  if (running.has(id)) return id;
  if (!await outbox.take(id)) return null;
  if (!await alone(`send.${id}`, async () => { if (await goOn(id)) freed(); })) return 'elsewhere';
  return goOn(id);
}

async function goOn(id) {
  if (running.has(id)) return id;
  const send = await outbox.take(id);
  if (!send) return null;
  if (running.has(id)) return id;
  if (!previews.has(id)) previews.set(id, send.photos.filter((one) => one.preview).map((one) => URL.createObjectURL(one.preview)));
  carry(send).catch(() => {});
  return id;
}

/** Begin anew what could not be sent, with fresh forms. Resolves to the new id, or null. */
export async function again(id) {
  const send = await outbox.take(id);
  if (!send) return null;
  await outbox.drop(id);
  running.delete(id);
  return begin(send.photos, send.more);
}

function carry(send) {
  const one = {state: null, ears: new Set(), sent: null};
  running.set(send.id, one);
  one.sent = carried(send, one);
  return one.sent;
}

async function carried(send, one) {
  const state = {share: 0, loaded: 0, total: send.photos.reduce((sum, one) => sum + one.size, 0), problem: null, done: false};
  one.state = state;
  const tell = () => one.ears.forEach((heard) => heard(state));
  const loaded = send.photos.map(() => 0);
  const count = (index, bytes) => {
    loaded[index] = bytes;
    state.loaded = loaded.reduce((sum, value) => sum + value, 0);
    state.share = state.total ? state.loaded / state.total : 0;
    tell();
  };
  try {
    for (const [index, photo] of send.photos.entries()) {
      await patiently(() => formPost(send.forms[index], photo, (bytes) => count(index, bytes)), state, tell);
    }
    await patiently(() => call('POST', `/queries/${send.id}/uploaded`, {body: {}, within: STALLED}), state, tell);
    state.share = 1;
    state.done = true;
    await outbox.drop(send.key);
  } catch (error) {
    state.problem = error;
    throw error;
  } finally {
    tell();
  }
}

/** Repeat what failed for want of a connection until it is back. */
async function patiently(work, state, tell) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await work();
      state.waiting = false;
      return answer;
    } catch (error) {
      if (error.code !== 'offline' && error.status < 500) throw error;
      if (error.status >= 500 && attempt >= 4) throw error;
      state.waiting = true;
      tell();
      await reachable(Math.min(15e3, 1000 * 2 ** attempt));
    }
  }
}

/** Resolves when the connection is back, or after `ms`. */
export function reachable(ms) {
  return Promise.race([pause(ms), new Promise((done) => window.addEventListener('online', done, {once: true}))]);
}

/** POST one photo to the store: the form's fields, then the file last. */
export function formPost({url, fields}, photo, progress) {
  return new Promise((done, failed) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    data.append('file', photo.blob, photo.name);
    const request = new XMLHttpRequest();
    request.open('POST', /^https?:/.test(url) ? url : address(url));
    const limit = limited(STALLED, () => request.abort());
    request.upload.onprogress = (event) => { limit.moved(); progress(Math.min(photo.size, event.loaded)); };
    request.onloadend = limit.end;
    request.onload = () => {
      if (request.status < 300) { progress(photo.size); done(); return; }
      failed(new Problem(request.status, refusal(request.responseText)));
    };
    request.onerror = () => failed(new Problem(0, 'offline'));
    request.onabort = request.onerror;
    request.send(data);
  });
}

/** The store's own code for a refusal. */
function refusal(text) {
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  return {EntityTooLarge: 'too-large', AccessDenied: 'form-expired', PolicyNotSatisfied: 'form-expired'}[code] || 'upload-refused';
}

