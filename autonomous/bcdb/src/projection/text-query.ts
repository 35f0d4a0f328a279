/** Most words of a search; those after them are left out. */
const searchWordsMax = 32;

/**
 * What people type, as a query of FTS5: all words must be there, in any order; words inside double
 * quotes must follow each other; a star after a word finds all that begin so. Nothing else has a
 * meaning, so no text is an error. Undefined when there is no word in it.
 */
export function textQuery(text: string): string | undefined {
  const terms: string[] = [];
  let words = 0;
  for (const [index, part] of text.split('"').entries()) {
    const found = [...part.matchAll(wordPattern)].slice(0, searchWordsMax - words);
    words += found.length;
    // Between an odd quote and the next; one that nobody closes quotes to the end.
    if (index % 2 === 1 && found.length > 0) {
      terms.push(`"${found.map(([, word]) => word).join(' ')}"`);
    } else {
      terms.push(...found.map(([, word = '', star = '']) => `"${word}"${star === '' ? '' : ' *'}`));
    }
  }
  return terms.length === 0 ? undefined : terms.join(' AND ');
}

/** Letters, marks and digits: what the tokenizer takes for parts of words. */
const wordPattern = /([\p{L}\p{M}\p{N}\p{Co}]+)(\*?)/gu;
