import { isGridError } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import type { BlockedCode } from '../errors.ts';
import type { Obstacle } from '../plan/obstacles.ts';
import { needTexts } from '../plan/obstacles.ts';

/** What a contract waits for, for people. */
export interface Blocked {
  readonly code: BlockedCode;
  readonly message: string;
  readonly hint: string;
  /** Replicas that wait, as `role/replica`; none where it is the whole contract. */
  readonly slots: readonly string[];
  /** The contract that would allow it, and waits for its signers. */
  readonly proposal?: ContractId;
}

const hints: Readonly<Record<BlockedCode, string>> = {
  HEAL_BUDGET: 'agree on a contract with a larger budget that replaces this one',
  HEAL_DECLINED: 'see why in the transcripts of the market, or allow other farms',
  HEAL_DRAIN: 'nothing is to be done unless it lasts; see which replicas are not healthy',
  HEAL_FAILS_EVERYWHERE:
    'see the logs and events of these workloads; agree on a contract that mends it',
  HEAL_HALTED: 'let whoever halted it take that back',
  HEAL_HANDOVER: 'nothing is to be done unless it lasts; see whether its former node is there',
  HEAL_LEASE_TAKEN: 'nothing is to be done; this controller goes on when the other stops',
  HEAL_LOCAL_DATA: 'bring the node back; nothing else has the data',
  HEAL_MONEY: 'see the balance of the owner, and what the allowance leaves',
  HEAL_NOTHING_FITS: 'add a node, or agree on a contract that asks for less',
  HEAL_OUTSIDE_MANDATE:
    'agree on a contract that replaces this one and names more in heal.mayMoveTo',
  HEAL_RATE: 'nothing is to be done; it goes on within the hour',
  HEAL_REFUSED: 'read what the code of the refusal says; it is tried again',
  HEAL_REPLACED: 'remove the contract that is not to take that place',
  HEAL_ROLLED_BACK: 'see why in the events of its workloads, then agree on another contract',
  HEAL_SHARDS_AWAY:
    'bring one of these nodes back; if they are gone for good: grid bot release-brake BOT',
  HEAL_STORM: 'look at the network first; then: grid bot release-brake BOT',
  HEAL_UNREACHABLE: 'nothing is to be done unless it lasts; it is tried again',
  HEAL_UPGRADE: 'see why in the events of these workloads; remove the contract to go back',
  SECRETS_UNAVAILABLE: 'hand the secrets of the contract to the controller again',
};

export function blocked(
  code: BlockedCode,
  message: string,
  slots: readonly string[] = [],
): Blocked {
  return { code, message, hint: hints[code], slots };
}

/** Why nothing was found, with the figures of the search. */
export function blockedByObstacles(
  obstacles: readonly Obstacle[],
  slots: readonly string[],
): Blocked {
  const budget = obstacles.find((one) => one.is === 'budget');
  if (budget !== undefined) {
    const { cost, currency } = budget;
    const text = `it would cost ${cost.perMonth} ${currency} a month, of ${budget.budget.perMonth}`;
    return blocked('HEAL_BUDGET', text, slots);
  }
  const texts = obstacles.map((one) => {
    if (one.is !== 'places') return 'each role would fit alone, and all together do not';
    const lacks = one.lacking.map(({ need, nodes }) => `${nodes} ${needTexts[need]}`).join(', ');
    const found = `${one.roles.join('+')}: ${one.placed} of ${one.wanted} find a place`;
    return `${found}; of ${one.nodes} nodes ${lacks === '' ? 'none lacks anything' : lacks}`;
  });
  return blocked('HEAL_NOTHING_FITS', texts.join('; '), slots);
}

const byRule: ReadonlyMap<string, BlockedCode> = new Map<string, BlockedCode>([
  ['CONTRACT_HALTED', 'HEAL_HALTED'],
  ['ESCROW_HALTED', 'HEAL_HALTED'],
  ['PLACEMENT_TOO_MANY_MOVES', 'HEAL_RATE'],
  ['PLACEMENT_BUDGET', 'HEAL_BUDGET'],
  ['ESCROW_BUDGET', 'HEAL_BUDGET'],
  ['PLACEMENT_OUTSIDE_MANDATE', 'HEAL_OUTSIDE_MANDATE'],
  ['PLACEMENT_LOCAL_DATA', 'HEAL_LOCAL_DATA'],
  ['FUNDS_SHORT', 'HEAL_MONEY'],
  ['ALLOWANCE_MISSING', 'HEAL_MONEY'],
  ['ALLOWANCE_SPENT', 'HEAL_MONEY'],
  ['ACCOUNT_NOT_SIGNER', 'HEAL_MONEY'],
]);

/** What an error of a port or of the log means for a contract. */
export function blockedByError(error: unknown): Blocked {
  const text = error instanceof Error ? error.message : String(error);
  if (!isGridError(error)) return blocked('HEAL_UNREACHABLE', text);
  if (error.code === 'CONTRACT_LEASE_LOST') return blocked('HEAL_LEASE_TAKEN', text);
  const rule = ruleOf(error);
  if (rule === undefined) return blocked('HEAL_UNREACHABLE', `${error.code}: ${text}`);
  return blocked(byRule.get(rule) ?? 'HEAL_REFUSED', `the log refused it: ${rule}`);
}

/** The rule that refused a record; undefined for other errors. */
export function ruleOf(error: unknown): string | undefined {
  if (!isGridError(error, 'BCDB_RULE_BROKEN')) return undefined;
  const { rule } = error.details;
  return typeof rule === 'string' ? rule : undefined;
}
