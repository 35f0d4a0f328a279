import { closeOnce, silentLogger, systemClock, systemRandom } from '@commongrid/base';
import type { Clock, GridError, Logger, Random } from '@commongrid/base';
import { isCloneSign, nodeStanding } from '@commongrid/model';
import type { Lease, NodeId, NodeState } from '@commongrid/model';
import type { Domain } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Evidence } from '../sequencer/evidence.ts';
import type { Sequencer } from '../sequencer/sequencer.ts';
import type { SignaturePool } from '../sequencer/signature-pool.ts';
import type { EffectBatch } from '../state/effect.ts';
import { gridNamespace, Identities } from '../state/identities.ts';
import { leaseUrl } from './lease-url.ts';
import { presenceUrl } from '../state/presence-rules.ts';
import { refusal } from '../state/refusal.ts';
import { toBase64url } from '../tree/base64.ts';
import { heartbeat as heartbeatMessage } from './heartbeat.ts';
import type { Heartbeat } from './heartbeat.ts';
import { KnownHeads } from './known-heads.ts';
import { LeaseTable } from './lease-table.ts';
import type { LeaseStatus } from './lease-table.ts';
import { Placements, placementUrl } from './placements.ts';
import type { Placement } from './placements.ts';
import { PresenceFile } from './presence-file.ts';
import { PresenceTable } from './presence-table.ts';
import type { NodePresence, Standing } from './presence-table.ts';
import { renewal as renewalMessage } from './renewal.ts';
import { SummaryWriter } from './summary-writer.ts';

/** Heartbeats and renewals whose signatures are being checked. */
const messagesInCheckMax = 20_000;

/** Nodes of which it is remembered that evidence against them was kept. */
const accusedMax = 1000;

/** When silence means something, and how often presence is logged. */
export interface PresenceTimes {
  /** Silence after which a node is suspect, ms. Default 3000. */
  readonly suspectAfterMs?: number;
  /** Silence after which a node is gone, ms. Default 10,000. */
  readonly goneAfterMs?: number;
  /** How often the presence of a node is logged, ms. Default one hour. */
  readonly summaryEveryMs?: number;
}

export interface PresenceOptions extends PresenceTimes {
  readonly ledger: Ledger;
  readonly sequencer: Sequencer;
  readonly signatures: SignaturePool;
  readonly evidence: Evidence;
  /** File that keeps the presence which is not logged yet. */
  readonly file: string;
  /** The newest signed head, kept beside what contradicts it. */
  readonly checkpoint: () => string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/**
 * What is signed and not logged, at the sequencer: heartbeats of nodes, renewals of leases. All of it
 * is in memory and goes by the monotonic clock; a run of the sequencer begins with every node and
 * every lease as just seen. Summaries of presence, and leases themselves, are records.
 *
 * 1. A message is read and held against the log: epoch, node or lease, session, counter.
 * 2. Its signature is checked in the pool.
 * 3. What may have changed meanwhile is looked at again, then it counts.
 */
export class Presence implements AsyncDisposable {
  /** This run of the sequencer: 16 random bytes, base64url. */
  readonly epoch: string;
  readonly #options: PresenceOptions;
  readonly #identities: Identities;
  readonly #heads: KnownHeads;
  readonly #table: PresenceTable;
  readonly #leases: LeaseTable;
  readonly #placements = new Placements();
  readonly #summaries: SummaryWriter;
  #file: PresenceFile | undefined;
  readonly #accused = new Set<NodeId>();
  #inCheck = 0;
  #unlisten = (): void => {};

