import { isGridError } from '@commongrid/base';
import type { ConnectionHandler, ReplyWriter, Request, RespConnection } from '@commongrid/resp';
import { anyone } from '../access/identity.ts';
import type { Identity } from '../access/identity.ts';
import type { Command } from './command.ts';
import type { DoorContext } from './door-context.ts';
import { keyInvalid } from './key.ts';
import type { Key, LogKey, ObjectKey, TypeKey } from './key.ts';
import { ReplyError } from './reply-error.ts';

/** One client: who it is, and what it told of itself. */
export class Session implements ConnectionHandler {
  readonly context: DoorContext;
  readonly connection: RespConnection;
  readonly reply: ReplyWriter;
  /** The peer without its port; an IPv6 peer may choose the lower half of its address. */
  readonly address: string;
  readonly sinceMs: number;
  who: Identity = anyone;
  /** What it asked for with BCDB.CHALLENGE, good for one answer. */
  challenge: string | undefined;
  name = '';
  lastCommand: Command | undefined;

  constructor(context: DoorContext, connection: RespConnection) {
    this.context = context;
    this.connection = connection;
    this.reply = connection.reply;
    this.address = connection.network;
    this.sinceMs = context.clock.nowMs();
  }

  /** Showed who it is. */
  becomes(who: Identity): void {
    this.who = who;
    this.context.strangers.left(this);
    this.connection.setLimits();
  }

  handle(request: Request): void | Promise<void> {
    const { context } = this;
    const command = context.commands.find(request);
    context.stats.commands++;
    try {
      if (command === undefined) throw unknownCommand(request);
      this.lastCommand = command;
      const given = request.argc - 1;
      if (given < command.least || given > command.most) throw wrongNumber(command);
      const working = command.run(this, request);
      if (working !== undefined) return this.#finish(working);
    } catch (error) {
      this.#refuse(error);
    }
    return undefined;
  }

  closed(): void {
    this.context.strangers.left(this);
  }

  /** The key in argument `i`. @throws BCDB_REQUEST_INVALID */
  key(request: Request, i: number): Key {
    const key = this.context.keys.get(request.latin1(i));
    if (key === undefined) throw keyInvalid();
    return key;
  }

  typeKey(request: Request, i: number): TypeKey {
    const key = this.key(request, i);
    if (key.kind !== 'type') throw wrongType();
    return key;
  }

  objectKey(request: Request, i: number): ObjectKey {
    const key = this.key(request, i);
    if (key.kind !== 'object' && key.kind !== 'schema') throw wrongType();
    return key;
  }

  logKey(request: Request, i: number): LogKey {
    const key = this.key(request, i);
    if (key.kind !== 'log') throw wrongType();
    return key;
  }

  /**
   * Does `answer` once all is applied that was durable when the request came: at once, as a rule.
   * @throws what `answer` throws, BCDB_PROJECTION_STOPPED
   */
  whenApplied(answer: () => void): void | Promise<void> {
    const { objects } = this.context;
    if (objects.isCurrent) return answer();
    return objects.caughtUp(this.connection.signal).then(answer);
  }

  async #finish(working: Promise<void>): Promise<void> {
    try {
      await working;
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (error instanceof ReplyError) this.reply.error(error.message);
    else if (isGridError(error)) {
      const hint = error.hint === undefined ? '' : ` (${error.hint})`;
      this.reply.error(`${error.code} ${error.message}${hint}`);
    } else throw error;
    this.context.stats.refusals++;
  }
}

function unknownCommand(request: Request): ReplyError {
  const name = request.latin1(0).slice(0, nameShownMax);
  return new ReplyError(`ERR unknown command '${name}'`);
}

function wrongNumber({ name }: Command): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
}

function wrongType(): ReplyError {
  return new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value');
}

/** Characters of an unknown command that its error repeats. */
const nameShownMax = 64;
