import { GridError } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { BcdbErrorCode } from './errors.ts';
import { successionOf } from './ledger/ledger-succession.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { LogHead, StoredEntry } from './log/log-engine.ts';
import { CheckpointSigner } from './tree/checkpoint-signer.ts';
import type { HashStore } from './tree/hash-store.ts';
import { encodeProof } from './tree/record-proof.ts';
import type { RecordProof } from './tree/record-proof.ts';
import type { Succession } from './tree/succession.ts';

export interface LogProofsParts {
  readonly ledger: Ledger;
  readonly hashes: HashStore;
  /** Key of the sequencer. */
  readonly key: SigningKey;
  readonly clock: Clock;
}

interface SignedHead {
  readonly head: LogHead;
  /** When it was signed, seconds since 1970. */
  readonly timestamp: number;
  readonly note: string;
}

/** What others verify a log by: signed heads, and proofs that rest on them. */
export class LogProofs {
  readonly #ledger: Ledger;
  readonly #hashes: HashStore;
  readonly #signer: CheckpointSigner;
  readonly #clock: Clock;
  #last: SignedHead | undefined;

  constructor({ ledger, hashes, key, clock }: LogProofsParts) {
    this.#ledger = ledger;
    this.#hashes = hashes;
    this.#signer = new CheckpointSigner(key, ledger.log);
    this.#clock = clock;
  }

  /** The newest durable head, signed together with the time at which it is the newest. */
  checkpoint(): string {
    return this.#sign().note;
  }

  /**
   * Shows that a record is in the log.
   * @throws BCDB_SEQ_UNKNOWN
   */
  async prove(seq: number, { withBody }: { readonly withBody: boolean }): Promise<RecordProof> {
    const { head, note } = this.#sign();
    const path = this.#hashes.inclusionProof(seq, head.size);
    const { leaf, body } = await this.#entry(seq);
    const { log } = this.#ledger;
    return encodeProof({
      log,
      checkpoint: note,
      seq,
      leaf,
      body: withBody ? body : undefined,
      path,
      ...this.#succession(),
    });
  }

  /** Nothing for a log that has its first key still: the trust says all then. */
  #succession(): { readonly succession?: Succession } {
    const succession = successionOf(this.#ledger);
    return succession.handovers.length === 0 ? {} : { succession };
  }

  /** Signed once for each head and second, however many ask. */
  #sign(): SignedHead {
    const { head } = this.#ledger;
    const timestamp = Math.floor(this.#clock.nowMs() / 1000);
    if (this.#last?.head.size !== head.size || this.#last.timestamp !== timestamp) {
      this.#last = { head, timestamp, note: this.#signer.signAt(head, timestamp) };
    }
    return this.#last;
  }

  async #entry(seq: number): Promise<StoredEntry> {
    for await (const [entry] of this.#ledger.read(seq, seq + 1)) {
      if (entry !== undefined) return entry;
    }
    throw new GridError<BcdbErrorCode>('BCDB_SEQ_UNKNOWN', `the log has no record ${seq} yet`);
  }
}
