import { closeOnce, isGridError, silentLogger, systemClock, systemRandom } from '@commongrid/base';
import type { Clock, Logger, Random } from '@commongrid/base';
import { RespServer } from '@commongrid/resp';
import type { ListenAddress, RespConnection, ServerLimits, TlsOptions } from '@commongrid/resp';
import type { Database } from '../../database.ts';
import { payloadBytesMax } from '../../record/entry.ts';
import { Gate } from '../access/gate.ts';
import { ReadRights } from '../access/read-rights.ts';
import { Proposals } from '../proposals.ts';
import { allCommands } from './all-commands.ts';
import { makeDoorContext } from './door-context.ts';
import type { DoorContext } from './door-context.ts';
import { LogStream } from './log-stream.ts';
import { LogWaiters } from './log-waiters.ts';
import { Objects } from './objects.ts';
import { Session } from './session.ts';

export interface RespDoorOptions {
  readonly bcdb: Database;
  /** TCP addresses; port 0 takes a free one, see `addresses`. */
  readonly listen?: readonly ListenAddress[];
  /** A Unix socket beside or instead of them. */
  readonly socketPath?: string;
  /** With it the TCP addresses speak TLS. */
  readonly tls?: TlsOptions;
  /** 32 random bytes, base64url: who shows it is the owner. Without it nobody is. */
  readonly ownerToken?: string;
  readonly limits?: Partial<ServerLimits>;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Limits of the door where they differ from those of any Redis server here. */
const respDoorLimits: Partial<ServerLimits> = {
  maxConnections: 1024,
  /** A body at most, with room for JSON that is not canonical yet. */
  maxBulkBytes: 2 * payloadBytesMax,
  maxRequestBytes: 16 << 20,
};

/** The Redis protocol in front of a database. */
export class RespDoor implements AsyncDisposable {
  /** TCP addresses with the ports that were given. */
  readonly addresses: readonly ListenAddress[];
  /** Listens no more, lets replies leave, waits for commands at work. */
  readonly close: () => Promise<void>;

  private constructor(server: RespServer, waiters: LogWaiters) {
    this.addresses = server.addresses;
    this.close = closeOnce(async () => {
      await server.close();
      waiters.close();
    });
  }

  /** @throws BCDB_TOKEN_WEAK, RESP_OPTION_INVALID, RESP_LISTEN_FAILED */
  static async open(options: RespDoorOptions): Promise<RespDoor> {
    const { bcdb, logger = silentLogger, limits, tls, listen, socketPath } = options;
    const context = contextOf(options);
    try {
      const server = await RespServer.open({
        ...(listen === undefined ? {} : { listen }),
        ...(socketPath === undefined ? {} : { socketPath }),
        ...(tls === undefined ? {} : { tls }),
        limits: { ...respDoorLimits, ...limits },
        // Until somebody shows who he is, his requests are small.
        authRequired: true,
        onConnection: (connection) => {
          const session = new Session(context, connection);
          context.strangers.arrived(session);
          return session;
        },
        makeRoom: () => context.strangers.makeRoom(),
        onError: (error, connection) => report(logger, error, connection),
      });
      context.server = server;
      logger.info({ addresses: server.addresses, log: bcdb.log }, 'the Redis door is open');
      return new RespDoor(server, context.waiters);
    } catch (error) {
      context.waiters.close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function contextOf(options: RespDoorOptions): DoorContext {
  const { bcdb, ownerToken, logger = silentLogger } = options;
  const { clock = systemClock, random = systemRandom } = options;
  return makeDoorContext({
    bcdb,
    gate: new Gate({ log: bcdb.log, ownerKey: bcdb.owner, ownerToken, clock, random }),
    rights: new ReadRights(bcdb),
    objects: new Objects(bcdb, clock),
    proposals: new Proposals(bcdb),
    stream: new LogStream(bcdb),
    waiters: new LogWaiters(bcdb),
    commands: allCommands,
    logger,
    clock,
    random,
  });
}

/** What a command threw that is no refusal. A peer that leaves is no news. */
function report(logger: Logger, error: unknown, connection: RespConnection): void {
  if (isGridError(error, 'RESP_CONNECTION_LOST')) return;
  logger.error({ err: error, client: connection.remote }, 'a command failed');
}
