// Why a draft's photo was refused. The gateway tells it as an English sentence; each has words of its own. Pure.

const SAYS = [
  [/file is empty/, 'empty'], [/megapixels/, 'too-many-pixels'], [/memory|at most/, 'too-large'], [/send a larger one/, 'too-small'],
  [/animation/, 'animated'], [/ends before the picture/, 'truncated'], [/choose another file/, 'not-an-image'],
  [/save it as JPEG and/, 'unsupported-format'], [/save it anew/, 'broken'], [/deleted before/, 'gone'], [/overwritten before/, 'superseded'],
];

/** The key of the text that says the same; a general one where the sentence is not known. */
export function refusal(reason) {
  const code = SAYS.find(([words]) => words.test(reason))?.[1];
  return code ? `reject.${code}` : 'draft.refused';
}
