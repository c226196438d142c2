// Two photos side by side, looked at through linked magnifiers; the part they share is outlined.

import * as api from './api.js';
import {button, fill, h, icon, s, say, typing} from './dom.js';
import {chance, score, t} from './i18n.js';
import {closeCopy, COPIES, likeness, saidOf} from './likeness.js';
import {nameOf, numberOf, picture, recordList, table} from './records.js';

const MOST = 12;

/** The affine map that takes the outline `from` to `to`: (point) → point. Pure; null where the outline is flat. */
export function mapped(from, to) {
  const [a, b, , d] = from;
  const [ux, uy] = [b[0] - a[0], b[1] - a[1]];
  const [vx, vy] = [d[0] - a[0], d[1] - a[1]];
  const area = ux * vy - uy * vx;
  if (Math.abs(area) < 1e-6) return null;
  return ([x, y]) => {
    const [px, py] = [x - a[0], y - a[1]];
    const [m, n] = [(px * vy - py * vx) / area, (ux * py - uy * px) / area];
    return [0, 1].map((axis) => to[0][axis] + m * (to[1][axis] - to[0][axis]) + n * (to[3][axis] - to[0][axis]));
  };
}

/** The middle of an outline. Pure. */
export const middle = (outline) => [0, 1].map((axis) => outline.reduce((sum, point) => sum + point[axis], 0) / outline.length);

