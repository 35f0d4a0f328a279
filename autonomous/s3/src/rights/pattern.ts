/**
 * Whether a text fits a pattern in which an asterisk is any text, and a question mark one character.
 * Takes at most the product of the two lengths.
 */
export function fitsPattern(text: string, pattern: string): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    if (pattern[place] === '*') {
      star = place;
      place += 1;
      from = at;
    } else if (pattern[place] === '?' || pattern[place] === text[at]) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      // The last asterisk takes one character more.
      from += 1;
      at = from;
      place = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[place] === '*') place += 1;
  return place === pattern.length;
}
