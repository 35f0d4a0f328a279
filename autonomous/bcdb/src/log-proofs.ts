import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from './errors.ts';
import { successionOf } from './ledger/ledger-succession.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { StoredEntry } from './log/log-engine.ts';
import type { SignedHead } from './signed-head.ts';
import type { HashStore } from './tree/hash-store.ts';
import { encodeProof } from './tree/record-proof.ts';
import type { RecordProof } from './tree/record-proof.ts';
import type { Succession } from './tree/succession.ts';

export interface LogProofsParts {
  readonly ledger: Ledger;
  readonly hashes: HashStore;
  /** The newest head that others believe. */
  readonly signed: () => SignedHead;
}

/** Shows what is in a log, under the newest signed head. */
export class LogProofs {
  readonly #ledger: Ledger;
  readonly #hashes: HashStore;
  readonly #signed: () => SignedHead;

  constructor({ ledger, hashes, signed }: LogProofsParts) {
    this.#ledger = ledger;
    this.#hashes = hashes;
    this.#signed = signed;
  }

  /**
   * Shows that a record is in the log.
   * @throws BCDB_SEQ_UNKNOWN
   */
  async prove(seq: number, { withBody }: { readonly withBody: boolean }): Promise<RecordProof> {
    const { head, note } = this.#signed();
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

  async #entry(seq: number): Promise<StoredEntry> {
    for await (const [entry] of this.#ledger.read(seq, seq + 1)) {
      if (entry !== undefined) return entry;
    }
    throw new GridError<BcdbErrorCode>('BCDB_SEQ_UNKNOWN', `the log has no record ${seq} yet`);
  }
}
