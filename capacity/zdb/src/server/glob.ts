/** Matches a name against a pattern in which `*` stands for any text and `?` for one character. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let i = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (i < text.length) {
    const sign = pattern[at];
    if (sign === '*') {
      starAt = at++;
      resumeAt = i;
    } else if (sign === '?' || sign === text[i]) {
      at++;
      i++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      i = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
