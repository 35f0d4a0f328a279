import { Type } from 'typebox';
import type { Static } from 'typebox';
import { idPatterns } from '@commongrid/model';
import type { LeaseName } from '@commongrid/model';
import { field, SignedMessage } from './signed-message.ts';

const schema = Type.Object(
  {
    /** Hash of the genesis. */
    log: field.hash,
    name: Type.Unsafe<LeaseName>(
      Type.String({ pattern: `^${idPatterns.contract}(?:/[a-z][a-z0-9-]{0,31})?$` }),
    ),
    /** The fence under which the sender has the lease. */
    fence: field.counter,
    /** Run of the sequencer that it is for, so that no later run takes it. */
    epoch: field.nonce,
    /** Above that of all renewals before under this fence. */
    counter: field.counter,
  },
  { additionalProperties: false },
);

/** The holder of a lease goes on holding it. Signed by the key that the logged lease names. */
export const renewal = new SignedMessage('commongrid/lease/1', schema);
export type Renewal = Static<typeof schema>;
