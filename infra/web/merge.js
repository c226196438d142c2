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
