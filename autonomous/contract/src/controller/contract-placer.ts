import { GridError } from '@commongrid/base';
import { isHalted } from '@commongrid/model';
import type { ContractId, ContractRole, LockId, NodeId } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import type { ContractErrorCode } from '../errors.ts';
import type { Assessment } from '../heal/assess-units.ts';
import { slotKey } from '../plan/units.ts';
import { blocked } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import { findPlaces } from './find-places.ts';
import type { FoundPlaces } from './find-places.ts';
import { inParallel } from './in-parallel.ts';
import type { ContractCase, ControllerTools, Look } from './look.ts';
import type { PlaceBook } from './place-book.ts';
import type { LockWish } from './ports.ts';
import { openSecrets } from './secret-openings.ts';
import { farmOf, needOf } from './supply.ts';
import type { Need, Target } from './supply.ts';
import { writePlacement } from './write-placement.ts';
import type { Write } from './write-placement.ts';

/** How long a node is left alone on which a farmer gave no lock, ms. */
const declinedForMs = 60_000;

export interface ContractPlacerOptions extends ControllerTools {
  readonly id: ContractId;
  readonly book: PlaceBook;
}

export interface PlaceStep {
  readonly look: Look;
  readonly one: ContractCase;
  readonly fence: number;
  readonly assessment: Assessment;
  readonly write: Write;
  readonly signal: AbortSignal;
}

export interface PlaceDone {
  /** Whether anything was appended or learned, so that there may be more to do. */
  readonly hasActed: boolean;
  readonly blocked: readonly Blocked[];
}

interface Supplied {
  readonly target: Target;
  readonly need: Need;
}

/** Finds nodes for what needs a place, gets locks, pays for them, places: whichever comes next. */
export class ContractPlacer {
  readonly #options: ContractPlacerOptions;
  /** Nodes on which no lock was given, until when and why. */
  readonly #declined = new Map<NodeId, { readonly untilMs: number; readonly why: Blocked }>();
  /** The last lock that was given for a slot on a node. */
  readonly #given = new Map<string, LockId>();

  constructor(options: ContractPlacerOptions) {
    this.#options = options;
  }

  /** Whether a node was tried lately and did not do. */
  isExcluded(node: NodeId, nowMs: number): boolean {
    return nowMs < (this.#declined.get(node)?.untilMs ?? 0);
  }

  async step(step: PlaceStep): Promise<PlaceDone> {
    const { look, one, assessment, signal } = step;
    const { fold, at } = look;
    const { id, header, state } = one;
    const held = assessment.blocked;
    const isInTerm = at >= header.term.fromMs && at < header.term.untilMs;
    if (!isInTerm) return { hasActed: false, blocked: held };
    if (isHalted(fold, state, { seq: Number.MAX_SAFE_INTEGER, at })) {
      return rest(held, blocked('HEAL_HALTED', 'somebody who may has halted the contract'));
    }
    const { found: secrets, missing } = await openSecrets(header, rolesOf(assessment), one.paper);
    if (missing.length > 0) {
      const text = `these secrets are not at hand: ${missing.join(', ')}`;
      return rest(held, blocked('SECRETS_UNAVAILABLE', text));
    }
    const { book } = this.#options;
    const directory = await book.directory(id, at, signal);
    const isFirst = fold.current('grid.placement.1', id) === undefined;
    const places = this.#find(step, directory, isFirst);
    const targets = places.units.flat();
    if (targets.length === 0) {
      book.drop(id);
      return { hasActed: false, blocked: [...held, ...this.#reasons(look, places)] };
    }
    const uses = targets.map(({ node, role }) => ({ node, ...role.resources }));
    book.claim(id, uses);
    const reasons = [...held, ...this.#reasons(look, places)];
    const input = { id, header, fold, at, journal: look.journal.of(id), directory };
    const supplied = places.units.map((unit) =>
      unit.map((target): Supplied => ({ target, need: needOf(input, target) })),
    );
    const payable = supplied.filter((unit) => {
      return unit.every(({ need }) => need.is === 'nothing' || need.is === 'escrow');
    });
    if (payable.length === 0 || (isFirst && payable.length < supplied.length)) {
      return this.#supply(step, supplied.flat(), reasons);
    }
    // Money, and at once what it is for: the log took it, so the view need not have it.
    const ready = payable.flat();
    this.#confirmLost(step, ready);
    const escrows = ready.flatMap(({ need }) => (need.is === 'escrow' ? [need.escrow] : []));
    await inParallel(escrows, (value) => step.write('grid.escrow.1', value.lock, value));
    await this.#place(step, ready, secrets, isFirst);
    return { hasActed: true, blocked: reasons };
  }

  #find({ look, one, assessment }: PlaceStep, directory: Directory, isFirst: boolean): FoundPlaces {
    const { header, roles, paper } = one;
    const { fold, nowMs, watch } = look;
    const isForeign = (node: NodeId): boolean => farmOf(directory, node)?.owner !== header.owner;
    const except = directory.nodes.filter(({ id }) => {
      if (this.isExcluded(id, nowMs) || watch.outlook(id, header.heal) !== 'alive') return true;
      return this.#options.ports.market === undefined && isForeign(id);
    });
    const wishes = {
      ...(isFirst ? { only: paper.only } : {}),
      except: new Set(except.map(({ id }) => id)),
    };
    const { stays, wanted } = assessment;
    return findPlaces({
      ...{ header, roles, fold, directory, stays, wanted, wishes },
      isAtOnce: isFirst,
    });
  }

  /** Where something finds no place, what farmers said is a part of why. */
  #reasons({ nowMs }: Look, places: FoundPlaces): readonly Blocked[] {
    if (places.blocked.length === 0) return [];
    const declined = [...this.#declined.values()].filter(({ untilMs }) => nowMs < untilMs);
    return [...places.blocked, ...declined.map(({ why }) => why)];
  }

  async #place(
    step: PlaceStep,
    ready: readonly Supplied[],
    secrets: Parameters<typeof writePlacement>[0]['secrets'],
    isFirst: boolean,
  ): Promise<void> {
    const { look, one, fence, write, signal } = step;
    const { ports, book } = this.#options;
    const { fold, at } = look;
    const slots = new Set(ready.map(({ target }) => keyOf(target)));
    // What is still without a place stays where it was, though that is lost.
    const former = fold.current('grid.placement.1', one.id)?.items ?? [];
    await writePlacement({
      ...{ draft: one.paper.draft, fold, at, fence, secrets, write },
      reason: reasonOf(one, isFirst),
      stays: former.filter((item) => !slots.has(slotKey(item))),
      goes: ready.map(({ target, need }) => {
        const lock = need.is === 'nothing' || need.is === 'escrow' ? need.lock?.id : undefined;
        return { ...target, lock };
      }),
      confirm: () => this.#confirmLost(step, ready),
      nodeOf: (node) => ports.grid.node(node, { signal }),
    });
    book.settle(one.id);
  }

  /**
   * Nothing is moved away from a node that is back meanwhile: it may go on with what it has.
   * @returns log time before which a move has to be in the log; undefined where nothing moves
   */
  #confirmLost(
    { look, one: { id, header } }: PlaceStep,
    ready: readonly Supplied[],
  ): number | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const former = look.fold.current('grid.placement.1', id)?.items ?? [];
    const before = new Map(former.map((item) => [slotKey(item), item.node]));
    let hasMoved = false;
    for (const { target } of ready) {
      const node = before.get(keyOf(target));
      if (node === undefined || node === target.node) continue;
      hasMoved = true;
      if (look.watch.isStillLost(node, header.heal, nowMs)) continue;
      throw new GridError<ContractErrorCode>(
        'CONTRACT_NODE_BACK',
        `${node} is not known to be lost any more`,
        { retryable: true, details: { contract: id, node } },
      );
    }
    return hasMoved ? look.watch.movesBeforeMs : undefined;
  }

