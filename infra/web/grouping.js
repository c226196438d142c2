// Photos of a morning put together into objects. Pure: paths in, groups of their places out.

export const MOST = 8;
const collator = new Intl.Collator('ru', {numeric: true, sensitivity: 'base'});
const VIEW = 'front|back|side|top|bottom|left|right|detail|obv|rev|obverse|reverse|recto|verso|аверс|реверс|лицо|лиц|оборот|обор|об|деталь|бок|верх|низ|дно|вид|общий|фас|профиль';
const SUFFIX = new RegExp(`^(.*?)(?:[\\s_.-]+(?:(?:${VIEW})[\\s_.-]*\\d{0,2}|\\d{1,2}|[a-zа-яё])|\\s*\\(\\d{1,2}\\)|(?<=\\d)[a-zа-яё])$`, 'iu');

/** A file's name without folder and ending. */
export const stem = (path) => path.split('/').pop().replace(/\.[^.]+$/, '');

/** The object that a file's name speaks of: the name without what tells its views apart. */
export function objectOf(path) {
  const name = stem(path).trim();
  return SUFFIX.exec(name)?.[1].replace(/[\s_.-]+$/, '') || name;
}

/** The same of a photo that is alone: a number that may be the object's own stays. */
function loneOf(path) {
  const name = objectOf(path);
  return /\d/.test(name) || !/\d\)?$/.test(stem(path)) ? name : stem(path);
}

const folderOf = (path) => path.split('/').slice(0, -1).join('/');

/** How these files are best put together: `folder` where there are several small ones, else `name`. */
export function best(paths) {
  const counts = new Map();
  for (const path of paths) counts.set(folderOf(path), (counts.get(folderOf(path)) || 0) + 1);
  const several = counts.size > 1 && [...counts.values()].every((count) => count <= MOST) && [...counts.values()].some((count) => count > 1);
  return several ? 'folder' : 'name';
}

/**
 * Groups `[{name, files: [place in paths]}]`, in the natural order of names. Modes: `name`, `folder`, `each`, and `count`, `size` at a time.
 * More than eight are no views of one object: by name each stands alone then, else they are cut.
 */
export function grouped(paths, mode, size = 3) {
  const order = paths.map((_, place) => place).sort((a, b) => collator.compare(paths[a], paths[b]));
  if (mode === 'each') return order.map((place) => ({name: stem(paths[place]), files: [place]}));
  if (mode === 'count') return cut(order, size).map((files) => ({name: stem(paths[files[0]]), files}));
  const key = (path) => (mode === 'folder' ? folderOf(path) || objectOf(path) : `${folderOf(path)}/${objectOf(path)}`);
  const groups = new Map();
  for (const place of order) {
    const name = key(paths[place]).toLowerCase();
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(place);
  }
  return [...groups.values()].flatMap((files) => {
    const first = paths[files[0]];
    if (files.length > MOST && mode === 'name') return files.map((place) => ({name: stem(paths[place]), files: [place]}));
    const name = mode === 'folder' && folderOf(first) ? folderOf(first).split('/').pop() : files.length > 1 ? objectOf(first) : loneOf(first);
    return cut(files, MOST).map((some, part) => ({name: part ? `${name} ${part + 1}` : name, files: some}));
  });
}

function cut(list, size) {
  const parts = [];
  for (let place = 0; place < list.length; place += Math.max(1, size)) parts.push(list.slice(place, place + Math.max(1, size)));
  return parts;
}

/** A group joined to the one before it. */
export function joined(groups, place) {
  if (place < 1 || groups[place - 1].files.length + groups[place].files.length > MOST) return groups;
  const both = {...groups[place - 1], files: [...groups[place - 1].files, ...groups[place].files]};
  return [...groups.slice(0, place - 1), both, ...groups.slice(place + 1)];
}

/** A group cut before one of its photos; the second part is named `name`. */
export function split(groups, place, at, name) {
  const {files} = groups[place];
  if (at < 1 || at >= files.length) return groups;
  return [...groups.slice(0, place), {...groups[place], files: files.slice(0, at)}, {name, files: files.slice(at)}, ...groups.slice(place + 1)];
}

/** A photo moved to the group before (-1) or after (+1); an empty group goes. */
export function moved(groups, place, at, by) {
  const target = place + by;
  if (target < 0 || target >= groups.length || groups[target].files.length >= MOST) return groups;
  const file = groups[place].files[at];
  const next = groups.map((group, index) => {
    if (index === place) return {...group, files: group.files.filter((one) => one !== file)};
    if (index === target) return {...group, files: by < 0 ? [...group.files, file] : [file, ...group.files]};
    return group;
  });
  return next.filter((group) => group.files.length);
}
