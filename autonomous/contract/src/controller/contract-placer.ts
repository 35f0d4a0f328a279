import { GridError } from '@commongrid/base';
import { isHalted } from '@commongrid/model';
import type { ContractId, ContractRole, LockId, NodeId, Placement } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import type { ContractErrorCode } from '../errors.ts';
import type { Assessment, WantedUnit } from '../heal/assess-units.ts';
import { wordOf } from '../heal/node-word.ts';
import { EndWaits } from '../heal/single-writer.ts';
import { slotKey } from '../plan/units.ts';
import type { Shortage } from '../propose/widening.ts';
import { blocked } from './blocked.ts';
import type { Blocked } from './blocked.ts';
import { confirmMoves } from './confirm-moves.ts';
import { findPlaces } from './find-places.ts';
import type { FoundPlaces } from './find-places.ts';
import { inParallel } from './in-parallel.ts';
import type { ContractCase, ControllerTools, Look } from './look.ts';
import type { PlaceBook } from './place-book.ts';
import type { LockWish } from './ports.ts';
import { withdrawal } from './rollout.ts';
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
  /** What found no place. */
  readonly shortage?: Shortage | undefined;
}

type Secrets = Parameters<typeof writePlacement>[0]['secrets'];

interface Supplied {
  readonly target: Target;
  readonly need: Need;
}

/** Finds nodes for what needs a place, gets locks, pays for them, places: whichever comes next. */
export class ContractPlacer {
  readonly #options: ContractPlacerOptions;
  /** Nodes on which no lock was given, until when and why. */
  readonly #declined = new Map<NodeId, { readonly untilMs: number; readonly why: Blocked }>();
  /** For the ends of single writers. */
  readonly waits = new EndWaits();
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
    const { id, header } = one;
    const held = assessment.blocked;
    const { secrets, hindrance = [] } = await this.#openFor(step, assessment.wanted);
    if (secrets === undefined) return { hasActed: false, blocked: [...held, ...hindrance] };
    const { book } = this.#options;
    const directory = await book.directory(id, at, signal);
    const isFirst = fold.current('grid.placement.1', id) === undefined;
    const places = this.#find(step, directory, assessment.wanted, isFirst);
    const targets = places.units.flat();
    if (targets.length === 0) {
      book.drop(id);
      const why = [...held, ...this.#reasons(look, places)];
      return { hasActed: false, blocked: why, shortage: places.shortage };
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
      const done = await this.#supply(step, supplied.flat(), reasons);
      return { ...done, shortage: places.shortage };
    }
    // Money, and at once what it is for: the log took it, so the view need not have it.
    const goes = payable.flat();
    this.#confirm(step, goes);
    const escrows = goes.flatMap(({ need }) => (need.is === 'escrow' ? [need.escrow] : []));
    const paid = inParallel(escrows, (value) => step.write('grid.escrow.1', value.lock, value));
    await this.#place(step, { ready: goes, paid, secrets, isFirst });
    return { hasActed: true, blocked: reasons };
  }

  /**
   * Ends single writers where they are, so that they can begin elsewhere: those for which there is a place.
   * What the node says against them must hold still.
   */
  async end(step: PlaceStep): Promise<PlaceDone> {
    const { look, one, fence, assessment, write, signal } = step;
    const { id } = one;
    const { secrets, hindrance = [] } = await this.#openFor(step, assessment.ends);
    if (secrets === undefined) return { hasActed: false, blocked: hindrance };
    const directory = await this.#options.book.directory(id, look.at, signal);
    const places = this.#find(step, directory, assessment.ends, false);
    const ending = new Set(places.units.flat().map(keyOf));
    const items = look.fold.current('grid.placement.1', id)?.items ?? [];
    const ends = items.filter((item) => {
      return ending.has(slotKey(item)) && wordOf(look.fold, id, item) !== undefined;
    });
    const reasons = this.#reasons(look, places);
    const { shortage } = places;
    if (ends.length === 0) return { hasActed: false, blocked: reasons, shortage };
    const rest = items.filter((item) => !ends.includes(item));
    const isDrain = assessment.ends.every(({ leaves }) => leaves === 'leaving');
    const change = { items: rest, reason: isDrain ? 'drain' : 'heal' } as const;
    await write('grid.placement.1', id, withdrawal(look, id, fence, change));
    return { hasActed: true, blocked: reasons };
  }

