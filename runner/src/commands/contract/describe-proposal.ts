import { compareHeaders, proposalsAmong, proposalState } from '@commongrid/contract';
import type { Change } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import { formatTable, plainText } from '../../terminal.ts';
import { contractsIn } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';

/** What of a contract's header is different from that of the one that it is to replace. */
export interface Replacing {
  readonly name: string;
  readonly changes: readonly Pick<Change, 'path' | 'from' | 'to'>[];
  /** Roles with the same hashes: they are the same in both. */
  readonly sameRoles: readonly string[];
  /** It was drafted by the owner's bot, and taken back since what it was for is over. */
  readonly isWithdrawn: boolean;
}

/** A contract that the owner's bot drafted since this one allows too little, and that waits for signers. */
export interface OpenProposal extends Pick<Replacing, 'name' | 'changes'> {
  readonly contract: ContractId;
}

/** Undefined where it replaces none that the bot knows. */
export function replacingOf(
  { fold, now }: Pick<ContractView, 'fold' | 'now'>,
  { id, header }: KnownContract,
): Replacing | undefined {
  const { replaces } = header;
  const former = fold.current('grid.contract.1', replaces ?? '');
  if (former === undefined || replaces === undefined) return undefined;
  const hashes = new Map(former.roles.map(({ name, hash }) => [name, hash]));
  const same = header.roles.filter(({ name, hash }) => hashes.get(name) === hash);
  const isDraft = proposalsAmong(fold, replaces, [id]).length > 0;
  return {
    name: former.name,
    changes: compareHeaders(former, header).map(({ path, from, to }) => ({ path, from, to })),
    sameRoles: same.map(({ name }) => name),
    isWithdrawn: isDraft && proposalState(fold, id, now) === 'withdrawn',
  };
}

export function openProposalsOf(
  view: Pick<ContractView, 'fold' | 'now'>,
  former: ContractId,
): readonly OpenProposal[] {
  const all = contractsIn(view.fold);
  const drafts = new Set(
    proposalsAmong(
      view.fold,
      former,
      all.map(({ id }) => id),
    ),
  );
  return all.flatMap((one) => {
    if (!drafts.has(one.id) || proposalState(view.fold, one.id, view.now) !== 'open') return [];
    const { changes = [] } = replacingOf(view, one) ?? {};
    return [{ contract: one.id, name: one.header.name, changes }];
  });
}

export function describeReplacing({ changes, sameRoles, isWithdrawn }: Replacing): string {
  return [
    formatTable([
      ...changes.map((one) => [`  ${one.path}`, changeText(one)]),
      ...(sameRoles.length === 0 ? [] : [['  the same roles', sameRoles.join(', ')]]),
    ]),
    ...(isWithdrawn ? ['  withdrawn by the bot of its owner: what it was for is over'] : []),
  ].join('\n');
}

export function describeProposals(proposals: readonly OpenProposal[]): string {
  return proposals
    .flatMap(({ contract, name, changes }) => [
      `  ${plainText(name)} allows what this one does not:`,
      formatTable(changes.map((one) => [`    ${one.path}`, changeText(one)])),
      `  next: ./grid contract sign ${contract}`,
    ])
    .join('\n');
}

function changeText({ from, to }: Replacing['changes'][number]): string {
  return `${JSON.stringify(from) ?? 'none'} -> ${JSON.stringify(to) ?? 'none'}`;
}
