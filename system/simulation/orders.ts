import { buildContract, draftText } from '@commongrid/contract';
import type { ContractDefinition, ControllerPorts } from '@commongrid/contract';
import { approvalHash } from '@commongrid/model';
import type { Approval, ContractId, KeyText, NodeId } from '@commongrid/model';
import type { Random } from '@commongrid/base';
import { currency } from './town.ts';
import type { Person, Town } from './town.ts';

type Paper = NonNullable<ReturnType<ControllerPorts['papers']['of']>>;

/** A contract that somebody ordered: signed, with an allowance for what it rents. */
export interface Order extends Paper {
  /** Number of the person who owns it. */
  readonly owner: number;
}

export interface OrderOptions {
  readonly town: Town;
  readonly random: Random;
  readonly owner: number;
  readonly definition: ContractDefinition;
  /** Where the first placement may go. Default anywhere. */
  readonly only?: ReadonlySet<NodeId>;
}

const dayMs = 86_400_000;

/** Builds a contract, and has its owner propose it, agree to it, and allow its spending. */
export async function order({
  town,
  random,
  owner,
  definition,
  only,
}: OrderOptions): Promise<Order> {
  const { sequencer } = town;
  const person = town.person(owner);
  const keys = person.controllers.map(({ publicKey }) => publicKey.text as KeyText);
  const built = await buildContract(
    { ...definition, controllers: keys },
    {
      ...{ log: sequencer.log, owner: person.id, controller: keys[0] ?? ('' as KeyText) },
      ...{ at: sequencer.at, folder: '/', draw: (count) => random.bytes(count) },
      resolveImage: (name) => Promise.resolve(name),
      findBot: () => Promise.resolve(undefined),
      findSeal: () => Promise.resolve(undefined),
    },
  );
  const draft = JSON.parse(draftText(built)) as Paper['draft'];
  const { id, header } = draft;
  sequencer.put('grid.contract.1', person.device, header);
  approve(town, person, draft, 'provision');
  if (header.replaces !== undefined) approve(town, person, draft, 'upgrade');
  sequencer.put('grid.allowance.1', person.device, {
    ...{ contract: id, from: person.id, perMonth: header.budget.total, currency },
    expMs: header.term.untilMs,
  });
  return { owner, draft, secrets: new Map(), ...(only === undefined ? {} : { only }) };
}

/** Has the owner agree that a contract ends. */
export function removeOrder(town: Town, { owner, draft }: Order): void {
  approve(town, town.person(owner), draft, 'remove');
}

function approve(
  { sequencer }: Town,
  person: Person,
  { id, header }: Paper['draft'],
  action: 'provision' | 'upgrade' | 'remove',
): void {
  const { replaces } = header;
  const former: { replaces?: ContractId } =
    action === 'upgrade' && replaces !== undefined ? { replaces } : {};
  sequencer.put('grid.approval.1', person.device, {
    ...{ contract: id, signer: person.id, action, verdict: 'approve', ...former },
    role: header.policy[action]?.[0]?.role ?? '',
    hash: approvalHash({ log: sequencer.log, action, contract: id, ...former }),
    expMs: sequencer.at + dayMs,
  } satisfies Approval);
}
