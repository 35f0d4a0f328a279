import { idPatterns } from '../fields.ts';

/** Something that an id or a key in a payload stands for. */
export interface NamedId {
  readonly kind: keyof typeof idPatterns;
  readonly id: string;
}

/**
 * Every id and key that a payload names, at whatever depth and in whatever field: once each, in the
 * order of their text. Composed ids (`contract:…/role/0`) name their parts. Ids say themselves what
 * they are, so a field that a later version adds is seen without a change here.
 *
 * Payloads never change, so what was found in an object is remembered for as long as it lives.
 */
export function namesIn(value: unknown): readonly NamedId[] {
  if (typeof value !== 'object' || value === null) return search(value);
  let found = remembered.get(value);
  if (found === undefined) {
    found = search(value);
    remembered.set(value, found);
  }
  return found;
}

const remembered = new WeakMap<object, readonly NamedId[]>();

function search(value: unknown): readonly NamedId[] {
  const found = new Map<string, NamedId>();
  collect(value, found);
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Longest text that can be an id or composed of ids, characters: the longest object id. */
const composedMax = 192;

function collect(value: unknown, found: Map<string, NamedId>): void {
  if (typeof value === 'string') {
    if (value.length > composedMax || !value.includes(':')) return;
    for (const part of value.split('/')) {
      const kind = kindOf(part);
      if (kind !== undefined) found.set(part, { kind, id: part });
    }
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) collect(member, found);
}

const kinds = new Map(
  (Object.keys(idPatterns) as (keyof typeof idPatterns)[]).map((kind) => [
    idPatterns[kind].slice(0, idPatterns[kind].indexOf(':')),
    { kind, pattern: new RegExp(`^${idPatterns[kind]}$`) },
  ]),
);

function kindOf(text: string): keyof typeof idPatterns | undefined {
  const end = text.indexOf(':');
  const found = end < 0 ? undefined : kinds.get(text.slice(0, end));
  return found?.pattern.test(text) === true ? found.kind : undefined;
}
