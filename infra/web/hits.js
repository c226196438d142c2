// The most similar objects as a list, and the grey boxes that keep its place.

import {fill, h, icon, s} from './dom.js';
import {chance, score, t} from './i18n.js';
import {likeness, saidOf} from './likeness.js';
import {nameOf, numberOf, picture} from './records.js';

/** A bar from 0 to 1, with a mark where the collection's threshold is. */
export function bar(share, {mark, kind = ''} = {}) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return s('svg', {class: `bar ${kind}`, viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    s('rect', {class: 'bar-all', width: 100, height: 4}), s('rect', {class: 'bar-is', width, height: 4}),
    mark > 0 && s('rect', {class: 'bar-mark', x: mark * 100 - 0.4, width: 0.8, height: 4}));
}

/** One hit. `open` is the address of its comparison, `like` of what is like it, `said` her answer: it is this one, or another. */
export function hitCard(hit, {threshold, open, like, said}) {
  if (hit.gone) return goneCard(hit, threshold);
  const how = said ? {key: saidOf(hit, said), level: said === 'same' ? 3 : 0} : likeness(hit, threshold);
  const name = nameOf(hit.record);
  return h('li', {class: 'hit', data: {object: hit.object.id}},
    h('div', {class: 'hit-pic'}, picture(hit.image, '320', {loading: hit.rank > 10 ? 'lazy' : 'eager', width: 320, height: 320}), hit.region && shared(hit)),
    h('div', {class: 'hit-text'},
      h('p', {class: 'hit-score'},
        h('strong', {class: 'num'}, h('span', {class: 'sr'}, t('hit.score')), score(hit.score)), bar(hit.score, {mark: threshold, kind: `l${how.level}`})),
      h('h3', {}, h('a', {href: open, class: 'cover'}, h('span', {class: 'sr'}, t('hit.rank', {n: hit.rank})), name)),
      h('p', {class: 'soft hit-of'}, hit.object.own ? h('span', {class: 'tag own'}, t('hit.own')) : null, h('span', {}, hit.object.own ? numberOf(hit.record, hit.object) : `${hit.object.museum} · ${numberOf(hit.record, hit.object)}`)),
      h('p', {class: `how l${how.level}`}, t(how.key, {p: chance(hit.relation?.probability ?? 0)}))),
    h('div', {class: 'hit-acts'},
      h('a', {class: 'button small', href: open}, icon('compare'), h('span', {}, t('hit.compare'))),
      h('a', {class: 'button small bare', href: like, 'aria-label': t('hit.like_of', {name}), title: t('hit.like')}, icon('like'))));
}

/** The badge of a shared part; what it means comes up where it is pointed at, pressed or reached by keys. */
function shared(hit) {
  const why = `shared-${hit.rank}`;
  return [h('button', {type: 'button', class: 'shared', 'aria-describedby': why}, t('hit.shared')),
    h('span', {class: 'shared-why', id: why, role: 'tooltip'}, t('hit.shared_why', {n: hit.inliers ?? 0}))];
}

/** A hit that may not be seen any more: its place and score alone, since nothing else of it can be opened. */
function goneCard(hit, threshold) {
  return h('li', {class: 'hit', data: {object: hit.object.id}},
    h('div', {class: 'hit-pic'}, picture(null, '320')),
    h('div', {class: 'hit-text'},
      h('p', {class: 'hit-score'},
        h('strong', {class: 'num'}, h('span', {class: 'sr'}, t('hit.score')), score(hit.score)), bar(hit.score, {mark: threshold, kind: 'l0'})),
      h('p', {class: 'soft hit-gone', tabindex: '-1'}, h('span', {class: 'sr'}, t('hit.rank', {n: hit.rank})), t('hit.gone'))));
}

/** As many grey boxes as results are shown first. */
export function skeletons(count = 10) {
  return Array.from({length: count}, () => h('li', {class: 'hit ghost', 'aria-hidden': 'true'},
    h('div', {class: 'hit-pic'}), h('div', {class: 'hit-text'}, h('p', {class: 'hit-score'}, h('i')), h('h3', {}, h('i')), h('p', {class: 'hit-of'}, h('i')), h('p', {class: 'how'}, h('i')))));
}

/** Fill a list with hits. */
export function showHits(list, hits, options) {
  fill(list, hits.map((hit) => hitCard(hit, options(hit))));
}
