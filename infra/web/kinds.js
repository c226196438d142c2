// What a file is, by its first bytes; its name says nothing. Pure.

const latin = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

const PHOTOS = [
  [0, '\xff\xd8\xff', 'image/jpeg'], [0, '\x89PNG', 'image/png'], [8, 'WEBP', 'image/webp'], [0, 'II*\0', 'image/tiff'],
  [0, 'MM\0*', 'image/tiff'], [4, 'ftyphei', 'image/heic'], [4, 'ftyphev', 'image/heic'], [4, 'ftypmif1', 'image/heic'],
  [4, 'ftypmsf1', 'image/heic'], [4, 'ftypavi', 'image/avif'], [0, 'GIF8', 'image/gif'], [0, 'BM', 'image/bmp'],
];
const OTHERS = [
  [0, '%PDF', 'pdf'], [0, 'PK\x03\x04', 'zip'], [0, '<svg', 'svg'], [0, '<?xml', 'svg'], [0, '8BPS', 'photoshop'],
  [8, 'CR\x02', 'raw'], [4, 'ftypcrx', 'raw'], [0, 'FUJIFILM', 'raw'], [4, 'ftyp', 'video'], [8, 'AVI ', 'video'],
];

/** `{type}` of a photo, or `{other}`: what was sent instead of one. `bytes` are the first 16 at least. */
export function kindOf(bytes) {
  const found = (table) => table.find(([place, magic]) => latin(bytes, place, place + magic.length) === magic)?.[2];
  if (bytes.length === 0) return {other: 'empty'};
  const other = found(OTHERS);
  const type = found(PHOTOS);
  if (type && !(other === 'raw')) return {type};
  return {other: other || 'unknown'};
}

/** Formats that most browsers cannot show: they go up as they are. */
export const UNSHOWN = new Set(['image/heic', 'image/tiff']);

/** Width and height that fit into a square of `side`. */
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}
