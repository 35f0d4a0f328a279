import { canonicalHash } from '@commongrid/crypto';
import type { ContractId, Hash, NodeId } from '../fields.ts';
import { contractIdOf } from '../records/contract.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole, ContractRoleOpening } from '../records/contract-role.ts';
import type { Slice } from '../records/slice.ts';
import { workloadIdOf } from './grid-view.ts';
import { hostAddress, networkRange } from './network-range.ts';

/** A slice before its secrets are sealed: of each there is the name alone. */
export interface UnsealedSlice extends Omit<Slice, 'secrets'> {
  readonly secrets: readonly string[];
}

export interface SliceTarget {
  readonly replica: number;
  readonly node: NodeId;
  /** Of the placement that puts it there, or changes what it has to be. */
  readonly revision: number;
}

/**
 * What one node has to run of a contract; it follows from header, role and place, so that controller
 * and node come to the same. Undefined where a network of the role is none of the contract's, or has
 * no room for the replica.
 *
 * Addresses: of R roles in the header, replica `n` of the one at index `i` is host `n * R + i` of each
 * network of its role. So no two replicas share one, though a node knows no other role.
 */
export function deriveSlice(
  header: Contract,
  opening: ContractRoleOpening,
  { replica, node, revision }: SliceTarget,
  contract: ContractId = contractIdOf(header),
): UnsealedSlice | undefined {
  const { role } = opening;
  const index = header.roles.findIndex(({ name }) => name === role.name);
  const host = replica * header.roles.length + index;
  const addresses: Slice['addresses'] = [];
  for (const network of role.networks.toSorted()) {
    const range = networkRange(header.networks.find(({ name }) => name === network)?.range ?? '');
    const ip = range && hostAddress(range, host);
    if (ip === undefined) return undefined;
    addresses.push({ network, ip });
  }
  const workload = workloadIdOf(contract, role.name, replica);
  const secrets = secretsOf(role);
  return { node, contract, workload, revision, opening, addresses, secrets };
}

/**
 * What a placement names a slice by: SHA-256 of its canonical text with the names of its secrets for
 * the boxes. So a secret is sealed anew without another placement.
 */
export function sliceHash(slice: Slice | UnsealedSlice): Hash {
  let hash = sliceHashes.get(slice);
  if (hash === undefined) {
    const secrets = slice.secrets.map((one) => (typeof one === 'string' ? one : one.name));
    hash = textOf(canonicalHash({ ...slice, secrets }));
    sliceHashes.set(slice, hash);
  }
  return hash;
}

/** What is in a slice never changes, and a node asks for the same ones again and again. */
const sliceHashes = new WeakMap<Slice | UnsealedSlice, Hash>();

/** What a header has of a role: SHA-256 of the canonical text of {role, salt}. */
export function openingHash({ role, salt }: ContractRoleOpening): Hash {
  return textOf(canonicalHash({ role, salt }));
}

/** Names of the secrets that a role uses, sorted. */
export function secretsOf({ workload: { container, zdb } }: ContractRole): readonly string[] {
  const names = [
    ...(container?.secretEnv ?? []).map(({ secret }) => secret),
    ...(container?.files ?? []).flatMap(({ secret }) => (secret === undefined ? [] : [secret])),
    ...(zdb === undefined ? [] : [zdb.password]),
  ];
  return [...new Set(names)].toSorted();
}

function textOf(hash: Uint8Array): Hash {
  return hash.toBase64({ alphabet: 'base64url', omitPadding: true }) as Hash;
}
