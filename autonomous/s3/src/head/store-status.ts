import { storeStatusParameter } from '../protocol/operations.ts';
import type { Handle } from './head-context.ts';

/** How the store below is: a `CareStatus` in JSON. */
export const getStoreStatus: Handle = async ({ store: { care } }, { query, signal }) => {
  const isAnew = query.get(storeStatusParameter) === 'survey';
  const status = await (isAnew ? care.surveyedAnew(signal) : care.surveyed(signal));
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(status) };
};
