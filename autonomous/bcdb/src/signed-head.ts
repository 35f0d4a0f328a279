import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { Ledger } from './ledger/ledger.ts';
import type { LogHead } from './log/log-engine.ts';
import { CheckpointSigner } from './tree/checkpoint-signer.ts';

/** A head of a log with the note by which others believe it. */
export interface SignedHead {
  readonly head: LogHead;
  readonly note: string;
}

export interface HeadSignerParts {
  readonly ledger: Ledger;
  /** Key of the sequencer. */
  readonly key: SigningKey;
  readonly clock: Clock;
}

/** Signs the newest durable head, together with the time at which it is the newest. */
export class HeadSigner {
  readonly #ledger: Ledger;
  readonly #signer: CheckpointSigner;
  readonly #clock: Clock;
  #last: (SignedHead & { readonly timestamp: number }) | undefined;

  constructor({ ledger, key, clock }: HeadSignerParts) {
    this.#ledger = ledger;
    this.#signer = new CheckpointSigner(key, ledger.log);
    this.#clock = clock;
  }

  /** Signed once for each head and second, however many ask. */
  newest(): SignedHead {
    const { head } = this.#ledger;
    const timestamp = Math.floor(this.#clock.nowMs() / 1000);
    if (this.#last?.head.size !== head.size || this.#last.timestamp !== timestamp) {
      this.#last = { head, timestamp, note: this.#signer.signAt(head, timestamp) };
    }
    return this.#last;
  }
}
