import { contractIdOf } from '@commongrid/model';
import type { BotId, Contract, ContractId, GridFold } from '@commongrid/model';

/** How much a notice presses: whether anything stops, and how soon. */
export type NoticeSeverity =
  | 'info' // good to know
  | 'warning' // something is waited for, or will stop unless it is done
  | 'urgent'; // something stopped, or is about to

/** Something about a contract that its owner, signer or landlord should know. */
export interface Finding {
  /** What makes it this one and no other, with its code and contract: empty where those do. */
  readonly about: string;
  /** A `NoticeCode`, or what a controller is blocked by. */
  readonly code: string;
  readonly severity: NoticeSeverity;
  readonly contract: ContractId;
  readonly message: string;
  /** A command, or what else is to be done. */
  readonly next: string;
  /** It has to last so long before it is told, ms. */
  readonly lastsMs: number;
}

/** What a bot was told, as of one moment. */
export interface NoticeView {
  readonly bot: BotId;
  readonly fold: GridFold;
  /** Log time, ms since 1970. */
  readonly at: number;
}

/** What holds at a moment. */
export interface Findings {
  readonly findings: readonly Finding[];
  /** Log time at which there is more to find though nothing is told; undefined where there is none. */
  readonly againMs: number | undefined;
}

/** What names a finding as long as it holds. */
export function keyOf({ code, contract, about }: Finding): string {
  return [code, contract, about].join(' ');
}

const ids = new WeakMap<Contract, ContractId>();

/** Contracts that a bot was told of, each with its id. */
export function* contractsOf(
  fold: GridFold,
): Generator<{ readonly id: ContractId; readonly header: Contract }> {
  for (const header of fold.objects('grid.contract.1')) {
    const id = ids.get(header) ?? contractIdOf(header);
    ids.set(header, id);
    yield { id, header };
  }
}

/** A command on a contract, for whoever has this bot. */
export function contractCommand(
  { fold, bot }: NoticeView,
  verb: string,
  contract: ContractId,
): string {
  const name = fold.bot(bot)?.names.at(-1);
  return `grid contract ${verb} ${contract}${name === undefined ? '' : ` --bot ${name}`}`;
}

/** A time as notices show it: UTC, to the minute. */
export function minuteOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
