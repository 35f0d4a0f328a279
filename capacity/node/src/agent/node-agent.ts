import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnce, FolderLock, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { SealingKey } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { desiredOf, GridFold, isolationLookMs, nodeIdOf, nodeStanding } from '@commongrid/model';
import type { Desired, GridRecord, NodeId, SealingKeyText, WorkloadId } from '@commongrid/model';
import { followSource } from '../grid/follow-source.ts';
import { GridCopy } from '../grid/grid-copy.ts';
import type { FactStore, Machine } from '../machine/machine.ts';
import type { SourceChange, WorkloadSource } from '../ports.ts';
import type { Room } from '../reconcile/admission.ts';
import { NodeState } from '../reconcile/node-state.ts';
import type { NumberedEvent, OwnEvent } from '../reconcile/node-state.ts';
import { observeWorkload } from '../receipts/observe-workload.ts';
import { Receipts } from '../receipts/receipts.ts';
import { resumeMeters } from '../receipts/resume-meters.ts';
import { Reconciler, serviceIn } from '../reconcile/reconciler.ts';
import type { Service } from '../reconcile/reconciler.ts';
import type { Wish } from '../reconcile/wish.ts';
import { watchAddresses } from './address-watch.ts';
import { BootClearance } from './boot-clearance.ts';
import { EventReporter } from './event-reporter.ts';
import type { NodeFacts } from './introduction.ts';
import { Introducer } from './introducer.ts';
import { LogTime } from './log-time.ts';
import { SingleWriters } from './single-writers.ts';
import { WishMaker } from './wish-maker.ts';
import { addressesWithDoors } from '../zdb/zdb-address.ts';

export interface NodeAgentOptions {
  /** Folder of this node alone; made when missing. */
  readonly folder: string;
  /** Is closed with the node. */
  readonly source: WorkloadSource;
  /** Key of the node; what is sealed to it is derived from it. */
  readonly key: SigningKey;
  /** Keys of the genesis that sign releases. */
  readonly releaseKeys: readonly string[];
  /** What the node says of itself: name, farm, capacity, features, addresses. */
  readonly facts: Omit<NodeFacts, 'id' | 'seal'>;
  /** Looks where the machine is reached now. Without it that is where `facts` say. */
  readonly findAddresses?: (() => Promise<readonly string[]>) | undefined;
  readonly capacity: Room;
  /** Opens what makes workloads true, once the folder is this process's own. */
  readonly openMachine: (facts: FactStore) => Promise<Machine>;
  /** Drawn at the boot of the machine, 16 bytes as base64url. */
  readonly bootId: string;
  /** Time that a receipt is about, ms; default: an hour. */
  readonly receiptsEveryMs?: number | undefined;
  /** Gets every event, once it is kept. */
  readonly onEvent?: (event: NumberedEvent) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How often deadlines are looked at when nothing else happens, ms; seldom where none is near. */
const lookEveryMs = isolationLookMs;
const lookSeldomMs = 20_000;

/**
 * A node at work: takes in the records that concern it, verifies by them what each workload is to
 * be, and has that made true. What it knows is on its disk, so it does the same while the source is
 * away, also after a reboot.
 */
export class NodeAgent implements AsyncDisposable {
  readonly id: NodeId;
  readonly state: NodeState;
  readonly reconciler: Reconciler;
  readonly view: GridFold;
  readonly machine: Machine;
  readonly close: () => Promise<void>;
  readonly #options: NodeAgentOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #copy: GridCopy;
  readonly #wishes: WishMaker;
  readonly #reporter: EventReporter;
  readonly #introducer: Introducer;
  readonly #receipts: Receipts;
  readonly #boot: BootClearance;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  #applying: Promise<void> = Promise.resolve();
  readonly #logTime: LogTime;
  readonly #singleWriters: SingleWriters;
  #waitsForView = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Something may have to stop, or to start, soon. */
  #looksOften = false;

