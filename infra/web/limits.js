// What a search was limited to, in words.

import {listed, t} from './i18n.js';

export const FIRST_YEAR = -10000;
export const LAST_YEAR = 9999;

/** A text for each limit of a query; classes are named by `fields`, once that is there. */
export function limitsOf({scope, filter, region}, fields) {
  const texts = [];
  if (region) texts.push(t('chip.region'));
  if (scope && scope !== 'all') texts.push(t(`scope.${scope}`));
  if (filter?.classes?.length && fields) texts.push(listed(filter.classes.map((code) => fields.className(code))));
  if (filter?.museums?.length) texts.push(listed(filter.museums));
  if (filter?.period) {
    const [first, last] = filter.period;
    const key = first === FIRST_YEAR ? 'chip.until' : last === LAST_YEAR ? 'chip.since' : 'chip.period';
    texts.push(t(key, {from: String(first).replace('-', '−'), to: String(last).replace('-', '−')}));
  }
  return texts;
}