  /** Secrets of what is to be placed; or why nothing can be placed. */
  async #openFor(
    { look: { fold, at }, one: { header, state, paper } }: PlaceStep,
    units: readonly WantedUnit[],
  ): Promise<{ readonly secrets?: Secrets; readonly hindrance?: readonly Blocked[] }> {
    if (at < header.term.fromMs || at >= header.term.untilMs) return {};
    if (isHalted(fold, state, { seq: Number.MAX_SAFE_INTEGER, at })) {
      return { hindrance: [blocked('HEAL_HALTED', 'somebody who may has halted the contract')] };
    }
    const { found, missing } = await openSecrets(header, rolesOf(units), paper);
    if (missing.length === 0) return { secrets: found };
    const text = `these secrets are not at hand: ${missing.join(', ')}`;
    return { hindrance: [blocked('SECRETS_UNAVAILABLE', text)] };
  }

  #find(
    { look, one, assessment }: PlaceStep,
    directory: Directory,
    wanted: readonly WantedUnit[],
    isFirst: boolean,
  ): FoundPlaces {
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
    const goes = new Set(wanted.flatMap(({ unit }) => unit.slots));
    const stays = assessment.stays.filter((item) => !goes.has(slotKey(item)));
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
    {
      ready,
      paid,
      secrets,
      isFirst,
    }: {
      readonly ready: readonly Supplied[];
      readonly paid: Promise<unknown>;
      readonly secrets: Secrets;
      readonly isFirst: boolean;
    },
  ): Promise<void> {
    const { look, one, fence, write, signal } = step;
    const { ports, book } = this.#options;
    const { fold, at } = look;
    const slots = new Set(ready.map(({ target }) => keyOf(target)));
    // What is still without a place stays where it was, though that is lost.
    const former = fold.current('grid.placement.1', one.id)?.items ?? [];
    await writePlacement({
      ...{ draft: one.paper.draft, fold, at, fence, secrets, paid, write },
      reason: reasonOf(step, isFirst, slots),
      stays: former.filter((item) => !slots.has(slotKey(item))),
      goes: ready.map(({ target, need }) => {
        const lock = need.is === 'nothing' || need.is === 'escrow' ? need.lock?.id : undefined;
        return { ...target, lock };
      }),
      confirm: () => this.#confirm(step, ready),
      nodeOf: (node) => ports.grid.node(node, { signal }),
    });
    book.settle(one.id);
  }

  /** @returns log time before which it has to be in the log @throws CONTRACT_NODE_BACK */
  #confirm(
    { look, one, assessment: { wanted } }: PlaceStep,
    ready: readonly Supplied[],
  ): number | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    return confirmMoves({
      look,
      one,
      wanted,
      nowMs,
      waits: this.waits,
      targets: ready.map(({ target }) => target),
    });
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
function reasonOf(
  { one: { header }, assessment: { wanted } }: PlaceStep,
  isFirst: boolean,
  slots: ReadonlySet<string>,
): Placement['reason'] {
  if (isFirst) return header.replaces === undefined ? 'initial' : 'upgrade';
  const goes = wanted.filter(({ unit }) => unit.slots.some((slot) => slots.has(slot)));
  return goes.every(({ leaves }) => leaves === 'leaving') ? 'drain' : 'heal';
}

function rolesOf(units: readonly WantedUnit[]): readonly ContractRole[] {
  return [...new Set(units.flatMap(({ unit }) => unit.roles))];
}

function keyOf({ role, replica }: Target): string {
  return slotKey({ role: role.name, replica });
}
