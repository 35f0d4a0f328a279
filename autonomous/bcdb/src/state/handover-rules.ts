import type { Genesis } from '../record/genesis.ts';
import { decodeCertificate, invalidHandover } from '../record/handover.ts';
import type { HandoverCertificate } from '../record/handover.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { keyUsed, requireSuccessor } from '../tree/succession.ts';
import type { LogRecord } from './fold.ts';
import type { StateView } from './state-view.ts';

export interface HandoverRulesParts {
  readonly view: StateView;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly genesis: Genesis;
  /** Whether the log had this root at this size. */
  readonly hadHead: (size: number, root: string) => boolean;
}

/** Whose log it is: the key that the genesis names, until a quorum of its admins names another. */
export class HandoverRules {
  readonly #parts: HandoverRulesParts;

  constructor(parts: HandoverRulesParts) {
    this.#parts = parts;
  }

  /** The key that sequences the log now. */
  get sequencer(): string {
    return this.#parts.view.fact('sequencer') ?? this.#parts.genesis.sequencer;
  }

  /** All handovers so far, in order. */
  get certificates(): readonly HandoverCertificate[] {
    const { view } = this.#parts;
    const count = Number(view.fact('handovers') ?? 0);
    return Array.from({ length: count }, (_none, index) =>
      decodeCertificate(JSON.parse(view.fact(`handover ${index}`) ?? 'null')),
    );
  }

  /**
   * The first record of a new sequencer, at the very place that the admins signed.
   * @throws BCDB_HANDOVER_INVALID, BCDB_HANDOVER_UNSIGNED, BCDB_HANDOVER_KEY_USED, BCDB_OTHER_LOG
   */
  take({ envelope, seq, value }: LogRecord): void {
    const { view, log, genesis, hadHead } = this.#parts;
    const handover = decodeCertificate(value);
    const { statement } = handover;
    const certificates = this.certificates;
    const before = certificates.map((certificate) => certificate.statement);
    requireSuccessor(nodePrimitives, { handover, before, founders: genesis, log });
    if (envelope.author !== statement.sequencer) {
      throw invalidHandover('key', 'another key than the one that it names wrote it');
    }
    // Its own record counts already.
    if (envelope.n !== 1) throw keyUsed(envelope.author);
    if (statement.size !== seq || !hadHead(seq, statement.root)) {
      throw invalidHandover(
        'place',
        `it follows ${statement.size} other records, not these ${seq}`,
      );
    }
    view.setFact('sequencer', statement.sequencer);
    view.setFact('handovers', String(certificates.length + 1));
    view.setFact(`handover ${certificates.length}`, JSON.stringify(handover));
  }
}
