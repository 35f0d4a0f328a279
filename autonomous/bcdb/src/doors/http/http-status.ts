import { isGridError } from '@commongrid/base';

/** Status of an answer that is an error; the code says more. */
export function httpStatusOf(error: unknown): number {
  if (!isGridError(error)) return 500;
  return (
    statuses.get(error.code) ?? (/^BCDB_(?:LOG|TREE|PROJECTION)_/.test(error.code) ? 503 : 500)
  );
}

const codesByStatus: Readonly<Record<number, readonly string[]>> = {
  400: [
    'BCDB_BODY_MISMATCH',
    'BCDB_BODY_MISSING',
    'BCDB_ENVELOPE_INVALID',
    'BCDB_NAMESPACE_PRIVATE',
    'BCDB_NOT_SEALED',
    'BCDB_OTHER_LOG',
    'BCDB_PAYLOAD_INVALID',
    'BCDB_QUERY_INVALID',
    'BCDB_REQUEST_INVALID',
    'BCDB_SCHEMA_INVALID',
    'BCDB_SIGNATURE_INVALID',
    'BCDB_SQL_REFUSED',
    'CRYPTO_JSON_UNSUPPORTED',
  ],
  401: ['BCDB_AUTH_FAILED', 'BCDB_AUTH_NEEDED', 'BCDB_CHALLENGE_EXPIRED', 'BCDB_SESSION_EXPIRED'],
  403: ['BCDB_DENIED', 'BCDB_KEY_ENDED', 'BCDB_NAME_RESERVED', 'BCDB_NOT_SIGNER'],
  404: [
    'BCDB_NAMESPACE_UNKNOWN',
    'BCDB_NODE_UNKNOWN',
    'BCDB_NOT_FOUND',
    'BCDB_SCHEMA_UNKNOWN',
    'BCDB_SEQ_UNKNOWN',
  ],
  405: ['BCDB_READ_ONLY'],
  409: [
    'BCDB_ALREADY_VOTED',
    'BCDB_CIRCLE_CYCLE',
    'BCDB_CIRCLE_DEPTH',
    'BCDB_CONFLICT',
    'BCDB_COUNTER_GAP',
    'BCDB_EPOCH_OVER',
    'BCDB_EQUIVOCATION',
    'BCDB_FORKED_VIEW',
    'BCDB_HEARTBEAT_STALE',
    'BCDB_LAST_ADMIN',
    'BCDB_LEASE_HELD',
    'BCDB_LEASE_LOST',
    'BCDB_NODE_CLONED',
    'BCDB_POLICY_IMPOSSIBLE',
    'BCDB_POLICY_REQUIRED',
    'BCDB_PROPOSAL_CLOSED',
    'BCDB_PROPOSAL_STALE',
    'BCDB_READERS_CHANGED',
    'BCDB_READERS_MISSING',
    'BCDB_SCHEMA_INCOMPATIBLE',
    'BCDB_SEEN_MISSING',
    'BCDB_UNIQUE_TAKEN',
  ],
  413: ['BCDB_TOO_LARGE', 'CRYPTO_TOO_LARGE'],
  422: ['BCDB_REFERENCE_MISSING', 'BCDB_RULE_BROKEN', 'BCDB_SCHEMA_MISMATCH', 'BCDB_SQL_LIMIT'],
  503: [
    'BCDB_BUSY',
    'BCDB_CLOCK_JUMPED',
    'BCDB_PRESENCE_FULL',
    'BCDB_WATCHERS_FULL',
    'BASE_QUEUE_FULL',
  ],
  504: ['BASE_TIMEOUT'],
};

const statuses: ReadonlyMap<string, number> = new Map(
  Object.entries(codesByStatus).flatMap(([status, codes]) =>
    codes.map((code): [string, number] => [code, Number(status)]),
  ),
);
