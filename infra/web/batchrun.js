// A batch on its way up: prepared one after another, two sent at a time, everything not yet sent kept in the browser.

import * as api from './api.js';
import * as outbox from './outbox.js';
import {prepare} from './photos.js';
import * as sending from './sending.js';

const AT_ONCE = 2;
const runs = new Map();

/** The run of a batch in this window, or undefined: `{items, busy}`; an item is `{key, name, state, share, id, problem, safe}`; what is safe is kept in the browser. */
export const runOf = (batch) => runs.get(batch);

function run(batch) {
  if (!runs.has(batch)) runs.set(batch, {items: [], ears: new Set(), sending: 0, asking: Promise.resolve(), busy: false});
  return runs.get(batch);
}

/** Whether this window sends the batch's photos. Where another one does, this one goes on when that is closed. */
function ours(batch, one) {
  one.ours ??= sending.alone(`batch.${batch}`, () => { one.ours = Promise.resolve(true); resume(batch); });
  return one.ours;
}

const tell = (one, item) => one.ears.forEach((heard) => heard(item));

/** Hear of changes of a batch's items; returns how to stop. */
export function hear(batch, heard) {
  const one = run(batch);
  one.ears.add(heard);
  return () => one.ears.delete(heard);
}

/** Begin with groups `[{name, files: [File]}]`. */
export async function start(batch, groups) {
  const one = run(batch);
  await ours(batch, one);
  const from = one.items.length;
  const stamp = Date.now();
  const items = groups.map((group, place) => ({key: `${batch}/${stamp}/${String(from + place).padStart(5, '0')}`, name: group.name, files: group.files, state: 'kept', share: 0, photos: null, problems: []}));
  one.items.push(...items);
  one.busy = true;
  tell(one);
  keepFiles(batch, items);
  prepareAll(batch, one, items, await limitsOf());
}

/** What photos may be, asked for until it is told. */
async function limitsOf() {
  for (let attempt = 0; ; attempt += 1) {
    try { return (await api.me()).limits; } catch (error) {
      if (error.code !== 'offline' && !(error.status >= 500)) throw error;
      await sending.reachable(Math.min(10e3, 1000 * 2 ** attempt));
    }
  }
}

/** Keep the files themselves until they are prepared, so that a closed window loses none. */
async function keepFiles(batch, items) {
  for (const item of items) if (item.files && item.state === 'kept') item.safe = await outbox.put({key: item.key, batch, name: item.name, files: item.files, photos: []}) !== null;
}

async function prepareAll(batch, one, items, limits) {
  navigator.storage?.persist?.().catch?.(() => {});
  for (const item of items) {
    item.state = 'preparing';
    tell(one, item);
    const photos = [];
    for (const [place, file] of item.files.entries()) {
      const photo = await prepare(file, limits).catch(() => ({name: file.name, problem: 'broken', values: {}}));
      if (photo.problem) item.problems.push(photo);
      else photos.push({...photo, name: `${item.name}_${place + 1}.${photo.name.split('.').pop()}`.replaceAll('/', '-')});
    }
    item.files = null;
    if (!photos.length) { await refused(batch, one, item); continue; }
    item.photos = photos;
    item.state = 'kept';
    item.safe = await outbox.put({key: item.key, batch, name: item.name, photos: photos.map(({name, type, size, blob, preview}) => ({name, type, size, blob, preview}))}) !== null;
    tell(one, item);
    pump(batch, one);
  }
  pump(batch, one);
}

/** Said until she takes it away, also in the next window. */
async function refused(batch, one, item) {
  item.state = 'bad';
  await outbox.put({key: item.key, batch, name: item.name, photos: [], problems: item.problems.map(({name, problem, values, size}) => ({name, problem, values, size}))});
  tell(one, item);
}

/** Take away what did not fit. */
export function dismiss(batch, item) {
  const one = run(batch);
  one.items = one.items.filter((other) => other !== item);
  outbox.drop(item.key);
  tell(one);
}

/** Go on with what an earlier window left. Resolves to how many objects that were. */
export async function resume(batch) {
  const one = run(batch);
  if (!await ours(batch, one)) return 0;
  const left = await outbox.ofBatch(batch);
  const known = new Set(one.items.map((item) => item.key));
  const items = left.filter((send) => !known.has(send.key)).sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((send) => (send.problems ? {key: send.key, name: send.name, state: 'bad', share: 0, id: null, safe: true, photos: null, files: null, problems: send.problems} : {key: send.key, name: send.name || send.photos[0]?.name || '', state: 'kept', share: 0, id: null, was: send.id, safe: true, photos: send.photos.length ? send.photos : null, files: send.photos.length ? null : send.files, problems: []}));
  one.items.push(...items);
  const raw = items.filter((item) => item.files);
  if (raw.length) limitsOf().then((limits) => prepareAll(batch, one, raw, limits)).catch(() => {});
  if (items.length) pump(batch, one);
  return items.length;
}

/** Send what a problem stopped once more. */
export function retry(batch, item) {
  item.state = 'kept';
  item.problem = null;
  pump(batch, run(batch));
}

function pump(batch, one) {
  while (one.sending < AT_ONCE) {
    const item = one.items.find((other) => other.state === 'kept' && other.photos);
    if (!item) break;
    one.sending += 1;
    item.state = 'sending';
    tell(one, item);
    send(batch, one, item).finally(() => { one.sending -= 1; pump(batch, one); });
  }
  one.busy = one.items.some((item) => ['kept', 'preparing', 'sending'].includes(item.state));
  tell(one);
}

/** Ids are in the order of asking, and so are the objects: forms are asked for one after another, bytes go two at a time. */
function inTurn(one, ask) {
  const asked = one.asking.then(ask);
  one.asking = asked.catch(() => {});
  return asked;
}

async function send(batch, one, item) {
  try {
    if (item.was) await api.remove(`/queries/${item.was}`).catch(() => {});
    item.dropped = item.was;
    item.was = null;
    item.id = await inTurn(one, () => sending.begin(item.photos, {batch, wait: true}, {key: item.key, name: item.name}));
    const stop = sending.listen(item.id, (state) => { item.share = state.share; tell(one, item); });
    await sending.ended(item.id);
    stop();
    item.state = 'sent';
    item.photos = null;
  } catch (error) {
    if (error.code === 'offline') {
      item.state = 'held';
      await sending.reachable(10e3);
      item.state = 'kept';
    } else if (error.code === 'form-expired' && !item.again) {
      Object.assign(item, {state: 'kept', was: item.id, again: true});
    } else { item.state = 'stopped'; item.problem = error; }
  }
  tell(one, item);
}
