import { createHmac } from 'node:crypto';

import { storeStatusParameter } from '../protocol/operations.ts';
import type { Handle } from './head-context.ts';

/** Header with what shows whoever asked that a head of the store answered, and this question. */
export const statusProofHeader = 'x-commongrid-proof';

/** How the store below is: a `CareStatus` in JSON, with a proof by the key that asked. */
export const getStoreStatus: Handle = async ({ store: { care }, rights }, request) => {
  const { query, signal, accessKey = '', headers } = request;
  const isAnew = query.get(storeStatusParameter) === 'survey';
  const status = await (isAnew ? care.surveyedAnew(signal) : care.surveyed(signal));
  const body = JSON.stringify(status);
  const proof = statusProof(rights.secretOf(accessKey) ?? '', String(headers.authorization), body);
  return { headers: { 'content-type': 'application/json', [statusProofHeader]: proof }, body };
};

/**
 * HMAC-SHA-256 in hex, by the secret of the key that asked, of the question's signature and the answer.
 * @param authorization header of the question: no two are the same within a second
 */
export function statusProof(secretKey: string, authorization: string, body: string): string {
  const key = createHmac('sha256', secretKey).update('commongrid/store-status/1').digest();
  return createHmac('sha256', key).update(`${authorization}\n${body}`).digest('hex');
}
