import { isGridError } from '@commongrid/base';
import type { ConnectionHandler, RespConnection, Request } from '@commongrid/resp';
import { FETCHED_MAX, type Found } from '../engine/records.ts';
import type { Store } from '../engine/store.ts';
import { DEFAULT_NAMESPACE, type Namespace } from '../engine/namespace.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { type FetchedRecord, letGo } from '../engine/reading/record-reader.ts';
import type { Access, Command } from './command.ts';
import type { Standing } from './doorkeeper.ts';
import type { ServerContext } from './server-context.ts';
import { replyTexts } from './reply-texts.ts';
import { fetchFault } from './fault.ts';

/**
 * What became of an operation: answered; or a record must be read first; or the namespace is full.
 */
export type Outcome = 'done' | 'fault' | 'full';

/** What a connection may do in a namespace. */
export interface Rights {
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
  /** A password or proof was asked for, and was right. */
  readonly isProven: boolean;
}

/** One client: who it is, where it is, and what it may do there. */
export class Session implements ConnectionHandler {
  readonly context: ServerContext;
  readonly store: Store;
  readonly connection: RespConnection;
  readonly sinceMs: number;
  /** The peer without its port; an IPv6 peer may choose the lower half of its address. */
  readonly address: string;
  standing: Standing;
  /** Waits, because of wrong passwords from its address. */
  isBusy = false;
  /** Wrong passwords and proofs. */
  failures = 0;
  namespace: Namespace;
  isAdmin = false;
  mayRead = false;
  mayWrite = false;
  /** The fencing number that its writes carry; 0: none. */
  epoch = 0;
  /** Asked for with AUTH SECURE CHALLENGE, good for one attempt. */
  nonce: string | undefined;
  name = '';
  libraryName = '';
  libraryVersion = '';
  lastCommand: Command | undefined;
  /** The command in progress was answered with an error. */
  hasFailed = false;

  constructor(context: ServerContext, connection: RespConnection) {
    this.context = context;
    this.store = context.store;
    this.connection = connection;
    this.sinceMs = context.clock.nowMs();
    this.address = connection.network;
    this.standing = context.config.adminPassword === undefined ? 'known' : 'stranger';
    this.namespace = this.store.namespaces.default;
    this.reset();
  }

  /** As a new connection begins: in the default namespace, which a password closes. */
  reset(): void {
    const { adminPassword, isProtected } = this.context.config;
    this.namespace = this.store.namespaces.default;
    this.isAdmin = adminPassword === undefined;
    this.mayWrite = this.isAdmin;
    this.mayRead = this.isAdmin || isProtected;
    this.epoch = 0;
    this.nonce = undefined;
    this.name = '';
  }

  /** The admin password was given. Under `protect` writing to the default namespace needs more. */
  becomeAdmin(): void {
    this.isAdmin = true;
    this.context.doorkeeper.rises(this, 'known');
    this.connection.setLimits();
    if (this.namespace.id !== DEFAULT_NAMESPACE || this.context.config.isProtected) return;
    this.mayRead = true;
    this.mayWrite = true;
  }

  /** A namespace was selected, and the password that it asks for was given. */
  enter(namespace: Namespace, rights: Rights, epoch: number): void {
    this.namespace = namespace;
    this.mayRead = rights.mayRead;
    this.mayWrite = rights.mayWrite;
    this.context.doorkeeper.rises(this, rights.isProven ? 'known' : 'guest');
    this.epoch = epoch;
    this.connection.setLimits();
  }

  handle(request: Request): void | Promise<void> {
    const { context } = this;
    const command = context.commands.find(request);
    this.hasFailed = false;
    if (command === undefined) {
      context.stats.unknown++;
      this.refuse(replyTexts.commandNotSupported);
      return undefined;
    }
    this.lastCommand = command;
    const started = context.stats.begin(command);
    const problem = this.#refusalOf(command, request);
    if (problem !== undefined) {
      this.refuse(problem);
      this.#finished(command, started);
      return undefined;
    }
    if (this.standing === 'stranger' && command.access !== 'open') {
      context.doorkeeper.rises(this, 'guest');
    }
    const working = command.run(this, request);
    if (working !== undefined) return this.#finishLater(working, command, started);
    this.#finished(command, started);
    return undefined;
  }

  closed(): void {
    this.context.sessions.delete(this);
    this.context.doorkeeper.left(this);
  }

