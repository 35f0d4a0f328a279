import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.consent.1`, signed by a key of a signer of an account: yes to a record that another signer will
 * append. Of `account` records that change the account, too.
 */
export const consent = new RecordType({
  url: 'grid.consent.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      /** `consentSubject` of the record. */
      subject: f.hash,
      account: f.marked(f.sharedAccountId, { index: true }),
      /** The signer. */
      by: f.botId,
      expMs: f.timeMs,
    },
    f.closed,
  ),
  // A subject may begin with a character that no object may begin with.
  objectOf: ({ subject, by }) => `${by}/${subject}`,
});
export type Consent = Static<typeof consent.schema>;
