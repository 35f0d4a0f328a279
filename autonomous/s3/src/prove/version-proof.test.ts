import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { verifyVersionProof } from './version-proof.ts';

const trust = {
  log: 'A'.repeat(43),
  sequencerKey: 'ed25519:A1nC3YJr4FYqDEubM30drJildpLF1LsBw78Ag5-QJNE',
};

/** Whatever comes, as part of something that begins like a proof. */
const member = fc.option(fc.jsonValue(), { nil: undefined });
const almost = fc.record({
  schema: fc.constantFrom('grid.s3.proof.1', 'grid.s3.proof.2'),
  version: fc.oneof(member, fc.record({ schema: fc.constant('grid.s3.version.1'), key: member })),
  leaf: member,
  path: member,
  record: fc.oneof(member, fc.record({ schema: fc.constant('grid.bcdb.proof.1'), log: member })),
});

test('what is no proof is refused with a code', () => {
  fc.assert(
    fc.property(fc.oneof(almost, fc.jsonValue()), (proof) => {
      try {
        verifyVersionProof(proof, trust);
      } catch (error) {
        return isGridError(error);
      }
      return false;
    }),
  );
});
