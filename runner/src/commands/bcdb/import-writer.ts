import { isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';

/** Writes that wait for their answer at a time. */
const inFlightMax = 64;

const schemaUrl = 'bcdb.schema.1';

export interface ImportedChange {
  readonly url: string;
  readonly obj: string;
  readonly op: 'put' | 'del' | 'erase';
  /** Undefined with a `put` whose payload was erased. */
  readonly value: JsonValue | undefined;
}

/**
 * Writes changes into a namespace, many at a time: versions of one object in their order, and nothing
 * of a type ahead of the type.
 */
export class ImportWriter {
  readonly #write: (change: ImportedChange) => Promise<unknown>;
  readonly #inFlight = new Map<string, Promise<void>>();
  #failure: Error | undefined;
  #written = 0;
  #skipped = 0;

  constructor(write: (change: ImportedChange) => Promise<unknown>) {
    this.#write = write;
  }

  get written(): number {
    return this.#written;
  }

  /** Changes of which nobody knows any more what they said. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Resolves when there is room for the next one. @throws what the database refused before */
  async write(change: ImportedChange): Promise<void> {
    const { url, obj, op, value } = change;
    const isType = url === schemaUrl;
    if (url.startsWith('bcdb.') && !isType) return;
    if (op === 'put' && value === undefined) {
      this.#skipped++;
      return;
    }
    const name = `${url} ${obj}`;
    await this.#inFlight.get(name);
    if (isType) await this.settled();
    while (this.#inFlight.size >= inFlightMax) await Promise.race(this.#inFlight.values());
    if (this.#failure !== undefined) throw this.#failure;
    this.#inFlight.set(name, this.#send(change, name));
    if (isType) await this.settled();
  }

  /** Resolves when all is answered. @throws what the database refused */
  async settled(): Promise<void> {
    await Promise.all(this.#inFlight.values());
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #send(change: ImportedChange, name: string): Promise<void> {
    const { op } = change;
    try {
      await this.#write(change);
      this.#written++;
    } catch (error) {
      // What was erased there before it could be written here is gone here too.
      if (op !== 'put' && isGridError(error, 'BCDB_NOT_FOUND')) return;
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#inFlight.delete(name);
    }
  }
}
