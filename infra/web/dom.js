// Elements from data: text stays text, since nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['value', 'checked', 'selected', 'indeterminate', 'textContent', 'multiple']);

/** An element. `on…` are listeners, `style` goes through the CSSOM, `data` is the dataset, true is a bare attribute. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  set(node, props);
  put(node, children);
  return node;
}

/** The same in SVG. */
export function s(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  set(node, props);
  put(node, children);
  return node;
}

export function set(node, props) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.setAttribute('class', value);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'style') for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (PROPERTIES.has(name)) node[name] = value;
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false) node.setAttribute(name, String(value));
  }
  return node;
}

function put(node, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/** Put children in the place of what a node has. */
export function fill(node, ...children) {
  node.replaceChildren();
  put(node, children);
  return node;
}

export function icon(name) {
  return s('svg', {class: 'icon', 'aria-hidden': 'true', focusable: 'false'}, s('use', {href: `#i-${name}`}));
}

/** A button with an icon and words; `bare` keeps the words for screen readers and the tooltip. */
export function button(text, {icon: sign, bare, kind, ...props} = {}) {
  const classes = ['button', kind || '', bare ? 'bare' : ''].filter(Boolean).join(' ');
  return h('button', {type: 'button', class: classes, ...(bare ? {'aria-label': text, title: text} : {}), ...props},
    sign && icon(sign), !bare && h('span', {}, text));
}

/** Do `work` when what was just changed is painted; at once in a window that nobody sees, since nothing is painted there. */
export function painted(work) {
  if (document.hidden) { work(); return; }
  let late = 0;
  const once = () => { if (late) { clearTimeout(late); late = 0; work(); } };
  late = setTimeout(once, 250);  // the window was hidden meanwhile
  requestAnimationFrame(() => setTimeout(once));
}

const regions = {};

/** Say something through the live region: politely, or at once. */
export function say(text, urgent = false) {
  const id = urgent ? 'assertive' : 'polite';
  const region = document.getElementById(id);
  clearTimeout(regions[id]);
  if (region.textContent === text) region.textContent = '';
  regions[id] = setTimeout(() => { region.textContent = text; }, 60);
}

/** Put a note in the place of one that says the same. */
function renew(before, note) {
  const focused = before.contains(document.activeElement);
  before.replaceWith(note);
  if (focused) note.querySelector('button')?.focus();
}

/** A note at the edge of the window that goes by itself; with an action it stays longer. What is said again stands once. */
export function toast(text, {action, act, kind = '', urgent = kind === 'bad'} = {}) {
  const note = h('div', {class: `toast ${kind}`}, h('p', {}, text),
    action && button(action, {kind: 'quiet', onclick: () => { note.remove(); act(); }}));
  const same = [...document.getElementById('toasts').children].find((one) => one.firstChild.textContent === text);
  if (same) renew(same, note);
  else document.getElementById('toasts').append(note);
  say(text, urgent);
  setTimeout(() => note.remove(), action ? 12000 : 6000);
  return note;
}

/** Ask in a dialog; resolves to whether it was confirmed. */
export function confirmed(title, text, yes, no) {
  return new Promise((resolve) => {
    const dialog = h('dialog', {class: 'ask', 'aria-labelledby': 'ask-title'},
      h('h2', {id: 'ask-title'}, title), text && h('p', {}, text),
      h('div', {class: 'row end'},
        button(no, {onclick: () => dialog.close('')}),
        button(yes, {kind: 'primary', autofocus: true, onclick: () => dialog.close('yes')})));
    dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Whether keys typed here are text. */
export function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)
    || (target.tagName === 'INPUT' && !/^(checkbox|radio|button|file)$/.test(target.type)));
}

/** Call `work` once, `ms` after the last call. */
export function debounced(work, ms) {
  let timer = 0;
  const later = (...args) => { clearTimeout(timer); timer = setTimeout(() => { timer = 0; work(...args); }, ms); };
  later.cancel = () => { clearTimeout(timer); timer = 0; };
  later.pending = () => timer !== 0;
  return later;
}
