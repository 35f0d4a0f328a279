import { GridError } from '@commongrid/base';
import type { Backend, BackendEntry, BackendState } from '../backends/backend.ts';
import type { KeyPage } from '../backends/key-pages.ts';
import type { ZstorErrorCode } from '../errors.ts';

/** A backend in memory, whose faults are told to it. Each answer comes some turns later. */
export class ModelBackend implements Backend {
  readonly no: number;
  readonly place: Backend['place'];
  readonly isSpare = false;
  readonly readMs = { p50: 1, p95: 1 };
  readonly values = new Map<string, Buffer>();
  readonly #turns: () => number;
  /** Called before a value is written. */
  onPut: (key: Uint8Array, value: Uint8Array) => void = () => {};
  answers = true;
  refusesWrites = false;

  constructor(no: number, turns: () => number) {
    this.no = no;
    this.place = { node: `node-${no}`, farm: `farm-${no}`, country: 'BE' };
    this.#turns = turns;
  }

  get state(): BackendState {
    return this.answers ? 'healthy' : 'suspect';
  }

  get isWritable(): boolean {
    return this.answers;
  }

  get freeBytes(): number {
    return 1e9;
  }

  get usedBytes(): number {
    return 0;
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#answer(this.refusesWrites);
    this.onPut(key, value);
    this.values.set(nameOf(key), Buffer.from(value));
  }

  async putAll(entries: readonly BackendEntry[]): Promise<void> {
    for (const { key, value } of entries) await this.put(key, value);
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    await this.#answer();
    const value = this.values.get(nameOf(key));
    return value === undefined ? undefined : Buffer.from(value);
  }

  async getPart(
    key: Uint8Array,
    { from, bytes }: { readonly from: number; readonly bytes: number },
  ): Promise<Buffer | undefined> {
    return (await this.get(key))?.subarray(from, from + bytes);
  }

  async digest(): Promise<Uint8Array | undefined> {
    await this.#answer();
    return undefined;
  }

  async damagedKeys(): Promise<readonly Uint8Array[]> {
    await this.#answer();
    return [];
  }

  async scan(prefix: string): Promise<KeyPage> {
    await this.#answer();
    const some = [...this.values].filter(([name]) => name.startsWith(prefix));
    const keys = some.map(([name, { length: valueBytes }]) => {
      return { key: Buffer.from(name, 'latin1'), valueBytes };
    });
    return { keys, cursor: undefined };
  }

  async remove(keys: readonly Uint8Array[]): Promise<number> {
    await this.#answer();
    return keys.filter((key) => this.values.delete(nameOf(key))).length;
  }

  async #answer(refuses = false): Promise<void> {
    for (let turn = this.#turns(); turn > 0; turn--) await Promise.resolve();
    if (this.answers && !refuses) return;
    const code: ZstorErrorCode = refuses ? 'ZSTOR_BACKEND_REFUSED' : 'ZSTOR_BACKEND_FAILED';
    throw new GridError(code, 'as it was told');
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
