import type { Contract, ContractId } from '@commongrid/model';
import { rentedPlaces } from '@commongrid/wallet';
import type { RentedPlace } from '@commongrid/wallet';
import type { NoticeCode } from '../errors.ts';
import { contractCommand, contractsOf, minuteOf } from './notice.ts';
import type { Finding, Findings, NoticeSeverity, NoticeView } from './notice.ts';

const hourMs = 3_600_000;

/**
 * What is left of the time that was paid for when it is told, ms, and the part of that time below which it
 * has to be. A controller takes the next lock when a tenth is left: what comes below has to do with it.
 */
const shortly: readonly Stage[] = [
  { severity: 'urgent', leftMs: 6 * hourMs, part: 40 },
  { severity: 'warning', leftMs: 48 * hourMs, part: 20 },
];

/** What is left of the term of a contract when it is told, ms, and the part of the term. */
const ending: readonly Stage[] = [
  { severity: 'urgent', leftMs: 24 * hourMs, part: 20 },
  { severity: 'warning', leftMs: 14 * 24 * hourMs, part: 10 },
];

interface Stage {
  readonly severity: NoticeSeverity;
  readonly leftMs: number;
  readonly part: number;
}

/** Times of one kind that end, those of a contract together. */
interface Ending {
  readonly code: NoticeCode;
  readonly severity: NoticeSeverity;
  readonly places: readonly RentedPlace[];
}

/** What becomes of money and of the term: for who rents, and for who rents out. */
export function moneyFindings(view: NoticeView): Findings {
  const { fold, at, bot } = view;
  const dueMs: number[] = [];
  const findings = [...contractsOf(fold)].flatMap(({ id, header }) => {
    return header.owner === bot ? termFindings(view, id, header, dueMs) : [];
  });
  const places = rentedPlaces({ fold, at });
  for (const place of places) {
    for (const ms of [place.paidUntilMs, place.pausesMs, place.keptUntilMs]) {
      if (ms !== undefined) dueMs.push(ms);
    }
  }
  const mine = Map.groupBy(places, ({ contract }) => contract);
  for (const [contract, all] of mine) {
    const header = fold.current('grid.contract.1', contract);
    if (header === undefined) continue;
    if (header.owner === bot) findings.push(...rentFindings(view, header, all, dueMs));
    findings.push(...landlordFindings(view, header, all));
  }
  const later = dueMs.filter((ms) => ms > at);
  return { findings, againMs: later.length === 0 ? undefined : Math.min(...later) };
}

function termFindings(
  view: NoticeView,
  contract: ContractId,
  { name, term }: Contract,
  dueMs: number[],
): Finding[] {
  const { fold, at } = view;
  const state = fold.contract(contract);
  const isOver = state?.agreed.remove !== undefined || state?.isReplaced === true;
  const isPlaced = (fold.current('grid.placement.1', contract)?.items.length ?? 0) > 0;
  if (isOver || !isPlaced) return [];
  const totalMs = term.untilMs - term.fromMs;
  dueMs.push(...startsOf(ending, term.untilMs, totalMs), term.untilMs);
  const severity = stageAt(ending, term.untilMs - at, totalMs);
  if (severity === undefined) return [];
  const stillMs = term.untilMs + term.graceMs;
  const when = at < term.untilMs ? `ends at ${minuteOf(term.untilMs)}` : 'is over';
  return [
    {
      ...{ about: severity, code: 'NOTICE_TERM_ENDS' satisfies NoticeCode, severity, contract },
      message: `the term of ${name} ${when}: it stands still from ${minuteOf(stillMs)} on`,
      next: 'agree on a contract that replaces it: grid contract propose',
      lastsMs: 0,
    },
  ];
}

function rentFindings(
  view: NoticeView,
  { name, term }: Contract,
  places: readonly RentedPlace[],
  dueMs: number[],
): Finding[] {
  const endings = Map.groupBy(
    places.flatMap((place) => {
      const found = endingOf(view, place, term.untilMs, dueMs);
      return found === undefined ? [] : [{ ...found, place }];
    }),
    ({ code, severity }) => `${code} ${severity}`,
  );
  return [...endings.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const one = { ...first, places: group.map(({ place }) => place) };
    return [findingOf(view, { id: first.place.contract, name }, one)];
  });
}

