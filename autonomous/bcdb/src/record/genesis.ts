import { GridError } from '@commongrid/base';
import { canonicalBytes, canonicalHash } from '@commongrid/crypto';
import type { Quorum } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import { toBase64url } from '../tree/base64.ts';

/** How a log began. Its hash is the name of the log, and everything is verified from it. */
export interface Genesis {
  readonly format: 'bcdb/1';
  /** 32 random bytes, base64url: two logs with equal settings have different names. */
  readonly nonce: string;
  /** Start of log time, milliseconds since 1970. */
  readonly at: number;
  /** Key that orders the records and signs checkpoints. */
  readonly sequencer: string;
  /** Who may hand the log over, activate validators and create namespaces: keys. */
  readonly admins: Quorum;
  /** Keys that sign releases of the software. */
  readonly releaseKeys: readonly string[];
  /** Whether any key may create a namespace; otherwise an admin only. */
  readonly isOpen: boolean;
}

/** SHA-256 of the canonical genesis: the name of the log. */
export function logIdOf(genesis: Genesis): Uint8Array {
  return canonicalHash(genesis);
}

/** The payload of the first record. */
export function genesisPayload(genesis: Genesis): Uint8Array {
  return canonicalBytes(genesis);
}

/**
 * A genesis of the right shape and with the id that was expected.
 * @throws BCDB_OTHER_LOG
 */
export function requireGenesis(genesis: Genesis, log: string): Genesis {
  const is = toBase64url(logIdOf(genesis));
  if (is === log) return genesis;
  throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `this genesis is that of log ${is}`, {
    hint: 'use the address and the join token of the same log',
    details: { expected: log, actual: is },
  });
}
