import type { Request } from '@commongrid/resp';
import type { Command, CommandDefinition } from './command.ts';

const BUCKETS = 256;

/** Finds commands by name, in any case, without making a string. */
export class CommandTable {
  readonly list: readonly Command[];
  /** The bucket comes from length, first and last letter. */
  readonly #buckets = Array.from<Command[] | undefined>({ length: BUCKETS });

  constructor(definitions: readonly CommandDefinition[]) {
    this.list = definitions.map((definition, index) => ({ ...definition, index }));
    for (const command of this.list) {
      const { name } = command;
      const bucket = bucketOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
      (this.#buckets[bucket] ??= []).push(command);
    }
  }

  /** The command that argument `i` of a request names. */
  find(request: Request, i = 0): Command | undefined {
    const length = request.lengthOf(i);
    if (length === 0) return undefined;
    const { bytes } = request;
    const start = request.start[i] ?? 0;
    const first = bytes[start] ?? 0;
    const bucket = this.#buckets[bucketOf(length, first, bytes[start + length - 1] ?? 0)];
    if (bucket === undefined) return undefined;
    for (const command of bucket) if (request.is(i, command.name)) return command;
    return undefined;
  }
}

/** Only five bits of a letter count: its case does not. */
function bucketOf(length: number, first: number, last: number): number {
  return (length * 7 + (first & 0x1f) * 11 + (last & 0x1f) * 37) & (BUCKETS - 1);
}
