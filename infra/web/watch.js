// One query watched by server-sent events until its result is there. Nothing asks in a rhythm: a broken stream is opened again.

import {address, enter, get, Problem} from './api.js';

export const QUIET = 10e3;
const FINAL = new Set(['completed', 'rejected', 'failed']);

export const isFinal = (snapshot) => FINAL.has(snapshot.status);

/**
 * Tell `state(snapshot)` each time something changes, `link(online)` when the connection does, `quiet(seconds)` when there was
 * no news for ten seconds, and `gone(problem)` where there is no such query.
 */
export function watch(id, {state, link = () => {}, quiet = () => {}, gone = () => {}}) {
  let stream = null;
  let ended = false;
  let failures = 0;
  let again = 0;
  let silence = 0;
  let since = Date.now();

  const news = (snapshot) => {
    failures = 0;
    link(true);
    since = Date.now();
    if (isFinal(snapshot)) stop();
    else listenForSilence();
    state(snapshot);
  };

  const listenForSilence = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      if (ended) return;
      quiet(Math.round((Date.now() - since) / 1000));
      check();
    }, QUIET);
  };

  const open = () => {
    clearTimeout(again);
    stream?.close();
    if (ended) return;
    stream = new EventSource(address(`/queries/${id}/events`), {withCredentials: true});
    const read = (event) => { if (!ended) news(JSON.parse(event.data)); };
    stream.addEventListener('state', read);
    stream.addEventListener('result', read);
    stream.addEventListener('gone', () => { if (!ended) { stop(); gone(new Problem(404, 'not-found')); } });
    stream.addEventListener('open', () => link(true));
    stream.addEventListener('error', () => {
      if (ended) return;
      if (navigator.onLine === false) link(false);
      if (stream.readyState === EventSource.CLOSED) recover();
      else if (++failures > 2) { link(false); }
    });
  };

  /** The stream was refused or cut for good: read the state from storage, renew the cookie, and open it again. */
  const recover = async () => {
    clearTimeout(again);
    failures += 1;
    const wait = Math.min(15e3, 500 * 2 ** Math.min(failures, 5));
    try {
      await enter();
      const snapshot = await get(`/queries/${id}`);
      if (ended) return;
      news(snapshot);
      if (!ended) again = setTimeout(open, failures > 1 ? wait : 200);
    } catch (error) {
      if (ended) return;
      if (error.status === 404 || error.status === 403) { stop(); gone(error); return; }
      if (error.status === 401) return;
      link(false);
      again = setTimeout(recover, wait);
    }
  };

  /** Ask once, now. */
  const check = async () => {
    try {
      const snapshot = await get(`/queries/${id}`);
      if (ended) return null;
      if (isFinal(snapshot)) news(snapshot);
      else if (!stream || stream.readyState !== EventSource.OPEN) open();
      else { link(true); }
      return snapshot;
    } catch (error) {
      if (!ended && (error.status === 404 || error.status === 403)) { stop(); gone(error); }
      else if (error.code === 'offline') link(false);
      return null;
    }
  };

  const back = () => { failures = 0; if (!ended) open(); };
  const away = () => { if (!ended) { stream?.close(); link(false); } };
  const shown = () => { if (!document.hidden && !ended && (!stream || stream.readyState === EventSource.CLOSED)) open(); };
  window.addEventListener('online', back);
  window.addEventListener('offline', away);
  document.addEventListener('visibilitychange', shown);

  const stop = () => {
    ended = true;
    stream?.close();
    clearTimeout(again);
    clearTimeout(silence);
    window.removeEventListener('online', back);
    window.removeEventListener('offline', away);
    document.removeEventListener('visibilitychange', shown);
  };

  listenForSilence();
  open();
  return {close: stop, check};
}
