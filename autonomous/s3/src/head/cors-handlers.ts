import type { Operation } from '../protocol/operations.ts';
import type { Handle } from './head-context.ts';

const preflight: Handle = async ({ cors }, request) => cors.preflight(request);

/** What browsers ask ahead of requests of pages. */
export const corsHandlers = {
  PreflightBucket: preflight,
  PreflightObject: preflight,
} as const satisfies Partial<Record<Operation, Handle>>;