/** One photo that can be enlarged and moved. `changed(lens)` is called when a person does. */
function lens(label, changed) {
  let scale = 1;
  let centre = [0.5, 0.5];
  let outline = null;
  const image = h('img', {alt: label, draggable: 'false'});
  const edge = s('polygon', {points: ''});
  const shape = s('polygon', {points: ''});
  const over = s('svg', {class: 'outline', viewBox: '0 0 1 1', preserveAspectRatio: 'none', 'aria-hidden': 'true'}, edge, shape);
  const stage = h('div', {class: 'stage'}, image, over);
  const node = h('div', {class: 'lens', tabindex: '0', role: 'group', 'aria-label': label, 'aria-describedby': 'zoom-help'}, stage);
  const points = new Map();
  let pinch = null;

  function fit() {
    const {clientWidth: w, clientHeight: hh} = node;
    const {naturalWidth: nw, naturalHeight: nh} = image;
    const one = nw ? Math.min(w / nw, hh / nh) : 0;
    return {w, hh, pw: nw * one, ph: nh * one};
  }

  function draw() {
    const {w, hh, pw, ph} = fit();
    if (!pw) return;
    const [sw, sh] = [pw * scale, ph * scale];
    const axis = (size, room, at) => size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, room / 2 - at * size));
    const x = axis(sw, w, centre[0]);
    const y = axis(sh, hh, centre[1]);
    for (const [name, value] of [['width', `${sw}px`], ['height', `${sh}px`], ['transform', `translate(${x}px, ${y}px)`]]) stage.style.setProperty(name, value);
    centre = [sw <= w ? centre[0] : (w / 2 - x) / sw, sh <= hh ? centre[1] : (hh / 2 - y) / sh];
  }

  /** Where in the picture a point of the window is. */
  function under(event) {
    const rect = stage.getBoundingClientRect();
    return [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
  }

  function zoom(factor, about = centre) {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    const kept = scale / next;
    centre = next === 1 ? [0.5, 0.5] : [0, 1].map((axis) => about[axis] + (centre[axis] - about[axis]) * kept);
    scale = next;
    draw();
    changed(self);
  }

  function pan(dx, dy) {
    const {pw, ph} = fit();
    centre = [centre[0] + dx / (pw * scale || 1), centre[1] + dy / (ph * scale || 1)];
    draw();
    changed(self);
  }

  node.addEventListener('wheel', (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), under(event)); }, {passive: false});
  node.addEventListener('dblclick', (event) => zoom(scale > 1 ? 1 / MOST : 3, under(event)));
  node.addEventListener('pointerdown', (event) => {
    node.setPointerCapture(event.pointerId);
    points.set(event.pointerId, [event.clientX, event.clientY]);
    pinch = null;
  });
  node.addEventListener('pointermove', (event) => {
    const was = points.get(event.pointerId);
    if (!was) return;
    points.set(event.pointerId, [event.clientX, event.clientY]);
    if (points.size === 1) { pan(was[0] - event.clientX, was[1] - event.clientY); return; }
    const [a, b] = [...points.values()];
    const apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (pinch) zoom(apart / pinch, under({clientX: (a[0] + b[0]) / 2, clientY: (a[1] + b[1]) / 2}));
    pinch = apart;
  });
  const end = (event) => { points.delete(event.pointerId); pinch = null; };
  node.addEventListener('pointerup', end);
  node.addEventListener('pointercancel', end);
  node.addEventListener('keydown', (event) => {
    const step = 60;
    const act = {'+': () => zoom(1.4), '=': () => zoom(1.4), '-': () => zoom(1 / 1.4), 0: () => zoom(1 / MOST),
      ArrowLeft: () => pan(-step, 0), ArrowRight: () => pan(step, 0), ArrowUp: () => pan(0, -step), ArrowDown: () => pan(0, step)}[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  image.addEventListener('load', draw);
  const sizes = new ResizeObserver(draw);
  sizes.observe(node);

  const self = {
    node, zoom,
    get scale() { return scale; },
    get centre() { return centre; },
    get outline() { return outline; },
    show(picture, text, part) {
      outline = part || null;
      image.alt = text;
      node.setAttribute('aria-label', text);
      const url = picture?.['1280'] || picture?.['320'];
      if (url) image.src = api.address(url); else image.removeAttribute('src');
      for (const one of [edge, shape]) one.setAttribute('points', outline ? outline.map((point) => point.join(',')).join(' ') : '');
      over.classList.toggle('none', !outline);
    },
    local(url) { image.src = url; },
    look(at, size) { scale = Math.min(MOST, Math.max(1, size)); centre = at; draw(); },
    outlined(on) { over.classList.toggle('off', !on); },
    close() { sizes.disconnect(); },
  };
  return self;
}

/**
 * Open the comparison of a query's photos with an object.
 * `hit` may be null (an object opened by its address); `same(is)` is called for "this is it" / "this is not" where given,
 * `said` is what was answered before.
 */
export function compare({photos, hit, objectId, threshold, shell, closed, same, said, use, likeHref}) {
  let linked = true;
  let map = null;
  let back = null;
  const left = lens(t('compare.query'), (who) => follow(who, right, map));
  const right = lens(t('compare.object'), (who) => follow(who, left, back));
  const title = h('h2', {id: 'compare-title', tabindex: '-1'}, hit?.gone ? t('hit.gone') : nameOf(hit?.record));
  const of = h('p', {class: 'soft'}, hit ? `${hit.object.museum} · ${numberOf(hit.record, hit.object)}` : '');
  const views = h('div', {class: 'views', role: 'group', 'aria-label': t('compare.views')});
  const mine = h('div', {class: 'views', role: 'group', 'aria-label': t('compare.photos')});
  const record = h('div', {class: 'compare-record'});
  const linkButton = button(t('compare.link'), {icon: 'link', 'aria-pressed': 'true', onclick: () => { linked = !linked; linkButton.setAttribute('aria-pressed', String(linked)); }});
  const outlineButton = button(t('compare.outline'), {icon: 'crop', 'aria-pressed': 'true', hidden: !hit?.region, onclick: () => {
    const on = outlineButton.getAttribute('aria-pressed') !== 'true';
    outlineButton.setAttribute('aria-pressed', String(on));
    left.outlined(on);
    right.outlined(on);
  }});
  const how = hit && likeness(hit, threshold);
  const answer = (is) => t(hit && COPIES.has(hit.class_code) ? `same.${is}_copy` : `same.${is}`);
  const answers = Object.fromEntries([['different'], ['same', 'check']].map(([is, sign]) => [is, button(answer(is), {icon: sign, 'aria-pressed': 'false', onclick: () => { same(is); said = is; drawSaid(); }})]));
  const answered = h('p', {class: 'compare-said', role: 'status'});
  const dialog = h('dialog', {class: 'compare', 'aria-labelledby': 'compare-title'},
    h('div', {class: 'compare-top'},
      h('div', {class: 'compare-name'}, title, of),
      hit && h('p', {class: 'compare-how'}, h('strong', {class: 'num'}, score(hit.score)), h('span', {class: `how l${how.level}`}, t(how.key, {p: chance(hit.relation?.probability ?? 0)}))),
      button(t('compare.close'), {icon: 'x', bare: true, onclick: () => dialog.close()})),
    h('div', {class: 'lenses'},
      h('figure', {}, h('figcaption', {}, t('compare.query')), left.node, mine),
      h('figure', {}, h('figcaption', {}, t('compare.object')), right.node, views)),
    hit && closeCopy(hit) && h('p', {class: 'compare-copy'}, t('same.copy_text', {number: numberOf(hit.record, hit.object)})),
    h('div', {class: 'compare-acts'},
      button(t('compare.in'), {icon: 'plus', bare: true, onclick: () => left.zoom(1.4)}),
      button(t('compare.out'), {icon: 'minus', bare: true, onclick: () => left.zoom(1 / 1.4)}),
      button(t('compare.fit'), {icon: 'fit', bare: true, onclick: () => { left.look([0.5, 0.5], 1); right.look([0.5, 0.5], 1); }}),
      linkButton, outlineButton,
      hit?.region && button(t('compare.common'), {icon: 'search', onclick: common}),
      h('span', {class: 'spring'}),
      use && button(t('compare.use'), {icon: 'card', onclick: () => { dialog.close(); use(hit); }}),
      likeHref && h('a', {class: 'button', href: likeHref}, icon('like'), h('span', {}, t('hit.like'))),
      same && h('span', {class: 'row compare-answers'}, Object.values(answers))),
    same && answered,
    h('p', {id: 'zoom-help', class: 'soft small'}, h('span', {class: 'no-touch'}, t('compare.help')), h('span', {class: 'only-touch'}, t('compare.touch'))),
    record);

  /** What she answered: the dialog stays, so that she sees it, and may answer anew. */
  function drawSaid() {
    for (const [is, one] of Object.entries(answers)) one.setAttribute('aria-pressed', String(is === said));
    answered.textContent = said ? t(saidOf(hit, said)) : '';
    const level = said ? (said === 'same' ? 3 : 0) : how.level;
    fill(dialog.querySelector('.compare-how'), h('strong', {class: 'num'}, score(hit.score)), h('span', {class: `how l${level}`}, said === 'different' ? answered.textContent : t(how.key, {p: chance(hit.relation?.probability ?? 0)})));
  }

  function follow(who, other, way) {
    if (!linked) return;
    other.look(way ? way(who.centre) : who.centre, who.scale);
  }

  function regions(query, found) {
    map = query && found ? mapped(query, found) : null;
    back = query && found ? mapped(found, query) : null;
  }

  function common() {
    const part = left.outline;
    if (!part || !right.outline) return;
    const size = (outline) => Math.max(...[0, 1].map((axis) => Math.max(...outline.map((point) => point[axis])) - Math.min(...outline.map((point) => point[axis]))));
    left.look(middle(part), 0.85 / size(part));
    right.look(middle(right.outline), 0.85 / size(right.outline));
    say(t('compare.common_said'));
  }

  let photo = hit?.query_image ?? 0;
  function showPhoto(place) {
    photo = place;
    const same = place === (hit?.query_image ?? 0);
    left.show(photos[place], t('compare.photo_n', {n: place + 1}), same && onMatch ? hit?.region?.query : null);
    press(mine, place);
    regions(left.outline, right.outline);
  }

  let onMatch = true;
  function showView(image, place, matched) {
    onMatch = matched;
    right.show(image, t('compare.view_n', {n: place + 1}), matched && photo === (hit?.query_image ?? 0) ? hit?.region?.hit : null);
    press(views, place);
    regions(left.outline, right.outline);
  }

  const press = (group, place) => [...group.children].forEach((one, index) => one.setAttribute('aria-pressed', String(index === place)));
  const thumb = (image, label, act) => h('button', {type: 'button', class: 'view', 'aria-label': label, 'aria-pressed': 'false', onclick: act}, picture(image, '320'));

  if (hit) {
    fill(views, thumb(hit.image, t('compare.view_n', {n: 1}), () => showView(hit.image, 0, true)));
    showView(hit.image, 0, true);
  }
  fill(mine, photos.map((image, place) => thumb(image, t('compare.photo_n', {n: place + 1}), () => showPhoto(place))));
  mine.classList.toggle('none', photos.length < 2);
  if (photos.length) showPhoto(Math.min(photo, photos.length - 1));

  Promise.all([api.get(api.objectPath(objectId)), table()]).then(([object, fields]) => {
    const images = object.images || [];
    const isMatch = (image) => hit && (image['320'] === hit.image['320'] || image['1280'] === hit.image['1280']);
    const others = images.filter((image) => !isMatch(image));
    const all = hit ? [hit.image, ...others] : images;
    fill(views, all.map((image, place) => thumb(image, t('compare.view_n', {n: place + 1}), () => showView(image, place, Boolean(hit) && place === 0))));
    if (all.length) showView(all[0], 0, Boolean(hit));
    title.textContent = nameOf(object.fields);
    of.textContent = `${object.museum} · ${numberOf(object.fields, {object_id: object.object_id})}`;
    fill(record, h('h3', {}, t('compare.record')), recordList(object.fields, fields));
  }).catch((error) => fill(record, h('p', {class: 'soft'}, shell.why(error))));

  dialog.addEventListener('close', () => { left.close(); right.close(); dialog.remove(); closed(); });
  dialog.addEventListener('keydown', (event) => {
    if (typing(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
    const act = {KeyL: linkButton, ...(same && {Digit1: answers.same, Digit2: answers.different})}[event.code];
    if (act) { event.preventDefault(); act.click(); }
  });
  if (same) drawSaid();
  document.body.append(dialog);
  dialog.showModal();
  left.node.focus();
  return {close: () => dialog.close()};
}
