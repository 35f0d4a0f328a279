import type { WriteRules } from '../meta/put-version.ts';
import type { Headers } from '../protocol/object-headers.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import type { Permit } from '../rights/rights.ts';
import type { HeadContext } from './head-context.ts';

/** By what a write or delete is judged inside of its change. */
export function writeRules(
  { store }: HeadContext,
  { headers }: Pick<S3Request, 'headers'>,
  conditions: Headers = headers,
): WriteRules {
  return { conditions, datesMs: store.catalog.datesMs(), latestMs: store.catalog.latestDateMs() };
}

/** The same for what may bypass a retention of governance, where the caller asks for it and may. */
export function deletionRules(
  head: HeadContext,
  request: S3Request,
  {
    permit,
    key,
    conditions,
  }: {
    readonly permit: Permit;
    readonly key: string;
    readonly conditions?: Headers;
  },
): WriteRules {
  const isAsked = request.headers['x-amz-bypass-governance-retention'] === 'true';
  const bypassesGovernance = isAsked && permit.allows('s3:BypassGovernanceRetention', key);
  return { ...writeRules(head, request, conditions), bypassesGovernance };
}
