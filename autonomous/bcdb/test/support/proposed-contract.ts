import type { JsonValue } from '@commongrid/crypto';
import { contractIdOf } from '@commongrid/model';
import type { Contract } from '@commongrid/model';
import type { Citizen, Town } from '../../src/testing/feeds-town.ts';

export interface ProposedContract {
  readonly name: { readonly ns: 'grid'; readonly url: 'grid.contract.1'; readonly obj: string };
  /** The one whose word is needed gives it. */
  readonly agree: () => Promise<void>;
}

/** Makes a contract's object one that somebody has to agree to, and proposes it. */
export async function proposeContract(
  town: Town,
  {
    by,
    agreed,
    value,
  }: { readonly by: Citizen; readonly agreed: Citizen; readonly value: Contract },
): Promise<ProposedContract> {
  const { bcdb } = town;
  const name = { ns: 'grid', url: 'grid.contract.1', obj: contractIdOf(value) } as const;
  const { ns, url, obj } = name;
  const lines = [{ role: 'owner', signers: [agreed.id], min: 1 }];
  const policy = { ns, op: 'put', url: 'bcdb.policy.1', obj: `object/${url}/${obj}` } as const;
  await bcdb.write({ ...policy, value: { write: lines } });
  const { policySeq = -1 } = bcdb.policyFor({ ...name, op: 'put' }) ?? {};
  const schema = bcdb.schemaOf(ns, url) ?? '';
  const exp = bcdb.at + 600_000;
  const proposal = { op: 'put', url, obj, schema, value, policySeq, exp } as unknown as JsonValue;
  const { version } = await town.say('bcdb.proposal.1', by.device, `p-${obj}`, proposal);
  const agree = async (): Promise<void> => {
    const yes = { proposal: version, role: 'owner', verdict: 'approve', exp };
    await town.say('bcdb.approval.1', agreed.device, `yes-${obj}`, yes);
  };
  return { name, agree };
}
