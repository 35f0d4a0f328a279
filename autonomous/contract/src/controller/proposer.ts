import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import { successorOf } from '@commongrid/model';
import type { ContractId, Moment } from '@commongrid/model';
import { compareHeaders } from '../compare/compare-contracts.ts';
import {
  proposalsAmong,
  proposalState,
  reopeningOf,
  withdrawalOf,
} from '../propose/proposal-state.ts';
import type { ProposalState } from '../propose/proposal-state.ts';
import { wideningOf, wouldDo } from '../propose/widening.ts';
import type { Shortage } from '../propose/widening.ts';
import { isWiderContract, paperOf, widerContract } from '../propose/wider-contract.ts';
import { ruleOf } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import type { ContractCase, ControllerTools, Look } from './look.ts';
import type { ContractPaper } from './ports.ts';
import type { Write } from './write-placement.ts';

/** How long something has to wait, or not to wait any more, before that is acted on, ms. */
const patienceMs = 5_000;
/** From one draft of a contract to the next, ms. */
const paceMs = 600_000;
/** From one time that it is worked out what would do to the next, ms; twice as long each time that nothing changed, */
const reckonEveryMs = 2_000;
/** up to this, ms. */
const reckonEveryMsMax = 60_000;
/** Drafts that were made for one contract in all: more are not proposed. */
const proposalsMax = 16;

export interface ProposeStep {
  readonly look: Look;
  readonly one: ContractCase;
  /** What found no place in this step. */
  readonly shortage: Shortage | undefined;
  readonly blocked: readonly Blocked[];
  /** The lease of the contract is held by who writes. */
  readonly write: Write;
}

export interface ProposeDone {
  readonly hasActed: boolean;
  /** What it waits for, with the proposal that would help. */
  readonly blocked: readonly Blocked[];
}

/** What is said beside a reason to wait. */
interface Note {
  readonly text: string;
  readonly proposal?: ContractId;
}

/** When it was worked out last what would do, and for what. */
interface Reckoning {
  readonly of: string;
  readonly atMs: number;
  readonly pauseMs: number;
}

/**
 * Drafts the contract that would allow what a contract does not: the same one with other farms, countries or more
 * money, as little as helps. It is appended as a proposal, and comes to something only as any other upgrade does:
 * once its own people, and those who decide over upgrades of the former one, agreed to it.
 *
 * 1. What waits must have waited for a while, and a draft that is open and would do is kept: there is one at a time.
 * 2. The same need gives the same bytes. So whoever starts anew, or was killed, proposes nothing twice.
 * 3. Once nothing waits any more the owner's bot takes it back by a word of the owner against it: a signature that
 *    comes late brings nothing about. The same need reopens it, unless people said no.
 * 4. Contracts with data are left alone: an upgrade does not take data along.
 */
export class Proposer {
  readonly #tools: ControllerTools;
  #waitsSinceMs: number | undefined;
  #overSinceMs: number | undefined;
  #notBeforeMs = 0;
  #reckoning: Reckoning | undefined;
  #note: Note | undefined;

  constructor(tools: ControllerTools) {
    this.#tools = tools;
  }

  /** Whether a draft is soon to be taken back, though nothing is blocked. */
  get isWaiting(): boolean {
    return this.#overSinceMs !== undefined;
  }

