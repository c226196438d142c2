// A photo before it is sent: looked at, turned the right way, reduced.

import {fitted, kindOf, UNSHOWN} from './kinds.js';
import {pref} from './prefs.js';

export const SIDE = 2048;
const PREVIEW = 640;
const QUALITY = 0.9;
const MIN_SIDE = 32;
export const MAX_VIEWS = 8;

export const reducing = () => pref('reduce', true);

/**
 * Look at a file, which is reduced where that is wanted; `asIs`: never, since originals are kept with all that stands in them.
 * Gives `{name, type, size, original, blob, preview, width, height, reduced}` or `{name, problem, values}`.
 * `blob` is what goes up; `preview` is null where the browser cannot show the format.
 */
export async function prepare(file, limits, {asIs = false} = {}) {
  const name = file.name || 'photo.jpg';
  const bad = (problem, values = {}) => ({name, problem, values, size: file.size});
  const kind = kindOf(new Uint8Array(await file.slice(0, 32).arrayBuffer()));
  if (kind.other) return bad(kind.other === 'empty' ? 'empty' : 'not-image', {what: kind.other});
  const limit = limits.max_bytes;
  if (asIs && file.size > limit) return bad('too-large-original', {size: file.size, limit});
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch {
    if (!UNSHOWN.has(kind.type)) return bad('broken');
  }
  if (!bitmap) {
    if (file.size > limit) return bad('too-large-as-is', {size: file.size, limit});
    return {name, type: kind.type, size: file.size, original: file.size, blob: file, preview: null, width: 0, height: 0, reduced: false};
  }
  try {
    const {width, height} = bitmap;
    if (Math.min(width, height) < MIN_SIDE) return bad('too-small', {width: String(width), height: String(height)});
    const large = Math.max(width, height) > SIDE || file.size > 1.5e6 || UNSHOWN.has(kind.type);
    let blob = file;
    let reduced = false;
    if (!asIs && reducing() && large && kind.type !== 'image/gif') {
      const smaller = await drawn(bitmap, SIDE, QUALITY);
      if (smaller && smaller.size < file.size) { blob = smaller; reduced = true; }
    }
    if (blob.size > limit) return bad('too-large', {size: blob.size, limit});
    const preview = await drawn(bitmap, PREVIEW, 0.8);
    return {
      name: reduced ? name.replace(/\.\w+$/, '') + '.jpg' : name, type: reduced ? 'image/jpeg' : kind.type,
      size: blob.size, original: file.size, blob, preview, width, height, reduced,
    };
  } finally {
    bitmap.close();
  }
}

/** The picture as JPEG, its longest side at most `side`. White lies behind what is transparent. */
async function drawn(bitmap, side, quality) {
  const [width, height] = fitted(bitmap.width, bitmap.height, side);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) return null;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  return new Promise((done) => canvas.toBlob(done, 'image/jpeg', quality));
}

/** Files of a drop or a paste, folders walked through; each with its path. */
export async function filesOf(transfer) {
  const entries = [...(transfer.items || [])].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.() || item.getAsFile());
  if (!entries.length) return [...(transfer.files || [])].map((file) => ({file, path: file.webkitRelativePath || file.name}));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (!entry) return;
  if (entry instanceof File) { found.push({file: entry, path: entry.name}); return; }
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({file, path: entry.fullPath.replace(/^\//, '')});
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}
