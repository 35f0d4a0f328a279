import { readFile } from 'node:fs/promises';

import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';
import type { BotId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';

/** Tokens of one owner that were used and did not expire yet. */
const ofOneOwnerMax = 256;
/** The same of all owners: the file is written anew for each. */
const ofAllMax = 4_096;

interface Used {
  readonly expMs: number;
  readonly owner: BotId;
}

/**
 * The tokens that were used, on disk, until they expire. What is forgotten raises a floor, below
 * which no expiry is accepted any more: so a token that was good once is never good again, whatever
 * the clock does.
 */
export class UsedTokens {
  readonly #path: string;
  readonly #used = new Map<string, Used>();
  #floorMs = 0;

  /** Use `open`. */
  constructor(path: string) {
    this.#path = path;
  }

  /** @param latestMs the latest expiry that any token of before can have */
  static async open(path: string, latestMs: number): Promise<UsedTokens> {
    const tokens = new UsedTokens(path);
    try {
      tokens.#read(await readFile(path, 'utf8'));
    } catch (error) {
      // Nobody knows what was used: whatever may have been is refused.
      if (errorCode(error) !== 'ENOENT') tokens.#floorMs = latestMs;
    }
    return tokens;
  }

  /** Whether it was used, or may have been. */
  has(nonce: string, expMs: number): boolean {
    return expMs <= this.#floorMs || this.#used.has(nonce);
  }

  /** Resolves when it is on disk. @throws NODE_TOKENS_TOO_MANY */
  async add(nonce: string, { expMs, owner }: Used, nowMs: number): Promise<void> {
    this.#forget(nowMs);
    const own = this.#used.values().filter((one) => one.owner === owner);
    if (this.#used.size >= ofAllMax || [...own].length >= ofOneOwnerMax) throw tooMany();
    this.#used.set(nonce, { expMs, owner });
    await writeFileAtomic(this.#path, this.#text(), { mode: 0o600 });
  }

  #forget(nowMs: number): void {
    for (const [nonce, { expMs }] of this.#used) {
      if (expMs > nowMs) continue;
      this.#used.delete(nonce);
      this.#floorMs = Math.max(this.#floorMs, expMs);
    }
  }

  #text(): string {
    const used = [...this.#used].map(([nonce, { expMs, owner }]) => [nonce, expMs, owner]);
    return JSON.stringify({ floorMs: this.#floorMs, used });
  }

  #read(text: string): void {
    const { floorMs, used }: Kept = JSON.parse(text);
    for (const [nonce, expMs, owner] of used) this.#used.set(nonce, { expMs, owner });
    this.#floorMs = floorMs;
  }
}

/** The file, as JSON. */
interface Kept {
  readonly floorMs: number;
  readonly used: readonly (readonly [nonce: string, expMs: number, owner: BotId])[];
}

function tooMany(): GridError<NodeErrorCode> {
  return new GridError('NODE_TOKENS_TOO_MANY', 'too many tokens were used in the last minutes', {
    hint: 'wait some minutes',
    retryable: true,
  });
}
