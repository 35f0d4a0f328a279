import { GridError } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { Lease, LeaseName } from '@commongrid/model';
import { LeaseHolder } from '../../src/presence/lease-holder.ts';
import type { LeaseDoor } from '../../src/presence/lease-holder.ts';

// A process that takes a lease again and again, and tells its parent of each moment at which it would
// act. Arguments: seed of its key (hex), log, name, ttl in ms.

/** What the parent answers to a call. */
export interface Answer {
  readonly id: number;
  readonly value?: Lease;
  readonly error?: { readonly code: string; readonly details: Record<string, unknown> };
}

/** What the parent is asked, or told. */
export type Said =
  | { readonly kind: 'call'; readonly id: number; readonly what: 'current' }
  | { readonly kind: 'call'; readonly id: number; readonly what: 'write'; readonly lease: Lease }
  | { readonly kind: 'call'; readonly id: number; readonly what: 'renew'; readonly message: string }
  /** It acts under a fence; `at` is the monotonic clock of the machine, ns. */
  | { readonly kind: 'acts'; readonly fence: number; readonly at: string }
  | { readonly kind: 'lost'; readonly fence: number; readonly at: string };

type Call = Said extends infer One
  ? One extends { readonly kind: 'call' }
    ? Omit<One, 'kind' | 'id'>
    : never
  : never;

const [seed = '', log = '', name = '', ttl = ''] = process.argv.slice(2);
const waiting = new Map<number, PromiseWithResolvers<Lease | undefined>>();
let calls = 0;

function tell(said: Said): void {
  process.send?.(said);
}

function call(what: Call): Promise<Lease | undefined> {
  const id = ++calls;
  const answer = Promise.withResolvers<Lease | undefined>();
  waiting.set(id, answer);
  tell({ kind: 'call', id, ...what });
  return answer.promise;
}

process.on('message', ({ id, value, error }: Answer) => {
  const answer = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) answer?.resolve(value);
  else answer?.reject(new GridError(error.code, error.code, { details: error.details }));
});

const door: LeaseDoor = {
  current: () => call({ what: 'current' }),
  write: (lease) => call({ what: 'write', lease }),
  renew: (message) => call({ what: 'renew', message: Buffer.from(message).toString('base64') }),
};

const options = {
  ...{ door, log, name: name as LeaseName, ttlMs: Number(ttl) },
  key: SigningKey.fromSeed(Buffer.from(seed, 'hex')),
};

for (;;) {
  const holder = await LeaseHolder.acquire(options);
  const { fence } = holder;
  for (;;) {
    // Taken before the look: the process can be stopped between the two.
    const at = String(process.hrtime.bigint());
    if (!holder.isHeld()) {
      tell({ kind: 'lost', fence, at });
      break;
    }
    tell({ kind: 'acts', fence, at });
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
