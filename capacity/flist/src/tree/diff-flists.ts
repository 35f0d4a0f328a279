import { canonicalText } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { Flist } from '../format/flist.ts';
import { diffTrees } from './diff-trees.ts';
import type { TreeChange } from './diff-trees.ts';

/** What differs from one image to another. */
export interface FlistDiff {
  /** Fields of the config: `architecture`, `config.Env`; `config` for one that is no object. */
  readonly configFields: readonly string[];
  /** Made while it is read: images can differ in millions of paths. */
  readonly changes: Generator<TreeChange, void, void>;
}

/** Traces are left out: they say how an image is fetched, not what it is. */
export function diffFlists(before: Flist, after: Flist): FlistDiff {
  return {
    configFields: changedFields(before.config, after.config),
    changes: diffTrees(before.root, after.root),
  };
}

function changedFields(before: JsonValue | undefined, after: JsonValue | undefined): string[] {
  if (textOf(before) === textOf(after)) return [];
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  if (old === undefined || now === undefined) return ['config'];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.filter((name) => old.get(name) !== now.get(name));
}

/** The canonical text of each field, those of `config` one by one; undefined for no object. */
function fieldsOf(json: JsonValue | undefined): Map<string, string | undefined> | undefined {
  const members = membersOf(json ?? {});
  if (members === undefined) return undefined;
  const fields = members.flatMap(([name, value]) => {
    const inner = name === 'config' ? membersOf(value) : undefined;
    const parts = inner?.map(([key, part]) => [`config.${key}`, part] as const) ?? [];
    // One that is there and empty is not one that is not there.
    return parts.length === 0 ? [[name, value] as const] : parts;
  });
  return new Map(fields.map(([name, value]) => [name, textOf(value)]));
}

function membersOf(json: JsonValue): [string, JsonValue][] | undefined {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject ? Object.entries(json) : undefined;
}

function textOf(json: JsonValue | undefined): string | undefined {
  return json === undefined ? undefined : canonicalText(json);
}