  private constructor(options: PresenceOptions) {
    const { ledger, sequencer, clock = systemClock, random = systemRandom } = options;
    const { suspectAfterMs = 3000, goneAfterMs = 10_000, summaryEveryMs = 3_600_000 } = options;
    this.#options = options;
    this.epoch = toBase64url(random.bytes(16));
    this.#identities = new Identities(ledger.view, ledger.log);
    this.#heads = new KnownHeads(ledger);
    this.#table = new PresenceTable({ clock, suspectAfterMs, goneAfterMs });
    this.#leases = new LeaseTable({
      clock,
      leaseOf: (obj) => ledger.view.document<Lease>({ ns: gridNamespace, url: leaseUrl, obj }),
      maySpeak: (key) => this.#identities.maySpeak(key),
    });
    this.#summaries = new SummaryWriter({
      clock,
      logger: options.logger ?? silentLogger,
      everyMs: summaryEveryMs,
      gapMs: suspectAfterMs,
      loggedToMs: (node) => this.#identities.current(presenceUrl, node)?.toMs ?? ledger.genesis.at,
      write: (statement) => sequencer.write(statement),
    });
  }

  /** Begins a run, while nothing is on its way to the log yet. */
  static async open(options: PresenceOptions): Promise<Presence> {
    const presence = new Presence(options);
    await presence.#restore();
    presence.#begin();
    presence.#unlisten = options.ledger.listen((batch) => presence.#follow(batch));
    options.sequencer.admission = (record) => presence.#leases.admit(record);
    return presence;
  }

  /** Logs the presence that is not logged yet; the log must still take records. */
  readonly close: () => Promise<void> = closeOnce(async () => {
    this.#table.close();
    await this.#summaries.close();
    await this.#file?.close();
    this.#unlisten();
  });

  /**
   * Takes the signed heartbeat of a node.
   * @throws BCDB_REQUEST_INVALID, BCDB_OTHER_LOG, BCDB_EPOCH_OVER, BCDB_NODE_UNKNOWN, BCDB_KEY_ENDED,
   * BCDB_NODE_CLONED, BCDB_HEARTBEAT_STALE, BCDB_SIGNATURE_INVALID, BCDB_FORKED_VIEW,
   * BCDB_PRESENCE_FULL, BCDB_BUSY
   */
  async heartbeat(bytes: Uint8Array): Promise<void> {
    const heartbeat = heartbeatMessage.read(bytes);
    this.#requireEpoch(heartbeat);
    const { view } = this.#options.ledger;
    let state = this.#requireNode(heartbeat);
    const { generation } = view;
    // Of another session it can be evidence, whatever its counter.
    if (isOfSession(state, heartbeat)) this.#table.requireNew(heartbeat);
    await this.#requireSigned(state.key, bytes, heartbeatMessage.domain);
    if (view.generation !== generation) state = this.#requireNode(heartbeat);
    this.#requireSession(state, heartbeat, bytes);
    this.#requireHead(heartbeat, bytes);
    this.#table.see(heartbeat);
    this.#summaries.see(heartbeat.node, heartbeat.session);
  }

  /**
   * Takes the signed renewal of a lease: its holder may act for longer.
   * @throws BCDB_REQUEST_INVALID, BCDB_OTHER_LOG, BCDB_EPOCH_OVER, BCDB_LEASE_LOST,
   * BCDB_HEARTBEAT_STALE, BCDB_SIGNATURE_INVALID, BCDB_BUSY
   */
  async renew(bytes: Uint8Array): Promise<void> {
    const renewal = renewalMessage.read(bytes);
    this.#requireEpoch(renewal);
    await this.#requireSigned(this.#leases.requireHolder(renewal), bytes, renewalMessage.domain);
    this.#leases.renew(renewal);
  }

  /** What is known of a node; undefined when it was not seen for a day, or ever. */
  get(node: NodeId): NodePresence | undefined {
    return this.#table.get(node);
  }

  /** All nodes, those that were silent for longest first. */
  list(): Iterable<NodePresence> {
    return this.#table.list();
  }

  counts(): Readonly<Record<Standing, number>> {
    return this.#table.counts();
  }

  /**
   * Changes of standing and session from now on. Who is slow learns the newest standing of each node
   * and misses what came in between. @throws BCDB_WATCHERS_FULL
   */
  watch(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<NodePresence> {
    return this.#table.watch(options);
  }

  /** A lease as it is logged, and for how long no rival gets it; undefined when it never was. */
  lease(name: string): LeaseStatus | undefined {
    return this.#leases.get(name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #restore(): Promise<void> {
    const { file, ledger, clock = systemClock, logger = silentLogger } = this.#options;
    const kept = await PresenceFile.read(file, ledger.log, logger);
    // A log that was restored from a backup may not have the node or session any more.
    const known = kept.map((one) => {
      const last = this.#identities.node(one.node)?.session?.n ?? 0;
      return { ...one, runs: one.runs.filter(([session]) => session <= last) };
    });
    this.#summaries.restore(known.filter(({ runs }) => runs.length > 0));
    const take = (): ReturnType<SummaryWriter['unlogged']> => this.#summaries.unlogged();
    this.#file = new PresenceFile({ file, log: ledger.log, clock, logger, take });
  }

  #begin(): void {
    const { ledger } = this.#options;
    for (const node of ledger.view.documents(gridNamespace, 'grid.node.1').keys()) {
      const state = this.#identities.node(node);
      if (state?.session !== undefined && isExpected(state)) {
        this.#table.assume(state.id, state.session.n);
      }
    }
    const placements = ledger.view.documents<Placement>(gridNamespace, placementUrl);
    for (const { value } of placements.values()) this.#placements.follow(value);
    const leases = ledger.view.documents<Lease>(gridNamespace, leaseUrl);
    const values = [...leases.values()].map(({ value }) => value);
    this.#leases.begin(values, ledger.head.size);
  }

  #follow({ effects, size }: EffectBatch): void {
    const leases: Lease[] = [];
    for (const effect of effects) {
      if (effect.ns !== gridNamespace || effect.kind !== 'put') continue;
      if (effect.url === leaseUrl) leases.push(valueOf(effect.payload) as Lease);
      if (effect.url !== placementUrl) continue;
      const ended = this.#placements.follow(valueOf(effect.payload) as Placement);
      for (const node of ended) this.#summaries.hurry(node);
    }
    this.#leases.follow(leases, size);
  }

  #requireEpoch({ log, epoch }: { readonly log: string; readonly epoch: string }): void {
    const expected = this.#options.ledger.log;
    if (log !== expected) {
      throw refusal('BCDB_OTHER_LOG', `the message is of log ${log}`, {
        details: { expected, actual: log },
      });
    }
    if (epoch === this.epoch) return;
    throw refusal('BCDB_EPOCH_OVER', 'the message is for another run of the sequencer', {
      retryable: true,
      details: { epoch: this.epoch },
    });
  }

  #requireNode({ node, session }: Heartbeat): NodeState {
    const state = this.#identities.node(node);
    const last = state?.session?.n ?? 0;
    if (state === undefined || session > last) {
      throw refusal('BCDB_NODE_UNKNOWN', `the log knows no session ${session} of ${node}`, {
        hint: 'append the node and its session first',
        details: { node, session: last },
      });
    }
    if (nodeStanding(state) !== 'compromised') return state;
    throw refusal('BCDB_KEY_ENDED', `${node} was called compromised`, { details: { node } });
  }

  /** Its newest session; a signed word of another one can be evidence of a second machine. */
  #requireSession(state: NodeState, heartbeat: Heartbeat, bytes: Uint8Array): void {
    if (isOfSession(state, heartbeat)) return;
    const { node, session: n, boot: bootId, checkpoint } = heartbeat;
    const { session } = state;
    if (isCloneSign(state, { n, bootId, seenSize: checkpoint.size })) {
      const text = `${node} beats in session ${n} beside session ${session?.n ?? 0}`;
      this.#accuse(node, refusal('BCDB_NODE_CLONED', text, { details: evidenceOf(bytes) }));
    }
    throw refusal('BCDB_HEARTBEAT_STALE', `session ${n} of ${node} is over`, {
      details: { session: session?.n },
    });
  }

  #requireHead({ node, checkpoint }: Heartbeat, bytes: Uint8Array): void {
    if (this.#heads.had(checkpoint)) return;
    const text = `${node} saw a head of size ${checkpoint.size} that this log never had`;
    this.#accuse(node, refusal('BCDB_FORKED_VIEW', text, { details: evidenceOf(bytes) }));
  }

  /** Keeps one piece of evidence for each node, so that none fills the folder. */
  #accuse(node: NodeId, error: GridError<BcdbErrorCode>): never {
    if (!this.#accused.has(node) && this.#accused.size < accusedMax) {
      this.#accused.add(node);
      this.#options.evidence.keepContradiction(error, this.#options.checkpoint());
    }
    throw error;
  }

  async #requireSigned(key: string, bytes: Uint8Array, domain: Domain): Promise<void> {
    if (this.#inCheck >= messagesInCheckMax) {
      throw refusal('BCDB_BUSY', 'too many heartbeats wait to be checked', { retryable: true });
    }
    this.#inCheck++;
    try {
      if (await this.#options.signatures.check(key, bytes, domain)) return;
    } finally {
      this.#inCheck--;
    }
    throw refusal('BCDB_SIGNATURE_INVALID', `${key} did not sign this message`);
  }
}

function isOfSession({ session }: NodeState, { session: n, boot }: Heartbeat): boolean {
  return session?.n === n && session.bootId === boot;
}

/** Whether a node's silence means anything. */
function isExpected(state: NodeState): boolean {
  const standing = nodeStanding(state);
  return standing !== 'retired' && standing !== 'compromised';
}

function evidenceOf(bytes: Uint8Array): { readonly heartbeat: string } {
  return { heartbeat: Buffer.from(bytes).toString('base64') };
}

/** The rules let it in, so it is of its type. */
function valueOf(payload: Uint8Array | undefined): unknown {
  return JSON.parse(Buffer.from(payload ?? []).toString('utf8'));
}