  #refusalOf(command: Command, request: Request): string | undefined {
    if (command.isAdmin === true && !this.isAdmin) {
      this.context.stats.unauthorized++;
      return replyTexts.permissionDenied;
    }
    const given = request.argc - 1;
    if (given < command.least || given > command.most) return replyTexts.unexpectedArguments;
    return this.refusal(command.access);
  }

  /** Why such a command cannot be done now; asked again after every pause. */
  refusal(access: Access): string | undefined {
    if (this.namespace.isRemoved && !this.#follow()) {
      this.connection.close();
      return replyTexts.namespaceRemoved;
    }
    if (access === 'open') return undefined;
    const { settings } = this.namespace;
    if (!this.mayRead) return replyTexts.namespacePrivate;
    if (settings.isFrozen) return replyTexts.frozen;
    if (access === 'read') return this.context.readProblem;
    if (!this.mayWrite) return replyTexts.readOnly;
    if (settings.isLocked) return replyTexts.locked;
    if (settings.epoch !== this.epoch && settings.epoch !== 0) {
      return this.epoch === 0 ? replyTexts.readOnly : replyTexts.fenced;
    }
    return this.context.writeProblem;
  }

  /** A namespace that was emptied goes on under another number. */
  #follow(): boolean {
    let next: Namespace | undefined = this.namespace;
    while (next?.isRemoved === true) next = this.context.successors.get(next);
    if (next === undefined) return false;
    this.namespace = next;
    return true;
  }

  /** Looks up the key in argument `i`. */
  lookup(request: Request, i: number): Found {
    const start = request.start[i] ?? 0;
    return this.store.lookup(this.namespace, request.bytes, start, request.length[i] ?? 0);
  }

  /** The same for a caller who verifies the value. */
  lookupUnverified(request: Request, i: number): Found {
    const { bytes, start, length } = request;
    return this.store.lookupUnverified(this.namespace, bytes, start[i] ?? 0, length[i] ?? 0);
  }

  /** Answers with an error. */
  refuse(text: string): void {
    this.hasFailed = true;
    this.connection.reply.error(text);
  }

  /** The reply shows this record: it leaves once the record is on disk, and on enough replicas. */
  reveal(sequence: number = this.store.seen): void {
    const { confirmation } = this.context;
    if (sequence > confirmation.confirmed) this.connection.need(confirmation.ticketOf(sequence));
  }

  /** Answers OK once all that was written is on disk, whatever the server's durability is. */
  async answerDurably(): Promise<void> {
    try {
      await this.store.log.flush();
    } catch (error) {
      if (!isGridError<ZdbErrorCode>(error, 'ZDB_WRITE_FAILED')) throw error;
      this.refuse(replyTexts.cannotWrite);
      return;
    }
    this.connection.reply.ok();
  }

  #finished(command: Command, started: number): void {
    const { context } = this;
    // A change of settings shows in any other reply.
    if (command.isApart !== true) this.reveal(context.settingsSequence);
    context.stats.end(command, started, this.hasFailed);
    if (context.watchers.count > 0 && !this.hasFailed) context.watchers.ran(this, command);
  }

  async #finishLater(working: Promise<void>, command: Command, started: number): Promise<void> {
    try {
      await working;
    } catch (error) {
      this.hasFailed = true;
      throw error;
    } finally {
      this.#finished(command, started);
    }
  }

  /**
   * Does an operation that must wait: for the disk to catch up, for a record to be read, or for
   * compaction to make room for `bytes`. The operation answers by itself when it is done.
   */
  async repeat(
    access: 'read' | 'write',
    operation: () => Outcome,
    options: { readonly bytes?: number; readonly fetchedMax?: number } = {},
  ): Promise<void> {
    const fetched: FetchedRecord[] = [];
    try {
      await this.#repeatWith(fetched, access, operation, options);
    } finally {
      for (const record of fetched) letGo(record);
    }
  }

  async #repeatWith(
    fetched: FetchedRecord[],
    access: 'read' | 'write',
    operation: () => Outcome,
    options: { readonly bytes?: number; readonly fetchedMax?: number },
  ): Promise<void> {
    const { store, context } = this;
    const { bytes = 0, fetchedMax = FETCHED_MAX } = options;
    let hasMadeRoom = false;
    for (;;) {
      if (access === 'write') await context.pressure.relieved();
      const problem = this.refusal(access);
      if (problem !== undefined) {
        this.refuse(problem);
        return;
      }
      const outcome = store.withFetched(fetched, operation);
      if (outcome === 'done') return;
      if (outcome === 'fault') {
        try {
          fetched.push(await fetchFault(store));
        } catch (error) {
          // Who writes can do without a record that is known to be damaged.
          if (store.withFetched(fetched, operation) !== 'done') throw error;
          return;
        }
        if (fetched.length > fetchedMax) letGo(fetched.shift());
        continue;
      }
      if (hasMadeRoom || !(await context.makeRoom(this.namespace, bytes))) {
        this.#refuseForRoom(access);
        return;
      }
      hasMadeRoom = true;
    }
  }

  /** The disk may have failed while room was made: then that is why. */
  #refuseForRoom(access: Access): void {
    const problem = this.refusal(access);
    if (problem === undefined) this.context.quotas.written(this.namespace, true);
    this.refuse(problem ?? replyTexts.noSpace);
  }
}
