import type { Request } from '@commongrid/resp';
import type { Command } from './command.ts';

/** Longest name of a command, bytes: longer words are none. */
const nameBytesMax = 32;

/** Finds commands by name, in any case. */
export class CommandTable {
  readonly list: readonly Command[];
  /** By the names as clients write them: all in upper or all in lower case. */
  readonly #byName: ReadonlyMap<string, Command>;

  constructor(list: readonly Command[]) {
    this.list = list;
    this.#byName = new Map(
      list.flatMap((command) => [
        [command.name, command],
        [command.name.toLowerCase(), command],
      ]),
    );
  }

  /** The command that argument `i` of a request names. */
  find(request: Request, i = 0): Command | undefined {
    if (request.lengthOf(i) > nameBytesMax) return undefined;
    const word = request.latin1(i);
    return this.#byName.get(word) ?? this.#byName.get(word.toUpperCase());
  }
}
