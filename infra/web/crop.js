// A box on a photo, drawn with the pointer or moved with the keys.

import {button, h, say} from './dom.js';
import {percent, t} from './i18n.js';

const STEP = 0.02;
const LEAST = 0.05;
const DRAWN = 0.01;  // less is a press, and no box

/** Move or resize a box by a key; fractions of the picture. Pure. */
export function nudged(box, key, {grow = false, far = false} = {}) {
  const step = far ? STEP * 5 : STEP;
  const [dx, dy] = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[key] || [0, 0];
  const next = grow ? {...box, width: box.width + dx, height: box.height + dy} : {...box, left: box.left + dx, top: box.top + dy};
  return inside(next);
}

/** The box within the picture, and not smaller than can be searched. Pure. */
export function inside(box) {
  const width = Math.min(1, Math.max(LEAST, box.width));
  const height = Math.min(1, Math.max(LEAST, box.height));
  return {left: Math.min(1 - width, Math.max(0, box.left)), top: Math.min(1 - height, Math.max(0, box.top)), width, height};
}

/** The box between two corners. Pure. */
export function between([x1, y1], [x2, y2]) {
  return {left: Math.min(x1, x2), top: Math.min(y1, y2), width: Math.abs(x1 - x2), height: Math.abs(y1 - y2)};
}

/** Where an image that is contained in its box really lies, in pixels of the box. */
function shownPart(image) {
  const {clientWidth: width, clientHeight: height, naturalWidth, naturalHeight} = image;
  const scale = Math.min(width / (naturalWidth || 1), height / (naturalHeight || 1));
  const [w, hh] = [naturalWidth * scale, naturalHeight * scale];
  return {left: image.offsetLeft + (width - w) / 2, top: image.offsetTop + (height - hh) / 2, width: w, height: hh};
}

/** A box as the gateway tells it, as fractions; null where it is none. Pure. */
export function boxOf(region) {
  if (!region) return null;
  const [left, top, width, height] = Array.isArray(region) ? region : [region.left, region.top, region.width, region.height];
  return [left, top, width, height].every(Number.isFinite) ? {left, top, width, height} : null;
}

/** Outline a box on a contained image, as long as both are there. */
export function marked(holder, image, box) {
  const frame = h('span', {class: 'marked', role: 'img', 'aria-label': t('chip.region')});
  holder.append(frame);
  const lay = () => {
    const part = shownPart(image);
    const sides = {left: part.left + box.left * part.width, top: part.top + box.top * part.height, width: box.width * part.width, height: box.height * part.height};
    for (const [side, value] of Object.entries(sides)) frame.style.setProperty(side, `${value}px`);
  };
  image.addEventListener('load', lay);
  new ResizeObserver(lay).observe(image);
  lay();
}

/** Ask for a box on the photo at `url` in a dialog. `search(box)` is called with fractions; returns `{close}`. */
export function crop(url, {search, closed, start: first}) {
  let box = first || {left: 0.15, top: 0.15, width: 0.7, height: 0.7};
  let drag = null;
  let hers = Boolean(first);  // the ready box is no more than an offer: a drag inside it draws hers
  const image = h('img', {src: url, alt: t('query.photo'), draggable: 'false'});
  const frame = h('div', {class: 'crop-box', tabindex: '0', role: 'application', 'aria-roledescription': t('crop.box'), 'aria-describedby': 'crop-help', onkeydown: keys},
    ['nw', 'ne', 'sw', 'se'].map((corner) => h('i', {class: `grip ${corner}`, data: {corner}})));
  const shade = h('div', {class: 'crop-shade'});
  const area = h('div', {class: 'crop', onpointerdown: start, onpointermove: move, onpointerup: stop, onpointercancel: stop}, h('div', {class: 'crop-dark', 'aria-hidden': 'true'}, shade), frame);
  const photo = h('div', {class: 'crop-photo'}, image, area);
  const dialog = h('dialog', {class: 'cropper', 'aria-labelledby': 'crop-title'}, h('h2', {id: 'crop-title'}, t('crop.start')), photo,
    h('p', {id: 'crop-help', class: 'small soft'}, h('span', {class: 'no-touch'}, t('crop.help')), h('span', {class: 'only-touch'}, t('crop.touch'))),
    h('div', {class: 'row end'}, button(t('crop.cancel'), {onclick: () => dialog.close()}), button(t('crop.search'), {icon: 'search', kind: 'primary', onclick: () => done()})));
  const shape = () => { if (image.naturalWidth) photo.style.setProperty('--shape', image.naturalWidth / image.naturalHeight); };
  image.addEventListener('load', shape);
  dialog.addEventListener('close', () => { dialog.remove(); closed(); });
  document.body.append(dialog);
  dialog.showModal();
  shape();
  place();
  frame.focus();

  function done() {
    dialog.close();
    search(inside(box));
  }

  function place() {
    for (const side of ['left', 'top', 'width', 'height']) for (const one of [frame, shade]) one.style.setProperty(side, `${box[side] * 100}%`);
    frame.setAttribute('aria-label', t('crop.place', {left: percent(box.left), top: percent(box.top), width: percent(box.width), height: percent(box.height)}));
  }

  function at(event) {
    const rect = area.getBoundingClientRect();
    const clamp = (value) => Math.min(1, Math.max(0, value));
    return [clamp((event.clientX - rect.left) / rect.width), clamp((event.clientY - rect.top) / rect.height)];
  }

  function start(event) {
    event.preventDefault();
    area.setPointerCapture(event.pointerId);
    const point = at(event);
    const corner = event.target.dataset?.corner;
    if (corner) {
      hers = true;
      drag = {from: [corner.includes('w') ? box.left + box.width : box.left, corner.includes('n') ? box.top + box.height : box.top]};
    } else if (event.target === frame && hers) drag = {hold: point, was: box};
    else drag = {from: point, was: box};
    frame.focus({preventScroll: true});
  }

  function move(event) {
    if (!drag) return;
    const point = at(event);
    box = drag.hold ? inside({...drag.was, left: drag.was.left + point[0] - drag.hold[0], top: drag.was.top + point[1] - drag.hold[1]})
      : between(drag.from, point);
    place();
  }

  function stop() {
    if (!drag) return;
    if (drag.from && drag.was && Math.max(box.width, box.height) < DRAWN) box = drag.was;
    else if (box !== drag.was) hers = true;
    drag = null;
    box = inside(box);
    place();
  }

  function keys(event) {
    if (event.key === 'Enter') { event.preventDefault(); done(); return; }
    if (!event.key.startsWith('Arrow')) return;
    event.preventDefault();
    hers = true;
    box = nudged(box, event.key, {grow: event.shiftKey, far: event.ctrlKey || event.metaKey});
    place();
    say(frame.getAttribute('aria-label'));
  }

  return {close: () => dialog.close()};
}
