import { isGridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { desiredOf, GridFold, isolationLookMs } from '@commongrid/model';
import type {
  ContractRole,
  Desired,
  EventPhase,
  GridRecord,
  KeyText,
  NodeId,
  WorkloadId,
} from '@commongrid/model';
import { fakeProof } from '@commongrid/model/testing';
import { BootClearance, Isolation } from '@commongrid/node/testing';
import { headAgeSeconds } from '@commongrid/bcdb/testing';
import { ContainerHost } from './container-host.ts';
import type { Witness } from './container-host.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { Outbox } from './outbox.ts';
import { ReceiptWriter } from './receipt-writer.ts';
import type { FeedAnswer, Sequencer } from './sequencer.ts';

export interface SimulatedNodeOptions {
  readonly id: NodeId;
  readonly machine: Machine;
  readonly network: Network;
  readonly sequencer: Sequencer;
  readonly random: Random;
  readonly witness: Witness;
}

/** As the agent has them, ms. */
const beatEveryMs = 1_000;
const readWaitMs = 1_000;
const retryMs = 1_000;
/** The agent does it each hour. */
const receiptEveryMs = 60_000;

/**
 * A node of the simulated world. What it decides it decides by the code of the agent: the rules over
 * its own feed, how old that is, and whether its boot is the only one. Network, time and containers are
 * simulated.
 */
export class SimulatedNode {
  readonly id: NodeId;
  readonly machine: Machine;
  readonly host: ContainerHost;
  readonly #options: SimulatedNodeOptions;
  readonly #key: KeyText;
  /** What the disk has: it outlives a crash. */
  readonly #records: GridRecord[] = [];
  readonly #accepted = new Map<WorkloadId, number>();
  readonly #facts = new Map<string, string>();
  readonly #outbox: Outbox;
  readonly #receipts: ReceiptWriter;
  #isDraining = false;
  #saidDraining = false;
  readonly #refused = new Map<WorkloadId, number>();
  #knownAt = 0;
  #count = 0;
  #session = 0;
  /** What memory has. */
  #view: GridFold;
  #run: NodeRun | undefined;

  constructor(options: SimulatedNodeOptions) {
    const { id, machine, network, sequencer, random } = options;
    this.id = id;
    this.machine = machine;
    this.#options = options;
    this.#key = id.replace('node:', 'ed25519:') as KeyText;
    this.#view = this.#emptyView();
    this.#outbox = new Outbox({ machine, network, sequencer, key: this.#key });
    this.host = new ContainerHost({
      ...{ node: id, machine, witness: options.witness },
      startMs: () => random.int(50, 1_500),
      stopMs: (role) => random.int(0, 1 + graceMs(role)),
      onPhase: (workload, revision, phase, code) => this.#tell(workload, revision, phase, code),
    });
    this.#receipts = new ReceiptWriter({ node: id, host: this.host, outbox: this.#outbox });
  }

  /** The machine starts, with what its disk has. */
  boot(): void {
    const { machine, random } = this.#options;
    machine.turnOn();
    const bootId = nonceOf(random);
    const openedMs = machine.monotonicMs();
    const facts = {
      fact: (name: string) => this.#facts.get(name),
      setFact: (name: string, value: string) => void this.#facts.set(name, value),
    };
    this.#view = this.#emptyView();
    this.#view.add(this.#records);
    this.#run = {
      bootId,
      clearance: new BootClearance(facts, bootId, openedMs),
      isolation: new Isolation(),
      ...{
        knownAtMs: openedMs,
        timestamp: undefined,
        askedMs: 0,
        counter: 0,
        epoch: '',
        takenMs: undefined,
      },
      ...{ lookedMs: Number.NEGATIVE_INFINITY, looksOften: false, waitsForView: false },
    };
    this.#session++;
    this.#outbox.say('grid.session.1', { node: this.id, n: this.#session, bootId });
    this.#sayDraining();
    void this.#beat(this.#run);
    void this.#read(this.#run);
    this.#look(this.#run);
    this.#receipts.forget();
    this.#report(this.#run);
    this.#apply(this.#run);
  }

  /** What it takes each workload to be, for people who look for a fault. */
  explain(): readonly string[] {
    const run = this.#run;
    if (run === undefined) return ['it is off'];
    const desired = desiredOf(this.#view, this.id, {
      at: this.#logTimeMs(run),
      viewAgeSeconds: this.#viewAgeSeconds(run),
      isFirstStart: (id, revision) => (this.#accepted.get(id) ?? -1) < revision,
      isLeaving: this.#isDraining,
    });
    return [
      `its view is ${this.#viewAgeSeconds(run)} s old, it was silent for ${this.#silentSeconds(run)} s`,
      ...[...desired.values()].map((one) => {
        return `${one.workload} ${one.revision}: ${one.be} ${'code' in one ? one.code : ''}`;
      }),
    ];
  }

  /** Its farmer takes it out of service, or back; while it is off it tells that once it is on. */
  drain(isDraining: boolean): void {
    this.#isDraining = isDraining;
    if (this.#run === undefined) return;
    this.#sayDraining();
    this.#apply(this.#run);
  }

  #sayDraining(): void {
    if (this.#saidDraining === this.#isDraining) return;
    this.#saidDraining = this.#isDraining;
    const { fold } = this.#options.sequencer;
    const { isDraining: _before, ...record } = fold.current('grid.node.1', this.id) ?? noRecord();
    this.#outbox.say('grid.node.1', {
      ...record,
      ...(this.#isDraining ? { isDraining: true } : {}),
    });
    this.host.repeat();
  }

  crash(): void {
    this.machine.turnOff();
    this.host.crash();
    this.#run = undefined;
  }

  /** Log time as far as the node knows it. */
  #logTimeMs({ knownAtMs }: NodeRun): number {
    return Math.floor(this.#knownAt + this.machine.monotonicMs() - knownAtMs);
  }

  #viewAgeSeconds({ timestamp, askedMs }: NodeRun): number {
    return headAgeSeconds(this.machine, { timestamp, askedMs });
  }

  #silentSeconds({ takenMs }: NodeRun): number {
    if (takenMs === undefined) return Number.POSITIVE_INFINITY;
    return (this.machine.monotonicMs() - takenMs) / 1000;
  }

  #emptyView(): GridFold {
    return new GridFold({
      ...{ log: this.#options.sequencer.log, releaseKeys: [], reader: this.#options.id },
      isProof: (key, payload, signature) => signature === fakeProof(key, payload),
    });
  }

  async #beat(run: NodeRun): Promise<void> {
    const { network, sequencer } = this.#options;
    const { machine } = this;
    while (this.#run === run) {
      const beat = {
        ...{ node: this.id, session: this.#session, bootId: run.bootId, epoch: run.epoch },
        ...{ counter: ++run.counter, at: machine.nowMs() },
      };
      const sentMs = machine.monotonicMs();
      const pause = pauseOf(machine, beatEveryMs);
      try {
        await network.call(machine, sequencer.machine, () => sequencer.beat(beat));
        run.takenMs = sentMs;
      } catch (error) {
        if (isGridError(error, 'BCDB_EPOCH_OVER') && run.epoch !== error.details['epoch']) {
          run.epoch = String(error.details['epoch']);
          continue;
        }
      }
      await pause;
    }
  }

  async #read(run: NodeRun): Promise<void> {
    const { network, sequencer } = this.#options;
    const { machine } = this;
    while (this.#run === run) {
      const askedMs = machine.monotonicMs();
      const count = this.#count;
      try {
        const ask = (): Promise<FeedAnswer> => sequencer.readNews(this.id, count, readWaitMs);
        const answer = await network.call(machine, sequencer.machine, ask, { timeoutMs: 5_000 });
        if (this.#run === run) this.#take(run, answer, askedMs);
      } catch {
        await pauseOf(machine, retryMs);
      }
    }
  }

  #take(run: NodeRun, { records, count, at, timestamp }: FeedAnswer, askedMs: number): void {
    this.#count = count;
    this.#records.push(...records);
    this.#knownAt = Math.max(this.#knownAt, at);
    run.knownAtMs = this.machine.monotonicMs();
    run.timestamp = timestamp;
    run.askedMs = askedMs;
    if (records.length > 0) this.#view.add(records);
    if (records.length > 0 || run.waitsForView) this.#apply(run);
  }

  /** Deadlines come by themselves. */
  #look(run: NodeRun): void {
    this.machine.setTimer(isolationLookMs, () => {
      const isDue = run.looksOften || this.machine.monotonicMs() >= run.lookedMs + lookSeldomMs;
      if (isDue) this.#apply(run);
      this.#look(run);
    });
  }

  #report(run: NodeRun): void {
    this.machine.setTimer(receiptEveryMs, () => {
      this.#receipts.write(this.#view, this.#session, this.#logTimeMs(run));
      this.#report(run);
    });
  }

  #apply(run: NodeRun): void {
    run.lookedMs = this.machine.monotonicMs();
    const viewAgeSeconds = this.#viewAgeSeconds(run);
    const desired = desiredOf(this.#view, this.id, {
      at: this.#logTimeMs(run),
      viewAgeSeconds,
      isFirstStart: (id, revision) => (this.#accepted.get(id) ?? -1) < revision,
      isLeaving: this.#isDraining,
    });
    const node = this.#view.node(this.id);
    const verdict = run.clearance.look({
      ...{ node, viewAgeSeconds, monotonicMs: this.machine.monotonicMs() },
    });
    run.looksOften = verdict === 'wait';
    run.waitsForView = false;
    for (const one of desired.values()) {
      if (one.be === 'run' && verdict !== 'clear') continue;
      this.#wish(run, one, viewAgeSeconds);
    }
  }

  #wish(run: NodeRun, desired: Desired, viewAgeSeconds: number): void {
    const { workload, revision } = desired;
    if (desired.be === 'refused') {
      run.waitsForView ||= desired.code === 'VIEW_STALE';
      return;
    }
    if (desired.be !== 'run') {
      if (!this.#accepted.has(workload)) return;
      return this.host.wish(workload, revision, { is: endOf[desired.be] });
    }
    const { assignment } = desired;
    if (this.#isDraining && !this.#accepted.has(workload)) {
      if (this.#refused.get(workload) === revision) return;
      this.#refused.set(workload, revision);
      return this.#tell(workload, revision, 'refused', 'NODE_DRAINING');
    }
    run.looksOften ||= assignment.role.onIsolation === 'stop';
    const silentSeconds = this.#silentSeconds(run);
    const monotonicMs = this.machine.monotonicMs();
    const cutOffSeconds = Math.max(viewAgeSeconds, silentSeconds);
    const hearing = { viewAgeSeconds, cutOffSeconds, monotonicMs };
    if (run.isolation.holds(this.#view, this.id, assignment, hearing)) {
      if (this.#accepted.has(workload)) this.host.wish(workload, revision, { is: 'paused' });
      return;
    }
    this.#accepted.set(workload, revision);
    this.host.wish(workload, revision, { is: 'running', assignment });
  }

  #tell(workload: WorkloadId, revision: number, phase: EventPhase, code?: string): void {
    const at = Math.max(0, this.machine.nowMs());
    const isUp = phase === 'running' || phase === 'healthy';
    const why = code ?? (this.#isDraining && isUp ? 'NODE_DRAINING' : undefined);
    const said = why === undefined ? {} : { code: why, isRetryable: true };
    this.#outbox.say('grid.event.1', { node: this.id, workload, revision, phase, at, ...said });
  }
}

/** What one boot of a node has in memory. */
interface NodeRun {
  readonly bootId: string;
  readonly clearance: BootClearance;
  readonly isolation: Isolation;
  /** When the log time that is known was in force, by the monotonic clock. */
  knownAtMs: number;
  /** Of the newest head, s since 1970, and when it was asked for, by the monotonic clock. */
  timestamp: number | undefined;
  askedMs: number;
  counter: number;
  /** When the last sign of life that came in was sent, by the monotonic clock. */
  takenMs: number | undefined;
  /** Run of the sequencer. */
  epoch: string;
  lookedMs: number;
  looksOften: boolean;
  waitsForView: boolean;
}

const endOf = { pause: 'paused', stop: 'stopped', remove: 'deleted' } as const;
const lookSeldomMs = 20_000;

function graceMs(role: ContractRole): number {
  return (role.workload.container?.stop.graceSeconds ?? 0) * 1000;
}

function noRecord(): never {
  throw new Error('a node has no record');
}

function nonceOf(random: Random): string {
  return random.bytes(16).toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** Resolves so long after this moment, by the clock of a machine. */
function pauseOf(machine: Machine, ms: number): Promise<void> {
  return new Promise((resolve) => void machine.setTimer(ms, resolve));
}
