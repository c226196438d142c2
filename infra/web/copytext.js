// A card as text for another system. Pure.

/** Fields in the order asked for; those it does not name follow in the table's order, unless it says `only`. */
export function ordered(names, order, only = false) {
  const known = (order || []).filter((name) => names.includes(name));
  return only && known.length ? known : [...known, ...names.filter((name) => !known.includes(name))];
}

/**
 * The card as lines of «label: value», or as values between tabs. Empty fields are left out of lines and kept as empty cells.
 * `label(name)` and `shown(name, value)` write them.
 */
export function asText(values, names, {label, shown, form = 'lines'}) {
  const clean = (text) => String(text).replace(/[\t\r\n]+/g, ' ').trim();
  if (form === 'cells') return names.map((name) => (values[name] ? clean(shown(name, values[name])) : '')).join('\t');
  return names.filter((name) => values[name]).map((name) => `${label(name)}: ${shown(name, values[name])}`).join('\n');
}
