import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import type { LogSource } from '../follow/log-source.ts';
import type { Entry } from '../record/entry.ts';
import { fromBase64url } from '../tree/base64.ts';
import type { HttpLink } from './http-link.ts';
import { sourceLink, successionPath } from './source-link.ts';
import type { SourceOptions } from './source-link.ts';
import { replyInvalid } from './wire-error.ts';

/**
 * A whole log from a server, for a `Follower`. It has to ask as the owner, or with a key that may read
 * everything: a record of which it gets the hash only ends it with BCDB_ENTRIES_WITHHELD.
 */
export class HttpLogSource implements LogSource {
  readonly #link: HttpLink;

  constructor(options: SourceOptions) {
    this.#link = sourceLink(options);
  }

  checkpoint(signal: AbortSignal): Promise<string> {
    return this.#link.text('/checkpoint', { signal, isPublic: true });
  }

  /** @throws BCDB_ENTRIES_WITHHELD, BCDB_REPLY_INVALID, BCDB_UNREACHABLE */
  async *entries(
    from: number,
    to: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Entry[], void> {
    for (let next = from; next < to;) {
      const path = `/v1/entries?from=${next}&to=${to}`;
      const page = readPage(await this.#link.json(path, { signal }), next, to);
      if (page.length === 0) return;
      yield page;
      next += page.length;
    }
  }

  async consistency(
    oldSize: number,
    newSize: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const path = `/v1/consistency?from=${oldSize}&to=${newSize}`;
    const answer: unknown = await this.#link.json(path, { signal, isPublic: true });
    const hashes = membersOf(answer)['path'];
    if (isTextList(hashes)) return hashes;
    throw replyInvalid('the answer is no consistency proof');
  }

  succession(signal: AbortSignal): Promise<unknown> {
    return this.#link.json(successionPath, { signal, isPublic: true });
  }

  async waitForMore(size: number, signal: AbortSignal): Promise<void> {
    const path = `/v1/log/wait?size=${size}&waitMs=${logWaitMs}`;
    await this.#link.json(path, { signal, isPublic: true });
  }
}

/**
 * Longest wait for the log to grow, ms. The next round brings a newer checkpoint: readers of the copy
 * know by it how old their view is.
 */
const logWaitMs = 2_000;

/** What it says is verified by the follower; here only that it is what was asked for. */
function readPage(answer: unknown, from: number, to: number): readonly Entry[] {
  const { entries } = membersOf(answer);
  if (!Array.isArray(entries) || entries.length > to - from) {
    throw replyInvalid('the answer is no page of entries');
  }
  return entries.map((entry: unknown, index) => readEntry(entry, from + index));
}

function readEntry(entry: unknown, expected: number): Entry {
  const { seq, leaf, body } = membersOf(entry);
  if (seq !== expected) throw replyInvalid(`the entry is not record ${expected}`);
  if (leaf === undefined) throw withheld(expected);
  return {
    leaf: readBytes(leaf, expected),
    body: body === undefined ? undefined : readBytes(body, expected),
  };
}

function readBytes(text: unknown, seq: number): Uint8Array {
  const bytes = typeof text === 'string' ? fromBase64url(text) : undefined;
  if (bytes === undefined) throw replyInvalid(`record ${seq} is no base64url`);
  return bytes;
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function withheld(seq: number): GridError<BcdbErrorCode> {
  return new GridError('BCDB_ENTRIES_WITHHELD', `the source shows only the hash of record ${seq}`, {
    hint: 'follow with a key that may read every namespace, or with the token of the owner',
    details: { sequences: [seq] },
  });
}
