import { contractIdOf } from '@commongrid/model';
import type { Contract, ContractId } from '@commongrid/model';
import type { ContractPaper } from '../controller/ports.ts';

/**
 * The contract that says what an earlier version said, and takes the place of the one that runs. Its term is that
 * of the one that runs; everything else is the earlier one's: roles and their hashes, secrets, people, money.
 * @param draw so many random bytes
 */
export function formerContract(
  { draft, ...paper }: ContractPaper,
  current: { readonly id: ContractId; readonly header: Contract },
  draw: (count: number) => Uint8Array,
): ContractPaper {
  // Boxes of keepers are made for the nonce.
  const hasKeepers = draft.header.secrets.some(({ keepers }) => keepers.length > 0);
  const nonce = hasKeepers
    ? draft.header.nonce
    : draw(nonceBytes).toBase64({ alphabet: 'base64url', omitPadding: true });
  const { term } = current.header;
  const header = { ...draft.header, nonce, term, replaces: current.id };
  return { ...paper, only: undefined, draft: { ...draft, id: contractIdOf(header), header } };
}

const nonceBytes = 32;