  private constructor(
    options: NodeAgentOptions,
    parts: { readonly state: NodeState; readonly copy: GridCopy; readonly machine: Machine },
    release: () => Promise<void>,
  ) {
    const { key, source, facts, releaseKeys, bootId } = options;
    const { logger = silentLogger, clock = systemClock } = options;
    this.#options = options;
    this.#logger = logger;
    this.#clock = clock;
    this.id = nodeIdOf(key.publicKey.text);
    this.state = parts.state;
    this.machine = parts.machine;
    this.#copy = parts.copy;
    const sealing = SealingKey.derive(key.exportSeed());
    this.#logTime = new LogTime(this.#copy.at, clock);
    this.#boot = new BootClearance(parts.state, bootId, clock.monotonicMs());
    this.view = new GridFold({ log: source.log, releaseKeys, reader: this.id });
    this.view.add(this.#copy.records());
    const { capacity } = options;
    const { drivers } = parts.machine;
    const { state, id: node } = this;
    this.#reporter = new EventReporter({ node, state, source, logger, clock });
    this.#introducer = new Introducer({
      facts: {
        ...{ ...facts, id: node, seal: sealing.publicKey.text as SealingKeyText },
        addresses: [...this.#withDoors(facts.addresses)],
        ...(serviceIn(state) === 'open' ? {} : { isDraining: true }),
      },
      ...{ bootId, view: this.view, source, logger, clock },
    });
    this.#receipts = new Receipts({
      ...{ node, bootId, state, machine: this.machine, view: this.view, source, logger, clock },
      everyMs: options.receiptsEveryMs,
      logTimeMs: () => this.#logTime.toldMs,
    });
    this.reconciler = new Reconciler({
      ...{ state, drivers, capacity, logger, clock },
      onEvent: (event) => this.#told(event),
      onEnded: (id) => this.#receipts.noteEnd(id),
    });
    this.#singleWriters = new SingleWriters({
      ...{ node, view: this.view, source, bootId, clock },
      heardFile: parts.machine.heardFile ?? join(options.folder, 'last-heard'),
      onError: (error) => this.#failed(error),
    });
    this.#wishes = new WishMaker({
      ...{ sealing, log: source.log, state, logger },
      ...{ singleWriters: this.#singleWriters, reconciler: this.reconciler },
    });
    const following = this.#follow();
    this.close = closeOnce(async () => {
      this.#closing.abort();
      await following;
      await this.#applying;
      await this.#singleWriters.close();
      await this.#introducer.close();
      await this.reconciler.close();
      await this.#receipts.close();
      await this.#reporter.close();
      await release();
    });
  }

  /** @throws BASE_FOLDER_LOCKED, NODE_OTHER_LOG */
  static async open(options: NodeAgentOptions): Promise<NodeAgent> {
    const { folder, source } = options;
    await using given = new AsyncDisposableStack();
    given.use(source);
    await using stack = new AsyncDisposableStack();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Let go last: nobody else speaks for the node before.
    stack.use(await FolderLock.open(folder));
    stack.use(given.move());
    const state = stack.use(NodeState.open(folder));
    const copy = stack.use(GridCopy.open(folder, source.log));
    const machine = stack.use(await options.openMachine(state));
    const { signal } = new AbortController();
    const observe = (id: WorkloadId) => observeWorkload(state, machine, id, signal);
    await resumeMeters({ state, bootId: options.bootId, observe });
    const kept = stack.move();
    return new NodeAgent(withRoomOf(machine, options), { state, copy, machine }, () =>
      kept.disposeAsync(),
    );
  }

  /** Log time as far as it is known here, ms since 1970: it goes on while the source is away. */
  get logTimeMs(): number {
    return this.#logTime.ms;
  }

  /** Age of the newest word on what is in the log, s; Infinity when that is not to be trusted. */
  get viewAgeSeconds(): number {
    return this.#options.source.viewAgeSeconds();
  }

  /** Hash of the genesis. */
  get log(): string {
    return this.#options.source.log;
  }

  /** What the node says of itself. */
  get facts(): NodeAgentOptions['facts'] {
    return this.#options.facts;
  }

  /** Calls the listener with every event, once it is kept. */
  watchEvents(listener: (event: NumberedEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** All records that the node has, in the order of the log. */
  records(): Iterable<GridRecord> {
    return this.#copy.records();
  }

  /** Keeps an event of the node itself, and tells it. */
  noteOwn(event: OwnEvent): void {
    this.#told(this.state.noteOwn(event));
  }

  /** Takes the node out of service in order, or back into it. */
  serve(service: Service): void {
    this.reconciler.service = service;
    // By its record nobody places anything new on it.
    this.#introducer.drains(service !== 'open');
  }

  /** Works out what every workload is to be, and sees to it. */
  apply(): Promise<void> {
    const applied = this.#applying.then(() => this.#apply());
    this.#applying = applied.catch(() => {});
    return applied;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Takes in what comes, and looks now and then, until the node closes. */
  async #follow(): Promise<void> {
    const { source, findAddresses, facts } = this.#options;
    const { signal } = this.#closing;
    const onError = (error: unknown): void => this.#failed(error);
    const rhythm = { signal, clock: this.#clock, onError };
    const loops = [
      followSource({
        ...{ source, cursor: () => this.#copy.cursor, ...rhythm },
        take: (change) => this.#take(change),
      }),
      repeat(lookEveryMs, () => this.#look(), rhythm),
    ];
    if (findAddresses !== undefined) {
      const onMoved = (addresses: readonly string[]): void =>
        this.#introducer.moved(this.#withDoors(addresses));
      loops.push(
        watchAddresses({ ...{ find: findAddresses, known: facts.addresses, onMoved }, ...rhythm }),
      );
    }
    await Promise.all(loops);
  }

  /** Deadlines come by themselves. */
  async #look(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#looksOften && nowMs < this.#lookedMs + lookSeldomMs) return;
    this.#lookedMs = nowMs;
    await this.apply();
  }

  #withDoors(addresses: readonly string[]): readonly string[] {
    return addressesWithDoors(addresses, this.machine.zdb?.doors() ?? []);
  }

  async #take(change: SourceChange): Promise<void> {
    const hasRecords = change.records.length > 0;
    const fresh = hasRecords ? this.#copy.add(change) : [];
    if (!hasRecords) this.#copy.noteTime(change.at);
    this.#logTime.note(this.#copy.at);
    if (fresh.length > 0) this.view.add(fresh);
    if (fresh.length > 0 || this.#waitsForView) await this.apply();
    this.#introducer.look();
  }

  async #apply(): Promise<void> {
    const { source } = this.#options;
    const { state } = this;
    const own = this.view.node(this.id);
    const isLetGo = own !== undefined && nodeStanding(own) === 'retired';
    const desired = desiredOf(this.view, this.id, {
      at: this.logTimeMs,
      viewAgeSeconds: source.viewAgeSeconds(),
      isFirstStart: (id, revision) => (state.revisionOf(id) ?? -1) < revision,
      isLeaving: this.reconciler.service === 'draining' || isLetGo,
      untold: (lock) => this.#receipts.untold(lock),
    });
    const verdict = this.#boot.look({
      ...{ node: own, viewAgeSeconds: source.viewAgeSeconds() },
      monotonicMs: this.#clock.monotonicMs(),
    });
    this.#singleWriters.forget();
    const wishes: Wish[] = [];
    for (const one of desired.values()) {
      const wish = await this.#wishes.of(one, verdict);
      if (wish !== undefined) wishes.push(wish);
    }
    this.#looksOften = verdict === 'wait' || this.#singleWriters.areAny;
    this.#waitsForView = desired.values().some(isStale);
    if (this.#closing.signal.aborted) return;
    this.reconciler.isLetGo = isLetGo;
    this.reconciler.apply(wishes);
    this.#receipts.follow();
  }

  #told(event: NumberedEvent): void {
    this.#reporter.poke();
    this.#options.onEvent?.(event);
    for (const listener of this.#listeners) listener(event);
  }

  #failed(error: unknown): void {
    this.#logger.warn({ err: error }, 'the node goes on with what it knows');
  }
}

function isStale(desired: Desired): boolean {
  return desired.be === 'refused' && desired.code === 'VIEW_STALE';
}

/** A file system needs some of its disk: nothing is accepted that volumes then have no room for. */
function withRoomOf({ volumeBytes }: Machine, options: NodeAgentOptions): NodeAgentOptions {
  if (volumeBytes === undefined) return options;
  const { capacity, facts } = options;
  const ssdBytes = Math.min(capacity.ssdBytes, volumeBytes);
  const known = { ...facts.capacity, ssdBytes: Math.min(facts.capacity.ssdBytes, ssdBytes) };
  return { ...options, capacity: { ...capacity, ssdBytes }, facts: { ...facts, capacity: known } };
}