  async step(step: ProposeStep): Promise<ProposeDone> {
    const { look, one, shortage, blocked } = step;
    const { proposals } = this.#tools.ports;
    if (proposals === undefined || one.header.owner !== proposals.owner) return idle(blocked);
    const { known, open } = knownOf(look, one.id);
    const successor = successorOf(look.fold, one.id);
    if (successor !== undefined && (await this.#adopt(step, successor))) {
      return { hasActed: true, blocked };
    }
    const isWanted = shortage !== undefined && successor === undefined;
    if (isWanted) {
      this.#overSinceMs = undefined;
      this.#waitsSinceMs ??= look.nowMs;
      const hasActed = await this.#propose(step, shortage, known, open);
      return { hasActed, blocked: blocked.map((why) => withNote(why, shortage, this.#note)) };
    }
    [this.#waitsSinceMs, this.#note, this.#reckoning] = [undefined, undefined, undefined];
    const isOver = blocked.length === 0 || successor !== undefined;
    if (!isOver || open.length === 0) {
      this.#overSinceMs = undefined;
      return idle(blocked);
    }
    this.#overSinceMs ??= look.nowMs;
    if (look.nowMs - this.#overSinceMs < patienceMs) return idle(blocked);
    await withdraw(look, open, step.write);
    this.#overSinceMs = undefined;
    return { hasActed: true, blocked };
  }

  /** Whether anything that was proposed for a contract that is removed waits for signers. */
  isToEnd(look: Look, { id, header }: ContractCase): boolean {
    const { proposals } = this.#tools.ports;
    return proposals?.owner === header.owner && knownOf(look, id).open.length > 0;
  }

  /** Takes back what was proposed for a contract that is removed. @returns whether anything was appended */
  async end(look: Look, one: ContractCase, write: Write): Promise<boolean> {
    const { proposals } = this.#tools.ports;
    if (proposals === undefined || one.header.owner !== proposals.owner) return false;
    let hasActed = false;
    for (const id of knownOf(look, one.id).open) {
      try {
        await withdraw(look, [id], write);
        hasActed = true;
      } catch (error) {
        // A word that is never taken must not hold up the removal.
        if (!isForGood(error)) throw error;
        this.#tools.logger.warn({ contract: one.id, proposal: id, error }, 'a proposal stays open');
      }
    }
    return hasActed;
  }

  /** What was agreed to is placed here too where another controller drafted it, or its papers were lost. */
  async #adopt({ look, one }: ProposeStep, successor: ContractId): Promise<boolean> {
    const { papers, proposals } = this.#tools.ports;
    const header = look.fold.current('grid.contract.1', successor);
    if (proposals === undefined || header === undefined) return false;
    if (papers.of(successor) !== undefined) return false;
    if (!isWiderContract(one.header, one.id, header)) return false;
    await proposals.keep(paperOf(one.paper, header));
    return true;
  }

  /** Whether it is time to work out again what would do. */
  #isDue(look: Look, shortage: Shortage, known: readonly ContractId[]): boolean {
    const slots = shortage.units.flatMap(({ unit }) => unit.slots);
    const of = JSON.stringify([slots, known.map((id) => [id, stateOf(look, id)])]);
    const last = this.#reckoning;
    const isSame = last?.of === of;
    if (isSame && look.nowMs - last.atMs < last.pauseMs) return false;
    const isSettled = look.nowMs - (this.#waitsSinceMs ?? look.nowMs) >= patienceMs;
    const pauseMs =
      isSame && isSettled ? Math.min(reckonEveryMsMax, 2 * last.pauseMs) : reckonEveryMs;
    this.#reckoning = { of, atMs: look.nowMs, pauseMs };
    return true;
  }

  /** @returns whether anything was appended */
  async #propose(
    step: ProposeStep,
    shortage: Shortage,
    known: readonly ContractId[],
    open: readonly ContractId[],
  ): Promise<boolean> {
    const { look, one } = step;
    if (!this.#isDue(look, shortage, known)) return false;
    this.#note = undefined;
    const live = open.find((id) => {
      const header = look.fold.current('grid.contract.1', id);
      return header !== undefined && wouldDo(shortage, header);
    });
    if (live !== undefined) {
      this.#note = openNote(look, one, live);
      return false;
    }
    const widening = wideningOf(shortage);
    if (widening === undefined) return false;
    if (one.roles.some(({ data }) => data !== 'none')) {
      const text =
        'a contract that allows it is not proposed by itself, since upgrades take no data along';
      this.#note = { text };
      return false;
    }
    const paper = widerContract(one.paper, widening);
    const state = stateOf(look, paper.draft.id);
    if (state === 'rejected' || state === 'settled') {
      const fate = state === 'rejected' ? 'was rejected' : 'was ended';
      this.#note = { text: `the contract that would allow it ${fate}: ${paper.draft.id}` };
      return false;
    }
    if (state === 'unknown' && known.length >= proposalsMax) {
      this.#note = { text: `${known.length} contracts were proposed for it, which is the most` };
      return false;
    }
    const waitsMs = look.nowMs - (this.#waitsSinceMs ?? look.nowMs);
    if (waitsMs < patienceMs || look.nowMs < this.#notBeforeMs) return false;
    const hasActed = await this.#append(step, paper, state, open);
    this.#notBeforeMs = look.nowMs + paceMs;
    return hasActed;
  }

  async #append(
    step: ProposeStep,
    paper: ContractPaper,
    state: ProposalState,
    open: readonly ContractId[],
  ): Promise<boolean> {
    const { look, one, write } = step;
    const { id, header } = paper.draft;
    const { ports, logger } = this.#tools;
    try {
      await withdraw(look, open, write);
      const reopening = reopeningOf(look.fold, id, look.at);
      // Whoever places it has its papers before there is anything to place.
      await ports.proposals?.keep(paper);
      if (state === 'unknown') await write('grid.contract.1', id, header);
      else if (reopening !== undefined)
        await write('grid.approval.1', objectOf(reopening), reopening);
      logger.info({ contract: one.id, proposal: id }, 'a contract that allows more is proposed');
      return true;
    } catch (error) {
      // What may pass is tried again as a whole.
      if (!isForGood(error)) throw error;
      logger.warn({ contract: one.id, error }, 'a contract that allows more cannot be proposed');
      this.#note = {
        text: `a contract that allows it cannot be proposed: ${ruleOf(error) ?? error.code}`,
      };
      return false;
    }
  }
}

/** Whether the same thing would fail again. */
function isForGood(error: unknown): error is GridError {
  return isGridError(error) && !error.retryable && error.code !== 'BASE_ABORTED';
}

function idle(blocked: readonly Blocked[]): ProposeDone {
  return { hasActed: false, blocked };
}

function stateOf({ fold, at }: Look, id: ContractId): ProposalState {
  const now: Moment = { seq: Number.MAX_SAFE_INTEGER, at };
  return proposalState(fold, id, now);
}

/** What was drafted for a contract, as far as its papers are here, and what of it waits for signers. */
function knownOf(look: Look, id: ContractId) {
  const known = proposalsAmong(look.fold, id, look.successorsOf(id));
  return { known, open: known.filter((one) => stateOf(look, one) === 'open') };
}

async function withdraw(look: Look, ids: readonly ContractId[], write: Write): Promise<void> {
  for (const id of ids) {
    const word = withdrawalOf(look.fold, id);
    if (word !== undefined) await write('grid.approval.1', objectOf(word), word);
  }
}

function objectOf({ signer, hash }: { readonly signer: string; readonly hash: string }): string {
  return `${signer}/${hash}`;
}

/** What the proposal allows that its former contract does not. */
function openNote({ fold }: Look, one: ContractCase, proposal: ContractId): Note | undefined {
  const header = fold.current('grid.contract.1', proposal);
  if (header === undefined) return undefined;
  const changes = compareHeaders(one.header, header)
    .filter(({ path }) => path.startsWith('/heal') || path.startsWith('/budget'))
    .map(({ path, from, to }) => `${path} ${JSON.stringify(from)} -> ${JSON.stringify(to)}`);
  return { text: `proposed is ${header.name}: ${changes.join(', ')}`, proposal };
}

function withNote(why: Blocked, { units }: Shortage, note: Note | undefined): Blocked {
  if (note === undefined) return why;
  const slots = new Set(units.flatMap(({ unit }) => unit.slots));
  if (!why.slots.some((slot) => slots.has(slot)) || why.code === 'HEAL_DECLINED') return why;
  const message = `${why.message}; ${note.text}`;
  if (note.proposal === undefined) return { ...why, message };
  const hint = `agree to it: grid contract sign ${note.proposal}`;
  return { ...why, message, hint, proposal: note.proposal };
}
