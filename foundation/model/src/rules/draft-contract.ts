import type { Amount, BotId, ContractId, ControllerId, Hash } from '../fields.ts';
import { contractIdOf } from '../records/contract.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole, ContractRoleOpening } from '../records/contract-role.ts';
import { openingHash } from './derive-slice.ts';
import { secretCommit } from './secret.ts';
import type { SecretOpening } from './secret.ts';

/** A contract and what goes with it, before anybody signs. */
export interface ContractDraft {
  readonly id: ContractId;
  readonly header: Contract;
  readonly openings: readonly ContractRoleOpening[];
  readonly secrets: ReadonlyMap<string, SecretOpening>;
}

export interface DraftOptions {
  readonly log: string;
  readonly name: string;
  /** Signs alone for everything. */
  readonly owner: BotId;
  /** Who places and heals, where `terms` name nobody. */
  readonly controller: ControllerId;
  readonly roles: readonly ContractRole[];
  /** Values by name. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly term: Contract['term'];
  /** So many random bytes. */
  readonly draw: (count: number) => Uint8Array;
  /** What differs from the contract of one owner who decides alone. */
  readonly terms?: Partial<ContractTerms>;
}

/** What a contract says of who decides, what it costs, and what may be done when something fails. */
export type ContractTerms = Pick<
  Contract,
  'controllers' | 'networks' | 'policy' | 'budget' | 'heal' | 'replaces' | 'mayRollBack'
>;

/**
 * A contract; without further terms that of one owner who decides alone, on machines of his own,
 * without networks and money.
 */
export function draftContract(options: DraftOptions): ContractDraft {
  const { log, name, owner, controller, roles, term, draw, terms } = options;
  const nonce = (count: number): string =>
    draw(count).toBase64({ alphabet: 'base64url', omitPadding: true });
  const openings = roles.map((role) => ({ salt: nonce(16), role }));
  const secrets = new Map(
    [...options.secrets].map(([key, value]) => [key, { salt: nonce(16), value }] as const),
  );
  const lines = [{ role: 'owner', signers: [owner], min: 1 }];
  const header: Contract = {
    ...{ v: 1, log: log as Hash, nonce: nonce(32), name, owner, rules: 'grid@1' },
    controllers: [controller],
    roles: openings.map((opening) => ({ name: opening.role.name, hash: openingHash(opening) })),
    networks: [],
    secrets: [...secrets].map(([key, opening]) => ({
      ...{ name: key, commit: secretCommit(opening), keepers: [] },
    })),
    policy: { provision: lines, upgrade: lines, remove: lines },
    budget: { currency: 'EUR', perMonth: '0' as Amount, total: '0' as Amount },
    term,
    heal: { suspectAfterMs: 3_000, replaceAfterMs: 10_000, maxPerHour: 8, mayMoveTo: {} },
    ...terms,
  };
  return { id: contractIdOf(header), header, openings, secrets };
}
