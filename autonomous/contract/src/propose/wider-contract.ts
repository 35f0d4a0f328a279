import { contractIdOf } from '@commongrid/model';
import type { Amount, Contract, ContractId, FarmId, NodeId } from '@commongrid/model';
import type { ContractPaper } from '../controller/ports.ts';

/** What a contract would have to allow beyond what it does, so that what waits finds a place. */
export interface Widening {
  /** Nodes that would do. */
  readonly nodes: readonly NodeId[];
  /** Farms and countries to which nothing may go yet. */
  readonly farms: readonly FarmId[];
  readonly countries: readonly string[];
  /** What all of it would cost in 30 days, smallest units of the budget's currency. */
  readonly perMonth: bigint;
}

/** A month of a budget, ms: 30 days. */
const monthMs = 30n * 86_400_000n;
/** Characters of the name of a contract, as its record allows. */
const nameMax = 100;

/**
 * The contract that allows what is needed, and is the same but for that: to be agreed on by those who decide
 * over an upgrade of the former one. The same need gives the same bytes, and so the same id.
 *
 * Its nonce, salts and boxes are those of the former contract: so its roles have the same hashes, which shows
 * everybody that they are the same, and keepers can still open their boxes. It tells it from contracts that
 * people built.
 */
export function widerContract(paper: ContractPaper, widening: Widening): ContractPaper {
  const { draft } = paper;
  const header = widerHeader(draft.id, draft.header, widening);
  // Where alone it may begin: also where it is to go.
  const only = paper.only && new Set([...paper.only, ...widening.nodes]);
  return { ...paper, only, draft: { ...draft, id: contractIdOf(header), header } };
}

/** The papers of such a contract from its header, for whoever has those of the former one. */
export function paperOf(former: ContractPaper, header: Contract): ContractPaper {
  const draft = { ...former.draft, id: contractIdOf(header), header };
  return { ...former, only: undefined, draft };
}

/** Whether one contract is such a draft for the other. */
export function isWiderContract(
  former: Contract,
  formerId: ContractId,
  { nonce, replaces, roles }: Contract,
): boolean {
  const isNamed = replaces === formerId && nonce === former.nonce;
  return isNamed && hashesOf(roles) === hashesOf(former.roles);
}

/** Whoever builds a contract may take any nonce: what is the same is in the hashes. */
function hashesOf(roles: Contract['roles']): string {
  return roles.map(({ name, hash }) => `${name} ${hash}`).join('\n');
}

function widerHeader(id: ContractId, former: Contract, widening: Widening): Contract {
  const { budget, heal, term } = former;
  const { farms, countries } = heal.mayMoveTo;
  const mayMoveTo = {
    ...(farms === undefined ? {} : { farms: withMore(farms, widening.farms) }),
    ...(countries === undefined ? {} : { countries: withMore(countries, widening.countries) }),
  };
  const isEnough = widening.perMonth <= BigInt(budget.perMonth);
  const termMs = BigInt(term.untilMs - term.fromMs);
  // Of the whole term, and not of what is left of it: it must not change from look to look.
  const total = (widening.perMonth * termMs + monthMs - 1n) / monthMs;
  return {
    ...former,
    name: nextName(former.name),
    replaces: id,
    // What ran before the upgrade comes back where the wider one does not do.
    mayRollBack: true,
    budget: isEnough
      ? budget
      : {
          ...budget,
          perMonth: String(widening.perMonth) as Amount,
          total: (total > BigInt(budget.total) ? String(total) : budget.total) as Amount,
        },
    heal: { ...heal, mayMoveTo },
  };
}

function withMore<T extends string>(named: readonly T[], more: readonly T[]): T[] {
  const known = new Set<string>(named);
  return [...named, ...more.filter((one) => !known.has(one)).toSorted()];
}

/** Commands find contracts by name too: `shop`, `shop #2`, `shop #3`. */
function nextName(name: string): string {
  const [, stem = name, number = '1'] = /^(.*) #([1-9]\d{0,5})$/.exec(name) ?? [];
  const ending = ` #${Number(number) + 1}`;
  const start = stem.slice(0, nameMax - ending.length).replace(/[\uD800-\uDBFF]$/u, '');
  return `${start}${ending}`;
}
