// The way of a query as it goes: bytes, then stages with the time they usually take.

import {button, fill, h, icon, say} from './dom.js';
import {bytes, duration, percent, t} from './i18n.js';

const STEPS = ['upload', 'ingest', 'preprocess', 'embed', 'search'];
/** Which step runs when a stage was reached. */
const RUNS = {uploading: 0, waiting: 1, received: 2, preprocessed: 3, embedded: 4, done: 5};

/**
 * A block that shows a snapshot, and the state of this page's own upload beside it.
 * `{node, snapshot(s), upload(state), quiet(seconds), link(online), close()}`; `acts` are the helps that a silence offers.
 */
export function progress(acts) {
  let last = null;
  let sent = null;
  let skew = 0;
  let frame = 0;
  let closed = false;
  let said = '';
  const fillBar = h('i');
  const line = h('div', {class: 'progress', role: 'progressbar', 'aria-label': t('progress.label'), 'aria-valuemin': 0, 'aria-valuemax': 100}, fillBar);
  const steps = STEPS.map((step) => h('li', {}, h('i'), h('span', {}, t(`step.${step}`))));
  const words = h('p', {class: 'progress-now'});
  const more = h('p', {class: 'soft progress-more'});
  const help = h('div', {class: 'progress-help'});
  const node = h('div', {class: 'progressing'}, line, h('ol', {class: 'steps'}, steps), words, more, help);
  let online = true;

  function step() {
    if (sent && !sent.done) return 0;
    return RUNS[last?.stage] ?? 0;
  }

  function draw() {
    const now = step();
    steps.forEach((one, place) => { one.className = place < now ? 'done' : place === now ? 'now' : ''; });
    let share = 0;
    let text = t('progress.uploading');
    let extra = '';
    if (now === 0) {
      share = sent?.share ?? 0;
      if (sent) extra = t('progress.bytes', {done: bytes(sent.loaded), all: bytes(sent.total), share: percent(share)});
      if (sent?.waiting) text = t('progress.upload_waits');
    } else {
      const queued = last.status === 'waiting' || last.stage === 'waiting';
      text = queued ? t('progress.waiting') : t(`progress.${STEPS[Math.min(now, 4)]}`);
      const spent = last.uploaded_at ? Math.max(0, (Date.now() - skew) - last.uploaded_at * 1000) : 0;
      share = last.expected_ms ? Math.min(0.96, Math.max((now - 1) / 4, spent / last.expected_ms)) : (now - 1) / 4;
      const parts = [];
      if (last.ahead > 0) parts.push(t('progress.ahead', {n: last.ahead}));
      if (last.expected_ms) parts.push(spent > last.expected_ms * 1.5 ? t('progress.longer', {usual: duration(last.expected_ms)}) : t('progress.usual', {usual: duration(last.expected_ms)}));
      extra = parts.join(' · ');
    }
    fillBar.style.setProperty('transform', `scaleX(${share.toFixed(4)})`);
    line.setAttribute('aria-valuenow', Math.round(share * 100));
    line.setAttribute('aria-valuetext', text);
    if (words.textContent !== text) words.textContent = text;
    if (more.textContent !== extra) more.textContent = extra;
    const key = now === 0 ? `${text} ${Math.floor(share * 4) * 25}` : text;
    if (key !== said) { said = key; say(now === 0 && sent ? `${text}: ${percent(Math.floor(share * 4) / 4)}` : text); }
  }

  function tick() {
    if (closed) return;
    draw();
    frame = setTimeout(() => requestAnimationFrame(tick), 120);
  }

  function offer(text, kind) {
    fill(help, h('div', {class: `note ${kind}`}, icon(kind === 'bad' ? 'alert' : 'info'), h('div', {}, h('p', {}, text), h('div', {class: 'row'}, acts()))));
  }

  tick();
  return {
    node,
    snapshot(next) {
      last = next;
      skew = next.now ? Date.now() - next.now * 1000 : 0;
      if (online) fill(help);
      draw();
    },
    upload(state) { sent = state; draw(); },
    quiet(seconds) {
      if (sent && !sent.done) return;
      const waits = last?.status === 'waiting';
      const text = waits ? t('progress.still_waiting') : t('progress.quiet', {n: seconds});
      offer(text, 'info');
      say(text);
    },
    link(next) {
      if (next === online) return;
      online = next;
      if (next) { fill(help); say(t('progress.back')); return; }
      const text = t('progress.offline');
      offer(text, 'bad');
      say(text, true);
    },
    close() { closed = true; clearTimeout(frame); },
  };
}

/** A button that asks now and says what came of it. */
export function helps({check, push}) {
  return [button(t('progress.check'), {onclick: check}), push && button(t('progress.push'), {onclick: push}),
    h('a', {class: 'button quiet', href: '#/history'}, t('progress.leave'))];
}
