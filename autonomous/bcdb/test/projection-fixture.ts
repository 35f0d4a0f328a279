import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalBytes } from '@commongrid/crypto';
import { parseSchema } from '../src/schema/schema-document.ts';
import type { Effect, EffectBatch } from '../src/state/effect.ts';

/** A log of effects made by hand: each change takes the next sequence; ten make a second. */
export class EffectLog {
  readonly effects: Effect[] = [];
  readonly #ns: string;

  constructor(ns = 'home') {
    this.#ns = ns;
  }

  get size(): number {
    return this.effects.length;
  }

  put(url: string, obj: string, value: unknown, ns = this.#ns): number {
    const payload = value instanceof Uint8Array ? value : canonicalBytes(value);
    const schema = url.startsWith('bcdb.') ? undefined : 'schema-hash';
    return this.#add({ kind: 'put', ...this.#common(ns, url, obj), schema, payload });
  }

  del(url: string, obj: string): number {
    return this.#add({ kind: 'del', ...this.#common(this.#ns, url, obj) });
  }

  /** Also drops the payloads of the versions before, as a log does. */
  erase(url: string, obj: string): number {
    for (const [index, effect] of this.effects.entries()) {
      if (effect.kind === 'put' && effect.url === url && effect.obj === obj) {
        this.effects[index] = { ...effect, payload: undefined };
      }
    }
    return this.#add({ kind: 'erase', ...this.#common(this.#ns, url, obj) });
  }

  schema(url: string, schema: unknown, ns = this.#ns): number {
    const { id, root } = parseSchema(schema);
    return this.put('bcdb.schema.1', id, { url, schema: root }, ns);
  }

  batch(from: number, to = this.size): EffectBatch {
    return { from, size: to, root: rootOf(to), effects: this.effects.slice(from, to) };
  }

  async *read(from: number, step = 7): AsyncGenerator<EffectBatch> {
    for (let at = from; at < this.size; at += step) {
      yield this.batch(at, Math.min(at + step, this.size));
    }
  }

  #common(ns: string, url: string, obj: string): Omit<Effect, 'kind' | 'payload' | 'schema'> {
    const seq = this.size;
    const version = Buffer.from(`version ${seq}`).toString('base64url').padEnd(43, 'A');
    return { ns, url, obj, seq, origin: seq, version, author: 'ed25519:ada', at: momentOf(seq) };
  }

  #add(effect: Effect): number {
    this.effects.push(effect);
    return this.size - 1;
  }
}

export function momentOf(seq: number): number {
  return 1_000_000 + Math.floor(seq / 10) * 1000;
}

export function rootOf(size: number): Uint8Array {
  return new Uint8Array(32).fill(size % 251);
}

/** A folder that is gone at the end of the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'bcdb-projection-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