  /** Gets the locks that miss, and says what there is no money for. */
  async #supply(
    step: PlaceStep,
    all: readonly Supplied[],
    reasons: readonly Blocked[],
  ): Promise<PlaceDone> {
    const wishes = all.flatMap(({ need }) => (need.is === 'lock' ? [need.wish] : []));
    if (wishes.length > 0) return this.#obtain(step, wishes, reasons);
    const slotsOf = (is: Need['is']): readonly string[] =>
      all.flatMap(({ target, need }) => (need.is === is ? [keyOf(target)] : []));
    const [short, lost] = [slotsOf('money'), slotsOf('noFarm')];
    const budget = 'the budget has not even left what the locks ask for';
    const farm = 'nothing is known of the farm of its node';
    return {
      hasActed: false,
      blocked: [
        ...reasons,
        ...(short.length === 0 ? [] : [blocked('HEAL_BUDGET', budget, short)]),
        ...(lost.length === 0 ? [] : [blocked('HEAL_NOTHING_FITS', farm, lost)]),
      ],
    };
  }

  async #obtain(
    { look, signal }: PlaceStep,
    wishes: readonly LockWish[],
    reasons: readonly Blocked[],
  ): Promise<PlaceDone> {
    const { logger } = this.#options;
    const refused = await inParallel(wishes, async (wish): Promise<readonly Blocked[]> => {
      const { contract, node, slot } = wish;
      try {
        await this.#ask(wish, signal);
        return [];
      } catch (error) {
        if (signal.aborted) throw error;
        logger.info({ contract, node, error }, 'a farmer gives no lock');
        const text = error instanceof Error ? error.message : String(error);
        const why = blocked('HEAL_DECLINED', text, [slotKey(slot)]);
        this.#declined.set(node, { untilMs: look.nowMs + declinedForMs, why });
        return [why];
      }
    });
    return { hasActed: true, blocked: [...reasons, ...refused.flat()] };
  }

  /** @throws what the market throws, CONTRACT_LOCK_UNFIT when it gives again what was of no use */
  async #ask(wish: LockWish, signal: AbortSignal): Promise<void> {
    const key = `${slotKey(wish.slot)} ${wish.node}`;
    const lock = await this.#options.ports.market?.obtain(wish, { signal });
    // What was given before is in the view by now, and would have been taken if it did.
    if (lock === undefined || this.#given.get(key) === lock) {
      this.#given.delete(key);
      throw new GridError<ContractErrorCode>(
        'CONTRACT_LOCK_UNFIT',
        `the lock that the farmer gives for ${key} costs more, or keeps less, than it has to`,
        { details: { lock } },
      );
    }
    this.#given.set(key, lock);
  }
}

/** A contract that replaces another is not new where it is placed, unit by unit. */
function reasonOf({ header }: ContractCase, isFirst: boolean): 'initial' | 'heal' | 'upgrade' {
  if (!isFirst) return 'heal';
  return header.replaces === undefined ? 'initial' : 'upgrade';
}

function rest(held: readonly Blocked[], why: Blocked): PlaceDone {
  return { hasActed: false, blocked: [...held, why] };
}

function rolesOf({ wanted }: Assessment): readonly ContractRole[] {
  return [...new Set(wanted.flatMap(({ unit }) => unit.roles))];
}

function keyOf({ role, replica }: Target): string {
  return slotKey({ role: role.name, replica });
}
