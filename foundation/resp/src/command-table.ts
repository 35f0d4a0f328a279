import type { Request } from './request.ts';

/** What a server tells of a command to those who ask with COMMAND. */
export interface CommandFacts {
  /** In upper case. */
  readonly name: string;
  /** Number of arguments after the name, at least and at most. */
  readonly least: number;
  readonly most: number;
  /** Places of the keys: first, last (-1 the last argument), step. Default: it has none. */
  readonly keys?: readonly [first: number, last: number, step: number];
  /** One sentence for COMMAND DOCS. */
  readonly summary: string;
}

/** `most` of a command that takes any number of arguments: the parser's limit holds. */
export const anyNumber = 1023;

const buckets = 256;

/** Finds commands by name, in any case, without making a string. */
export class CommandTable<Command extends CommandFacts> {
  readonly list: readonly Command[];
  /** The bucket comes from length, first and last letter. */
  readonly #buckets = Array.from<Command[] | undefined>({ length: buckets });

  constructor(list: readonly Command[]) {
    this.list = list;
    for (const command of list) {
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
  return (length * 7 + (first & 0x1f) * 11 + (last & 0x1f) * 37) & (buckets - 1);
}
