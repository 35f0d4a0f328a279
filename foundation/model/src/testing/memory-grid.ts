import { createHash } from 'node:crypto';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import { parse, recordTypes } from '../record-types.ts';
import { concerns } from '../rules/concerns.ts';
import type { Change, ConcernsView, ReaderId } from '../rules/concerns-view.ts';
import { isIdentityUrl, judgeIdentity } from '../rules/identity.ts';
import { IdentityMemory } from '../rules/identity-memory.ts';
import type { IdentityView, JudgedRecord } from '../rules/identity-view.ts';
import { namesIn } from '../rules/names-in.ts';
import { fakeId } from './ids.ts';

/** What became of a record. */
export interface Told {
  /** Code of a refusal; undefined when it was accepted. */
  readonly code: string | undefined;
  /** Who heard of it; nobody when it was refused. */
  readonly readers: readonly ReaderId[];
}

/**
 * The smallest fold over records: the rules of this package over maps in memory. Tests grow a grid
 * with it. A proof of a key is `fakeProof`, not a signature.
 */
export class MemoryGrid extends IdentityMemory implements ConcernsView, IdentityView {
  readonly log = fakeId.hash(0);
  /** Log time, milliseconds since 1970; tests move it. */
  at = 1_700_000_000_000;
  #seq = 0;
  readonly #objects = new Map<string, Map<string, unknown>>();
  readonly #proposals = new Map<string, Change>();

  /** Puts a record of a known type under the id that its payload says. */
  put<Url extends RecordUrl>(url: Url, author: string, value: RecordOf<Url>): Told {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    return this.tell({ ns: recordTypes.get(url)?.namespace ?? '', url, obj, author, value });
  }

  /** Takes any record; types that this package does not know are not judged. */
  tell(record: Change & { readonly ns: string; readonly author: string }): Told {
    const { url, obj, author } = record;
    const known = recordTypes.has(url) && record.value !== undefined;
    const value: unknown = known ? parse(url, record.value) : record.value;
    this.#seq++;
    const readers = concerns(this, { ...record, value, at: this.at });
    if (isIdentityUrl(url)) {
      const moment = { seq: this.#seq, at: this.at };
      const op = value === undefined ? 'del' : 'put';
      const verdict = judgeIdentity(this, { url, obj, op, author, moment, value } as Judged);
      if (!verdict.isAccepted) return { code: verdict.code, readers: [] };
      this.keepIdentity(verdict.state);
    }
    this.#objectsOf(url).set(obj, value);
    return { code: undefined, readers };
  }

  /** Makes a change known under the version that approvals name. */
  propose(version: string, change: Change): void {
    this.#proposals.set(version, change);
  }

  /** The next place in the log. */
  get moment() {
    return { seq: this.#seq + 1, at: this.at };
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  current(url: string, obj: string): unknown;
  current(url: string, obj: string): unknown {
    return this.#objects.get(url)?.get(obj);
  }

  *naming(url: string, id: string): Iterable<string> {
    for (const [obj, value] of this.#objectsOf(url)) {
      if (namesIn(value).some((one) => one.id === id)) yield obj;
    }
  }

  /** Money is not judged here, so nothing comes to an end. */
  isSettled(): boolean {
    return false;
  }

  proposal(version: string): Change | undefined {
    return this.#proposals.get(version);
  }

  isProof(key: string, payload: Uint8Array, signature: string): boolean {
    return signature === fakeProof(key, payload);
  }

  #objectsOf(url: string): Map<string, unknown> {
    let objects = this.#objects.get(url);
    if (objects === undefined) this.#objects.set(url, (objects = new Map()));
    return objects;
  }
}

type Judged = JudgedRecord<Parameters<typeof judgeIdentity>[1]['url']>;

/** Stands for a signature of the key in a MemoryGrid. */
export function fakeProof(key: string, payload: Uint8Array): string {
  return createHash('sha512').update(key).update('\0').update(payload).digest('base64url');
}
