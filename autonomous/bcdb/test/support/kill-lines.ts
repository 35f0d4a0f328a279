import { writeSync } from 'node:fs';
import { seededRandom } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';

/** A record that was sent, and of which nobody knows what became. */
export interface OpenEntry {
  readonly writer: string;
  /** Base64. */
  readonly leaf: string;
  readonly body?: string;
}

/** What a process is given at its start. */
export interface Task {
  readonly round: number;
  /** Size of the largest checkpoint that anybody was given. */
  readonly seenSize: number;
  readonly open: readonly OpenEntry[];
}

export type Line =
  | { readonly kind: 'start'; readonly checkpoint: string; readonly proof: readonly string[] }
  | ({ readonly kind: 'sent' } & OpenEntry)
  | {
      readonly kind: 'taken';
      readonly writer: string;
      readonly leaf: string;
      readonly seq: number;
      readonly version: string;
      readonly size: number;
    }
  | {
      readonly kind: 'refused';
      readonly writer: string;
      readonly leaf: string;
      readonly code: string;
    }
  | { readonly kind: 'owner'; readonly seq: number; readonly version: string }
  | { readonly kind: 'checkpoint'; readonly note: string };

export const writerNames = ['ada', 'bob', 'cay', 'dan'] as const;

/** The key of a name: the same in every process of one run. */
export function keyOf(seed: string, name: string): SigningKey {
  return SigningKey.fromSeed(seededRandom(`${seed}/key/${name}`).bytes(32));
}

/** At once: a line that waits in memory dies with the process. */
export function print(line: Line): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
