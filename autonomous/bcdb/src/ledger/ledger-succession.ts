import { canonicalText } from '@commongrid/crypto';
import type { Succession } from '../tree/succession.ts';
import type { Trust } from '../tree/verifier.ts';
import type { Ledger } from './ledger.ts';

/** Who sequenced a log, as its own records tell. */
export function successionOf({ genesis, fold }: Pick<Ledger, 'genesis' | 'fold'>): Succession {
  const handovers = fold.handovers.certificates;
  return { schema: 'grid.bcdb.succession.1', genesis: canonicalText(genesis), handovers };
}

/** The trust that the records of a log give, all of which were judged. */
export function trustOfLedger({ log, genesis, fold }: Ledger): Trust {
  const handovers = fold.handovers.certificates.map(({ statement }) => statement);
  return { log, sequencerKey: genesis.sequencer, handovers };
}
