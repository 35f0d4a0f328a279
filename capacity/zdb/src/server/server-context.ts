import type { Clock, Logger } from '@commongrid/base';
import type { CommandTable, RespServer, RespServerStats } from '@commongrid/resp';
import type { ResolvedOptions } from '../config.ts';
import type { Namespace, NamespaceSettings } from '../engine/namespace.ts';
import { ENTRY_BYTES } from '../engine/log/segment-index.ts';
import type { Store } from '../engine/store.ts';
import { Confirmation } from '../replication/confirmation.ts';
import type { Replication } from '../replication/replication.ts';
import type { Command } from './command.ts';
import { CommandStats } from './command-stats.ts';
import { Doorkeeper } from './doorkeeper.ts';
import type { EventBus } from './event-bus.ts';
import { QuotaWatch } from './quota-watch.ts';
import { replyTexts } from './reply-texts.ts';
import { SegmentMarks } from './segment-marks.ts';
import type { Session } from './session.ts';
import { Watchers } from './watchers.ts';
import { WritePressure } from './write-pressure.ts';

/** What all sessions of a server share. */
export class ServerContext {
  readonly store: Store;
  readonly commands: CommandTable<Command>;
  readonly config: ResolvedOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly stats: CommandStats;
  readonly watchers: Watchers;
  readonly pressure: WritePressure;
  readonly quotas: QuotaWatch;
  readonly segmentMarks: SegmentMarks;
  readonly doorkeeper: Doorkeeper;
  readonly sessions = new Set<Session>();
  /** Where a namespace that was emptied goes on. */
  readonly successors = new WeakMap<Namespace, Namespace>();
  /** Replies wait for the disk. */
  readonly awaitsDisk: boolean;
  /** How far replies may show the log. */
  readonly confirmation: Confirmation;
  /** There once the server listens. */
  replication: Replication | undefined;
  readonly startedMs: number;
  /** Last record that changed settings. */
  settingsSequence = 0;
  /** Who counts connections and bytes; there once the server listens. */
  network: RespServer | undefined;

  constructor(
    store: Store,
    commands: CommandTable<Command>,
    config: ResolvedOptions,
    events: EventBus,
  ) {
    this.store = store;
    this.commands = commands;
    this.config = config;
    this.clock = config.clock;
    this.logger = config.logger;
    this.events = events;
    this.awaitsDisk = config.durability === 'always';
    this.confirmation = new Confirmation(
      {
        awaitsDisk: this.awaitsDisk,
        timeoutMs: config.minReplicasTimeoutMs,
        clock: config.clock,
        onConfirmed: (ticket) => this.network?.release(ticket),
        onExpired: (ticket) => this.network?.expire(ticket, replyTexts.notReplicated),
      },
      store.log.durableSequence,
    );
    this.startedMs = config.clock.nowMs();
    this.stats = new CommandStats(commands.list.length, config.metrics !== undefined);
    this.watchers = new Watchers(store, config.clock, this.awaitsDisk);
    this.pressure = new WritePressure(store);
    this.quotas = new QuotaWatch(events);
    this.doorkeeper = new Doorkeeper({
      clock: config.clock,
      timeoutMs: config.authTimeoutMs,
      strangersMax: config.maxUnauthenticated,
    });
    this.segmentMarks = new SegmentMarks(store);
  }

  get networkStats(): RespServerStats {
    return this.network?.stats ?? noTraffic;
  }

  get isWritable(): boolean {
    return this.writeProblem === undefined;
  }

  /** Why nothing can be written, whoever asks. */
  get writeProblem(): string | undefined {
    const { diskProblem, replication } = this;
    // Before it is known whether this is a master, it is none.
    return (
      diskProblem ?? (replication === undefined ? replyTexts.cannotWrite : replication.writeProblem)
    );
  }

  /** Why a replica does not answer yet: half of a compacted log is a state that never was. */
  get readProblem(): string | undefined {
    const { log, table } = this.store;
    return log.lastSequence < table.compactedThrough ? replyTexts.loading : undefined;
  }

  /** Why nothing can be changed in the folder. */
  get diskProblem(): string | undefined {
    const { readOnlyReason, log } = this.store;
    const isFit = readOnlyReason === undefined && log.failure === undefined;
    return isFit ? undefined : replyTexts.cannotWrite;
  }

  putSettings(settings: NamespaceSettings): void {
    this.store.putSettings(settings);
    this.settingsChanged();
  }

  /** Notes that settings were changed: replies that show it wait for the disk. */
  settingsChanged(): void {
    this.settingsSequence = this.store.log.lastSequence;
  }

  /** Lets compaction free `bytes` in a namespace; false when nothing can be won. */
  makeRoom(namespace: Namespace, bytes: number): Promise<boolean> {
    return this.store.makeRoom(namespace, bytes + ENTRY_BYTES);
  }
}

const noTraffic: RespServerStats = {
  connections: 0,
  connectionsLifetime: 0,
  connectionsRejected: 0,
  bytesIn: 0,
  bytesOut: 0,
  unsentBytes: 0,
  partialBytes: 0,
};
