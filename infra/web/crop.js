// A box on a photo, drawn with the pointer or moved with the keys.

import {button, fill, h, say} from './dom.js';
import {percent, t} from './i18n.js';

const STEP = 0.02;
const LEAST = 0.05;

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
export function shownPart(image) {
  const {clientWidth: width, clientHeight: height, naturalWidth, naturalHeight} = image;
  const scale = Math.min(width / (naturalWidth || 1), height / (naturalHeight || 1));
  const [w, hh] = [naturalWidth * scale, naturalHeight * scale];
  return {left: image.offsetLeft + (width - w) / 2, top: image.offsetTop + (height - hh) / 2, width: w, height: hh};
}

/** Lay a box over `image` in `holder`. `search(box)` is called with fractions; returns `{close}`. */
export function crop(holder, image, {search, cancel}) {
  let box = {left: 0.15, top: 0.15, width: 0.7, height: 0.7};
  let drag = null;
  const frame = h('div', {class: 'crop-box', tabindex: '0', role: 'application', 'aria-roledescription': t('crop.box'), 'aria-describedby': 'crop-help', onkeydown: keys},
    ['nw', 'ne', 'sw', 'se'].map((corner) => h('i', {class: `grip ${corner}`, data: {corner}})));
  const area = h('div', {class: 'crop', onpointerdown: start, onpointermove: move, onpointerup: stop, onpointercancel: stop}, frame);
  const acts = h('div', {class: 'crop-acts'},
    h('p', {id: 'crop-help', class: 'small'}, t('crop.help')),
    h('div', {class: 'row'}, button(t('crop.search'), {icon: 'search', kind: 'primary', onclick: () => search(box)}), button(t('crop.cancel'), {onclick: close})));
  holder.append(area);
  holder.after(acts);
  holder.classList.add('cropping');
  const lay = () => {
    const part = shownPart(image);
    for (const side of ['left', 'top', 'width', 'height']) area.style.setProperty(side, `${part[side]}px`);
    place();
  };
  const watcher = new ResizeObserver(lay);
  watcher.observe(image);
  lay();
  frame.focus();

  function place() {
    for (const side of ['left', 'top', 'width', 'height']) frame.style.setProperty(side, `${box[side] * 100}%`);
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
      drag = {from: [corner.includes('w') ? box.left + box.width : box.left, corner.includes('n') ? box.top + box.height : box.top]};
    } else if (event.target === frame) drag = {hold: point, was: box};
    else drag = {from: point};
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
    drag = null;
    box = inside(box);
    place();
  }

  function keys(event) {
    if (event.key === 'Enter') { event.preventDefault(); search(box); return; }
    if (event.key === 'Escape') { event.preventDefault(); close(); return; }
    if (!event.key.startsWith('Arrow')) return;
    event.preventDefault();
    box = nudged(box, event.key, {grow: event.shiftKey, far: event.ctrlKey || event.metaKey});
    place();
    say(frame.getAttribute('aria-label'));
  }

  function close() {
    watcher.disconnect();
    area.remove();
    acts.remove();
    holder.classList.remove('cropping');
    cancel();
  }

  return {close};
}
