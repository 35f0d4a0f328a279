/**
 * Exit statuses that scripts may rely on: 0 done, 1 failed, 2 usage, 3 not found, 4 denied,
 * 5 conflict, 6 unreachable, 7 quota, 8 timeout.
 */
export function exitStatusOf(code: string): number {
  return statusByCode.get(code) ?? statusByEnding.find(([ending]) => ending.test(code))?.[1] ?? 1;
}

const statusByCode: ReadonlyMap<string, number> = new Map([
  ['GRID_USAGE', 2],
  ['GRID_SERVICE_UNKNOWN', 3],
  ['GRID_BENCH_UNKNOWN', 3],
  ['GRID_CODE_UNKNOWN', 3],
  ['GRID_TEST_NONE', 3],
  ['GRID_NOT_UP', 6],
  ['GRID_SECRET_UNREADABLE', 4],
  ['GRID_HOME_UNUSABLE', 4],
  ['GRID_KEY_MISSING', 4],
  ['GRID_KEY_UNREADABLE', 4],
  ['GRID_FILE_UNREADABLE', 3],
  ['GRID_TRUST_UNKNOWN', 2],
  ['BCDB_AUTH_FAILED', 4],
  ['BCDB_AUTH_NEEDED', 4],
  ['BCDB_KEY_ENDED', 4],
  ['BCDB_NOT_READER', 4],
  ['BCDB_NOT_SIGNER', 4],
  ['BCDB_NAMESPACE_PRIVATE', 2],
  ['BCDB_NOT_SEALED', 2],
  ['BCDB_NAME_RESERVED', 4],
  ['BCDB_READERS_CHANGED', 5],
  ['BCDB_POLICY_REQUIRED', 5],
  ['BCDB_PROPOSAL_CLOSED', 5],
  ['BCDB_PROPOSAL_STALE', 5],
  ['BCDB_ALREADY_VOTED', 5],
  ['BCDB_UNIQUE_TAKEN', 5],
  ['BCDB_LAST_ADMIN', 5],
  ['BCDB_SCHEMA_INCOMPATIBLE', 5],
  ['BCDB_SCHEMA_MISMATCH', 2],
  ['BCDB_SQL_REFUSED', 2],
  ['BCDB_HANDED_OVER', 5],
  ['BCDB_HANDOVER_INVALID', 1],
  ['BCDB_HANDOVER_KEY_USED', 5],
  ['BCDB_HANDOVER_NEEDED', 5],
  ['BCDB_HANDOVER_UNSIGNED', 4],
  ['BCDB_NOTE_INVALID', 1],
  ['BCDB_PROOF_INVALID', 1],
  ['BCDB_SIGNATURE_INVALID', 1],
  ['BCDB_EXPORT_INVALID', 1],
  ['RESP_CONNECT_FAILED', 6],
  ['RESP_CONNECTION_LOST', 6],
  ['RESP_PEER_UNTRUSTED', 4],
  ['GRID_HOME_FOREIGN', 5],
  ['GRID_HOME_NEWER', 5],
  ['GRID_PORT_UNAVAILABLE', 5],
  ['GRID_PORTS_DIFFER', 5],
  ['GRID_ALREADY_UP', 5],
  ['GRID_SUPERVISOR_UNREACHABLE', 6],
]);

/** Codes of all packages end alike where they mean alike. */
const statusByEnding: readonly (readonly [RegExp, number])[] = [
  [/_(USAGE|INVALID)$/, 2],
  [/_(NOT_FOUND|UNKNOWN|MISSING)$/, 3],
  [/_(DENIED|UNAUTHORIZED|AUTH)$/, 4],
  [/_(CONFLICT|EXISTS|LOCKED|NEWER|IN_USE)$/, 5],
  [/_(UNREACHABLE|CLOSED|CONNECT|DISCONNECTED)$/, 6],
  [/_(FULL|QUOTA|LIMIT)$/, 7],
  [/_TIMEOUT$/, 8],
];
