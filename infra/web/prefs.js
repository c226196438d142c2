// What this browser remembers: its own choices, and nothing that another place would need.

export function pref(name, otherwise = null) {
  try {
    const text = localStorage.getItem(`museum.${name}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(`museum.${name}`);
    else localStorage.setItem(`museum.${name}`, JSON.stringify(value));
  } catch { /* a private window keeps nothing */ }
}

/** Names that begin with `prefix`. */
export function kept(prefix) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(`museum.${prefix}`)).map((key) => key.slice(7));
  } catch {
    return [];
  }
}
