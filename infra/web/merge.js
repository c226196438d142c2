// A draft changed in two places. Pure.

/**
 * Mine and theirs, both made of `base`: `{values, clashes}`. What only one changed is taken from them; where both did, mine stays
 * and theirs is in `clashes`. Empty and absent are the same.
 */
export function merged(base, mine, theirs) {
  const values = {};
  const clashes = {};
  const of = (record, name) => record?.[name] || '';
  for (const name of new Set([...Object.keys(base || {}), ...Object.keys(mine || {}), ...Object.keys(theirs || {})])) {
    const [was, here, there] = [of(base, name), of(mine, name), of(theirs, name)];
    const value = here === was ? there : here;
    if (here !== was && there !== was && here !== there) clashes[name] = there;
    if (value) values[name] = value;
  }
  return {values, clashes};
}

/** What must be sent so that `from` becomes `to`: changed values, null for what is gone. */
export function changes(from, to) {
  const patch = {};
  for (const name of new Set([...Object.keys(from || {}), ...Object.keys(to || {})])) {
    const [was, is] = [from?.[name] || '', to?.[name] || ''];
    if (was !== is) patch[name] = is || null;
  }
  return patch;
}

const FORWARD = ['draft', 'checked', 'exported', 'linked'];

/** The states that a card passes on its way from one to another, without the first. */
export function way(from, to) {
  const [at, end] = [FORWARD.indexOf(from), FORWARD.indexOf(to)];
  if (at < end) return FORWARD.slice(at + 1, end + 1);
  if (at === end) return [];
  if (from === 'linked') return to === 'exported' ? ['exported'] : ['exported', ...way('exported', to)];
  return to === 'draft' ? ['draft'] : ['draft', ...way('draft', to)];
}
