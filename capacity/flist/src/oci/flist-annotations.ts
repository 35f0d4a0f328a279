import { isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';

import type { Flist, TraceRange } from '../format/flist.ts';
import { nodesOf, readTrace, traceBytesOf } from '../format/trace-bytes.ts';
import type { Directory, Inode } from '../tree/inode.ts';
import type { OciDigest } from './digest.ts';
import { manifestInvalid } from './manifest.ts';

/**
 * What an flist has and images of OCI have no place for: annotations of the manifests that we write.
 * An import takes it back, so that the digest is the same; others ignore it.
 */
const names = {
  /** The digest of the config that the others speak of: tools hand annotations on to new images. */
  config: 'grid.flist.config',
  /** Fields that OCI wants in a config and the flist had not, with commas between them. */
  added: 'grid.flist.added',
  /** The start trace, as the section of an flist has it, in base64url. */
  trace: 'grid.flist.trace',
} as const;

/** In `added`: the flist had no config at all. */
export const addedAll = 'all';

/** Characters of a start trace with the most ranges: registries take manifests of 4 MiB. */
const traceTextMax = 1024 * 1024;

/** What the annotations of an image say of the flist that it was made of. */
export interface FlistAnnotations {
  readonly added: readonly string[];
  readonly trace: string | undefined;
}

/** @returns no annotations for an flist that has nothing more than its image */
export function annotationsFor(
  { root, trace = [] }: Flist,
  config: OciDigest,
  added: string,
): Readonly<Record<string, JsonValue>> {
  const text = trace.length === 0 ? '' : traceTextOf(root, trace);
  if (added === '' && text === '') return {};
  return {
    [names.config]: config,
    ...(added === '' ? {} : { [names.added]: added }),
    ...(text === '' ? {} : { [names.trace]: text }),
  };
}

function traceTextOf(root: Directory, trace: readonly TraceRange[]): string {
  const numbers = new Map<Inode, number>(nodesOf(root).map((inode, at) => [inode, at + 1]));
  return Buffer.from(traceBytesOf(trace, numbers)).toString('base64url');
}

/** What is said of another config counts for nothing. */
export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
  config: OciDigest | undefined,
): FlistAnnotations {
  const isOurs = config !== undefined && annotations[names.config] === config;
  if (!isOurs) return { added: [], trace: undefined };
  return { added: annotations[names.added]?.split(',') ?? [], trace: annotations[names.trace] };
}

/** @throws FLIST_MANIFEST_INVALID for a trace that is none of this tree */
export function traceFrom(text: string, root: Directory): TraceRange[] {
  if (text.length > traceTextMax) throw manifestInvalid('its start trace is too long');
  try {
    return readTrace(Buffer.from(text, 'base64url'), nodesOf(root));
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw manifestInvalid(`its start trace is none: ${error.message}`, error);
  }
}
