// Photos that are not up yet, kept in the browser's database: a reload or a closed window loses none.

const NAME = 'museum-outbox';
const STORE = 'sends';
let opened = null;

function database() {
  opened ||= new Promise((done, failed) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STORE, {keyPath: 'key'}).createIndex('batch', 'batch');
    };
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  return opened;
}

/** Without a database (a private window) nothing is kept, and the page works all the same. */
async function run(mode, work, otherwise) {
  try {
    const store = (await database()).transaction(STORE, mode).objectStore(STORE);
    return await new Promise((done, failed) => {
      const request = work(store);
      request.onsuccess = () => done(request.result);
      request.onerror = () => failed(request.error);
    });
  } catch {
    return otherwise;
  }
}

/** Keep one send: `{key, batch?, photos, …}`. Resolves to its key, or null where nothing can be kept. */
export const put = (send) => run('readwrite', (store) => store.put(send), null);
export const take = (key) => run('readonly', (store) => store.get(key), undefined);
export const drop = (key) => run('readwrite', (store) => store.delete(key), undefined);
export const ofBatch = (batch) => run('readonly', (store) => store.index('batch').getAll(batch), []);
