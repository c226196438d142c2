// What in a text taken from another record must be looked at again: it may be true of that object alone. Pure.

const W = '\\p{L}\\p{M}';
const word = (stems) => new RegExp(`(?<![${W}])(?:${stems})[${W}-]*`, 'giu');

/** Kinds in the order in which they win where they overlap. */
const RULES = [
  ['inscription', /(?:«[^»]{2,200}»|“[^”]{2,200}”|„[^“”]{2,200}[“”]|"[^"]{2,200}")/gu],
  ['inscription', word('надпис|подпис|автограф|дарствен|экслибрис|клейм|печат[ьиюе]|штамп|легенд|пометк|помет[аы]|владельческ|inscri|signed|signature|autograph|bookplate|hallmark|stamped|legend')],
  ['damage', word('утрат|утрач|скол|трещин|потерт|потёрт|царапин|загрязнен|загрязнён|пятн|разрыв|надрыв|коррози|ржавчин|окисл|деформ|вмятин|дефект|поврежд|осып|выцвет|выцвел|заломы|залом|склеен|реставр|следы|chip|crack|loss|losses|scratch|stain(?!less|ed glass)|torn|corro|damage|worn|repair|restor|faded|fading|abra[ds]|missing|(?:tear|rust|dent)(?:s|ed|y|ing)?(?![\\p{L}-])(?! (?:duct|drop|gas|gland)s?(?!\\p{L}))')],
  ['date', /(?<![\p{L}\d])(?:\d{1,2}[./]\d{1,2}[./]\d{2,4}|(?:около|ок\.|до|после|нач\.|кон\.|сер\.|начало|конец|середина|первая|вторая|early|late|mid|circa|c\.|ca\.|before|after)?\s*(?:[IVXLCDMХ]{1,6}(?:\s*[-–—]\s*[IVXLCDMХ]{1,6})?\s*(?:в{1,2}\.|век[\p{L}]*|столети[\p{L}]*|century|centuries|тыс\.)|-?\d{3,4}(?:\s*(?:[-–—]|to)\s*-?\d{2,4})?(?:-?(?:х|е|s))?\s*(?:г\.\s*г\.|гг?\.|год[\p{L}]*|BCE?|CE|AD)?(?:\s*(?:до\s+)?н\.\s*э\.)?)|\d{1,2}(?:st|nd|rd|th)\s+(?:century|centuries))(?![\p{L}\d])/gu],
  ['name', /(?<![\p{L}])(?:\p{Lu}\.\s?){1,2}\p{Lu}[\p{Ll}]+(?:-\p{Lu}\p{Ll}+)?|(?<![\p{L}])\p{Lu}\p{Ll}+(?:-\p{Lu}\p{Ll}+)?\s(?:\p{Lu}\.\s?){1,2}(?!\s*\p{L})|(?<![\p{L}])\p{Lu}\p{Ll}+(?:[ -](?:(?:de|van|von|der|of|фон|де)\s)?\p{Lu}\p{Ll}+)+/gu],
  ['number', /№\s*[\p{L}\d/-]+|(?<![\p{L}\d])\d+(?:[.,]\d+)?(?:\s*[×xх*]\s*\d+(?:[.,]\d+)?)*(?:\s*(?:мм|см|м|г|кг|mm|cm|kg|g|m|%)(?![\p{L}]))?/gu],
];
/** Names inside a sentence: one capital letter that does not begin it. */
const LONE_NAME = /(?<=[\p{Ll}\d,;:)»]\s)\p{Lu}\p{Ll}{2,}/gu;

/** Fields whose value is itself something to confirm, whatever it says. */
const WHOLE = {Authors: 'name', ProductionOrg: 'name', CreationTime: 'date', CreationTimeStart: 'date', CreationTimeEnd: 'date'};

/** The parts of a text to confirm: `[{from, to, kind, text}]`, in order, without overlaps. */
export function marks(text, field = '') {
  if (!text) return [];
  if (WHOLE[field]) return [{from: 0, to: text.length, kind: WHOLE[field], text}];
  if (field === 'TypologyGK') return [];
  const found = [];
  const free = (from, to) => found.every((one) => to <= one.from || from >= one.to);
  for (const [kind, pattern] of [...RULES, ['name', LONE_NAME]]) {
    for (const match of text.matchAll(pattern)) {
      const lead = match[0].length - match[0].trimStart().length;
      const from = match.index + lead;
      const piece = match[0].trim();
      if (piece && free(from, from + piece.length)) found.push({from, to: from + piece.length, kind, text: piece});
    }
  }
  return found.sort((a, b) => a.from - b.from);
}

/** The text cut at its marks: `[{text, kind?}]`. */
export function pieces(text, field = '') {
  const parts = [];
  let at = 0;
  for (const mark of marks(text, field)) {
    if (mark.from > at) parts.push({text: text.slice(at, mark.from)});
    parts.push({text: mark.text, kind: mark.kind});
    at = mark.to;
  }
  if (at < text.length) parts.push({text: text.slice(at)});
  return parts;
}

/** Marks of a text that stand in its sample too: what was changed by hand needs no confirming. */
export function taken(text, sample, field = '') {
  if (!sample) return [];
  if (WHOLE[field]) return plain(text) === plain(sample) ? marks(text, field) : [];
  return marks(text, field).filter((mark) => sample.includes(mark.text));
}

/** Whether a text says nothing that its sample does not. */
export function unchanged(text, sample) {
  return Boolean(text) && Boolean(sample) && plain(text) === plain(sample);
}

function plain(text) {
  return String(text).toLowerCase().replaceAll('ё', 'е').replace(/\s+/g, ' ').trim();
}
