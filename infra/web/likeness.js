// How a hit is alike, in words that promise no more than its score supports. Pure: keys of texts, not texts.

const SURE = 0.95;
const LIKELY = 0.8;
const SAME_PHOTO = 0.95;  // the identical photo scores 1; the rest is left for saving it anew and making it smaller
const EDGE = 0.02;  // so little below the threshold that a look decides, and not the number

/** Classes in which copies are alike by nature: coins, books, documents, prints, photographs. */
export const COPIES = new Set([5, 14, 15, 16, 17]);

/** `{key, level}`: the text's key and 0–3, how close. `threshold` is that of the verdict, or null. */
export function likeness(hit, threshold) {
  const {relation, duplicate} = hit;
  const chance = relation?.probability ?? 0;
  const known = threshold !== null && threshold !== undefined;
  if (relation?.kind === 'same_object') {
    if (COPIES.has(hit.class_code)) return {key: 'like.same_copy', level: 2};
    if (duplicate === true || chance >= SURE) return {key: 'like.same_object.sure', level: 3};
    return {key: chance >= LIKELY ? 'like.same_object.likely' : 'like.same_object.maybe', level: 3};
  }
  if (duplicate === true) return {key: COPIES.has(hit.class_code) ? 'like.same_copy' : 'like.same_object.sure', level: 3};
  if (relation?.kind === 'same_edition') return {key: chance >= LIKELY ? 'like.same_edition.likely' : 'like.same_edition.maybe', level: 2};
  if (relation?.kind === 'same_kind') return {key: chance >= LIKELY ? 'like.same_kind.likely' : 'like.same_kind.maybe', level: 1};
  if (relation?.kind === 'looks_alike') return {key: known && hit.score >= threshold ? 'like.above' : 'like.looks_alike', level: 0};
  if (known) return {key: hit.score >= threshold ? 'like.above' : 'like.below', level: 0};
  return {key: 'like.unknown', level: 0};
}

/** Whether the best score is so near below the threshold that the verdict might as well be the other one. */
export function onEdge({verdict, hits = []}) {
  const best = Math.max(...hits.map((hit) => hit.score));
  return verdict?.similar === false && best < verdict.threshold && best >= verdict.threshold - EDGE;
}

/** The text of what she said of a hit. */
export function saidOf(hit, is) {
  return `same.said_${is}${COPIES.has(hit.class_code) ? '_copy' : ''}`;
}

/**
 * What looks already catalogued in the searcher's own museum: `{hit, kind}` or null.
 * kind: `same` (its precision is 95 %), `maybe` (more likely than not), `copy` (a class of copies: only a look decides),
 * `near` (nothing was calibrated to tell, but the photo is all but the same).
 */
export function catalogued(result) {
  const own = (result?.hits || []).filter((hit) => hit.object.own && !hit.gone);
  const sure = own.find((hit) => hit.duplicate === true);
  const likely = own.find((hit) => hit.duplicate !== false && hit.relation?.kind === 'same_object');
  const copy = own.find((hit) => COPIES.has(hit.class_code) && hit.duplicate !== false && hit.relation?.kind === 'same_edition');
  const near = own.find((hit) => samePhoto(hit));
  const hit = sure || likely || copy || near;
  if (!hit) return null;
  if (COPIES.has(hit.class_code)) return {hit, kind: 'copy'};
  return {hit, kind: sure ? 'same' : likely ? 'maybe' : 'near'};
}

/** Whether a hit's photo is all but the searched one, where nobody has measured what its score means for the object. */
const samePhoto = (hit) => (hit.duplicate === null || hit.duplicate === undefined) && hit.score >= SAME_PHOTO;

/** Whether own objects were found, and nothing is set up that could tell which of them is the searched one. */
export function unchecked(result) {
  const own = (result?.hits || []).filter((hit) => hit.object.own && !hit.gone);
  return own.length > 0 && own.every((hit) => hit.duplicate === null || hit.duplicate === undefined) && !catalogued(result);
}

/** Whether a hit is of a class of copies, and so close that it may be the very one: only a look decides. */
export function closeCopy(hit) {
  return COPIES.has(hit.class_code) && (hit.duplicate === true || samePhoto(hit) || ['same_object', 'same_edition'].includes(hit.relation?.kind));
}

/** Whether some hit stands above one with a higher score. */
export function outOfOrder(hits) {
  return hits.some((hit, place) => place > 0 && hit.score > hits[place - 1].score);
}

/** How sure the class is: `sure`, `unsure`, or `unknown` where nothing was calibrated and it does not lead clearly. */
export function certainty(vote) {
  if (!vote) return 'none';
  if (vote.sure === true) return 'sure';
  if (vote.sure === false) return 'unsure';
  const second = vote.runners_up?.[0]?.confidence ?? 0;
  return vote.confidence < 0.6 || vote.confidence - second < 0.2 ? 'unsure' : 'unknown';
}
