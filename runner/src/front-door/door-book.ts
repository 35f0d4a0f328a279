import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError, readTextIfThere, writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { Endpoint } from './endpoint.ts';

/** What a front door has to know after a start. */
export interface DoorRecord {
  /** What each bot said last, by its name on this machine. */
  readonly bots: Readonly<Record<string, readonly Endpoint[]>>;
  /** Port of each door, by `doorKey`. */
  readonly ports: Readonly<Record<string, number>>;
}

const schema = 'grid.front-door.1';
const none: DoorRecord = { bots: {}, ports: {} };

/** By what a door is known while contracts replace each other and replicas move. */
export function doorKey({
  lineage,
  role,
  port,
}: Pick<Endpoint, 'lineage' | 'role' | 'port'>): string {
  return `${lineage}/${role}/${port}`;
}

/** The record of a front door, in a file: `doors.json` in its folder. */
export class DoorBook {
  readonly #file: string;
  readonly #logger: Logger;
  #text = '';

  private constructor(file: string, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  /** What cannot be read is as good as nothing: bots say it again, and ports are given anew. */
  static async open(
    folder: string,
    logger: Logger,
  ): Promise<{ readonly book: DoorBook; readonly record: DoorRecord }> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, 'doors.json');
    return { book: new DoorBook(file, logger), record: await read(file, logger) };
  }

  /** Writes what is new. A full disk stops no door: it is said in the log. */
  async keep(record: DoorRecord): Promise<void> {
    const text = `${JSON.stringify({ schema, ...record }, undefined, 2)}\n`;
    if (text === this.#text) return;
    try {
      await writeFileAtomic(this.#file, text, { mode: 0o600 });
      this.#text = text;
    } catch (err) {
      this.#logger.error({ err }, 'which ports the doors have cannot be kept');
    }
  }
}

async function read(file: string, logger: Logger): Promise<DoorRecord> {
  try {
    const text = await readTextIfThere(file);
    if (text === undefined) return none;
    const { schema: is, ...record } = JSON.parse(text) as DoorRecord & { readonly schema: unknown };
    if (is !== schema) throw new TypeError('it is of another version');
    return record;
  } catch (err) {
    if (isGridError(err)) throw err;
    logger.warn({ err, file }, 'the record of the doors is damaged, and is begun anew');
    return none;
  }
}
