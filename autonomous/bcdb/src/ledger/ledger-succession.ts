import { canonicalText } from '@commongrid/crypto';
import type { HandoverCertificate } from '../record/handover.ts';
import type { Genesis } from '../record/genesis.ts';
import type { Succession } from '../tree/succession.ts';
import type { Trust } from '../tree/verifier.ts';
import type { Ledger } from './ledger.ts';

/** Who sequenced a log, as its own records tell. */
export function successionOf(ledger: Pick<Ledger, 'genesis' | 'fold'>): Succession {
  return successionFrom(ledger.genesis, ledger.fold.handovers.certificates);
}

export function successionFrom(
  genesis: Genesis,
  handovers: readonly HandoverCertificate[],
): Succession {
  return { schema: 'grid.bcdb.succession.1', genesis: canonicalText(genesis), handovers };
}

/** The trust that the records of a log give, all of which were judged. */
export function trustOfLedger({ log, genesis, fold }: Ledger): Trust {
  const handovers = fold.handovers.certificates.map(({ statement }) => statement);
  return { log, sequencerKey: genesis.sequencer, handovers };
}
