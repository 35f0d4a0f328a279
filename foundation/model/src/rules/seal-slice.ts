import { boxToText, canonicalBytes, sealBox, SealingPublicKey } from '@commongrid/crypto';
import type { ContractRoleOpening } from '../records/contract-role.ts';
import type { Node } from '../records/node.ts';
import type { Slice } from '../records/slice.ts';
import { deriveSlice } from './derive-slice.ts';
import type { SliceTarget } from './derive-slice.ts';
import type { ContractDraft } from './draft-contract.ts';
import { secretBoxInfo } from './secret.ts';

export interface SealTarget extends Omit<SliceTarget, 'node'> {
  readonly node: Pick<Node, 'id' | 'seal'>;
}

/**
 * What a controller writes for one node: the slice that follows from a draft, with its secrets sealed
 * to the node.
 */
export async function sealSlice(
  { id, header, secrets }: ContractDraft,
  opening: ContractRoleOpening,
  { node, replica, revision }: SealTarget,
): Promise<Slice> {
  const { name: role } = opening.role;
  const derived = deriveSlice(header, opening, { replica, node: node.id, revision }, id);
  if (derived === undefined)
    throw new Error(`there is no address for replica ${replica} of ${role}`);
  const key = SealingPublicKey.fromText(node.seal);
  const boxes = derived.secrets.map(async (name) => {
    const secret = secrets.get(name);
    if (secret === undefined)
      throw new Error(`role ${role} uses a secret ${name} that nobody gave`);
    const info = secretBoxInfo(header.log, id, name);
    return { name, box: boxToText(await sealBox(key, canonicalBytes({ ...secret }), { info })) };
  });
  return { ...derived, secrets: await Promise.all(boxes) };
}