function endingOf(
  { fold, at }: NoticeView,
  place: RentedPlace,
  termUntilMs: number,
  dueMs: number[],
): Omit<Ending, 'places'> | undefined {
  if (place.standing === 'warned') return { code: 'NOTICE_UNPAID', severity: 'urgent' };
  if (place.standing === 'paused') return { code: 'NOTICE_PAUSED', severity: 'urgent' };
  if (place.standing === 'forfeit') return { code: 'NOTICE_FORFEIT', severity: 'urgent' };
  const untilMs = place.paidUntilMs;
  // What is paid until the end of the term is told with the term.
  if (place.standing !== 'paid' || untilMs === undefined || untilMs >= termUntilMs)
    return undefined;
  const lock = fold.current('grid.lock.1', place.lock);
  const escrow = fold.money('escrow', place.lock);
  if (lock === undefined || escrow === undefined) return undefined;
  const { amount, perSeconds } = lock.price;
  const paidMs = Number((BigInt(escrow.funded) * BigInt(perSeconds) * 1000n) / BigInt(amount));
  dueMs.push(...startsOf(shortly, untilMs, paidMs));
  const severity = stageAt(shortly, untilMs - at, paidMs);
  return severity === undefined ? undefined : { code: 'NOTICE_PAID_SHORTLY', severity };
}

function findingOf(
  view: NoticeView,
  { id: contract, name }: { readonly id: ContractId; readonly name: string },
  { code, severity, places }: Ending,
): Finding {
  const count = places.length === 1 ? 'a place' : `${places.length} places`;
  const least = (pick: (place: RentedPlace) => number | undefined): string =>
    minuteOf(Math.min(...places.map((one) => pick(one) ?? Number.MAX_SAFE_INTEGER)));
  const texts: Partial<Record<NoticeCode, () => string>> = {
    NOTICE_PAID_SHORTLY: () =>
      `the money for ${count} of ${name} ends at ${least((one) => one.paidUntilMs)}`,
    NOTICE_UNPAID: () =>
      `${count} of ${name} is not paid for: it stands still from ${least((one) => one.pausesMs)} on`,
    NOTICE_PAUSED: () =>
      `${count} of ${name} stands still, unpaid: data are kept until ${least((one) => one.keptUntilMs)}`,
    NOTICE_FORFEIT: () => `${count} of ${name} was unpaid for so long that data may be deleted`,
  };
  return {
    ...{ about: severity, code, severity, contract, message: texts[code]?.() ?? code, lastsMs: 0 },
    next: contractCommand(view, 'show', contract),
  };
}

/** What an owner of a farm may give up by now. */
function landlordFindings(
  view: NoticeView,
  { name }: Contract,
  places: readonly RentedPlace[],
): Finding[] {
  const due = places.filter((one) => one.farmer === view.bot && one.standing === 'forfeit');
  const [first] = due;
  if (first === undefined) return [];
  const count = due.length === 1 ? 'one place' : `${due.length} places`;
  return [
    {
      ...{ about: '', code: 'NOTICE_TENANT_GONE' satisfies NoticeCode, severity: 'info' },
      contract: first.contract,
      message: `nobody paid for ${count} of ${name} on your nodes: you may give the data up`,
      next: contractCommand(view, 'discard', first.contract),
      lastsMs: 0,
    },
  ];
}

function boundOf({ leftMs, part }: Stage, totalMs: number): number {
  return Math.min(leftMs, totalMs / part);
}

/** The most pressing stage that is reached. */
function stageAt(
  stages: readonly Stage[],
  leftMs: number,
  totalMs: number,
): NoticeSeverity | undefined {
  return stages.find((stage) => leftMs <= boundOf(stage, totalMs))?.severity;
}

function startsOf(stages: readonly Stage[], untilMs: number, totalMs: number): readonly number[] {
  return stages.map((stage) => Math.ceil(untilMs - boundOf(stage, totalMs)));
}
