import type { Blocked, BlockedCode } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';
import { contractCommand } from './notice.ts';
import type { Finding, NoticeSeverity, NoticeView } from './notice.ts';

/** What a controller of the bot cannot go on with. */
export interface BlockedContract {
  readonly contract: ContractId;
  readonly name: string;
  readonly blocked: readonly Blocked[];
}

/** A reason lasts so long before it is told: what is tried again at once is no news, ms. */
const blockedMs = 10_000;
/** The same of what goes on by itself unless it lasts, ms. */
const patientMs = 600_000;

const patient: ReadonlySet<BlockedCode> = new Set([
  'HEAL_DRAIN',
  'HEAL_HANDOVER',
  'HEAL_RATE',
  'HEAL_UNREACHABLE',
]);

/** Data or machines are at stake. */
const urgent: ReadonlySet<BlockedCode> = new Set([
  'HEAL_LOCAL_DATA',
  'HEAL_MONEY',
  'HEAL_SHARDS_AWAY',
  'HEAL_STORM',
]);

/** What contracts wait for, for people. That another controller acts is none of it. */
export function blockedFindings(
  view: NoticeView,
  contracts: readonly BlockedContract[],
): readonly Finding[] {
  return contracts.flatMap(({ contract, name, blocked }) =>
    blocked.flatMap(({ code, message, hint, slots }): Finding[] => {
      if (code === 'HEAL_LEASE_TAKEN') return [];
      const severity: NoticeSeverity = urgent.has(code) ? 'urgent' : 'warning';
      const whose = slots.length === 0 ? name : `${name}, ${slots.join(', ')}`;
      // One code may hold for several slots, each for a reason of its own.
      const about = slots.toSorted().join(' ');
      return [
        {
          ...{ about, code, severity, contract, message: `${whose}: ${message}` },
          next: `${hint}; ${contractCommand(view, 'status', contract)}`,
          lastsMs: patient.has(code) ? patientMs : blockedMs,
        },
      ];
    }),
  );
}
