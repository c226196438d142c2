// What to do, in five steps, and the keys: in the page, since a registrar has nothing else at hand.

import {button, h} from './dom.js';
import {t} from './i18n.js';

const STEPS = ['give', 'read', 'compare', 'answer', 'write'];
const KEYS = [['A  Alt + A', 'keys.take'], ['Enter', 'keys.enter'], ['Ctrl + Enter', 'keys.check'], ['Alt + ↓ ↑', 'keys.value'], ['J  K', 'keys.move'],
  ['Alt + Page Down, Page Up', 'keys.move_typing'], ['1  2', 'keys.same'], ['C', 'keys.compare'], ['Ctrl + Z', 'keys.undo'], ['F1  ?', 'keys.help']];

/** Show the help, unless something else is open. */
export function help() {
  if (document.querySelector('dialog[open]')) return;
  const dialog = h('dialog', {class: 'ask help', 'aria-labelledby': 'help-title'}, h('h2', {id: 'help-title', tabindex: '-1', autofocus: true}, t('help.title')),
    h('ol', {class: 'help-steps'}, STEPS.map((one) => h('li', {}, h('strong', {}, t(`help.step.${one}`)), ' ', t(`help.how.${one}`)))),
    h('h3', {}, t('batch.keys')), h('p', {class: 'soft small'}, t('help.keys')),
    h('dl', {class: 'keys'}, KEYS.map(([key, text]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, t(text))])),
    h('div', {class: 'row end'}, button(t('compare.close'), {kind: 'primary', onclick: () => dialog.close()})));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
