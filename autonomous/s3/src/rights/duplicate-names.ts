/** Texts, and the marks that open, close and part objects and lists. */
const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * A name that stands twice in one object of a JSON text, of which JSON.parse would keep the last.
 * @param json what JSON.parse takes
 */
export function duplicateName(json: string): string | undefined {
  /** Names of the objects that are open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let before = '';
  for (const [part] of json.matchAll(token)) {
    const names = open.at(-1);
    if (part === ':' && names !== undefined) {
      const name = String(JSON.parse(before));
      if (names.has(name)) return name;
      names.add(name);
    } else if (part === '{') {
      open.push(new Set());
    } else if (part === '[') {
      open.push(undefined);
    } else if (part === '}' || part === ']') {
      open.pop();
    }
    before = part;
  }
  return undefined;
}
