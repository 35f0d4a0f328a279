import { randomBytes } from 'node:crypto';
import { closeOnce, GridError, isGridError, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { PublicKey } from '@commongrid/crypto';
import type { Domain } from '@commongrid/crypto';
import {
  describeCommands,
  CommandTable,
  anyNumber,
  readHello,
  RespServer,
  writeHello,
} from '@commongrid/resp';
import type {
  CommandFacts,
  ConnectionHandler,
  ListenAddress,
  Request,
  RespConnection,
} from '@commongrid/resp';
import type { Caller, Permission } from '../actors/caller.ts';
import { provenCaller } from '../actors/caller.ts';
import type { Dispatcher } from '../actors/dispatcher.ts';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import type { Credentials } from '../keys/certificate.ts';
import type { Gatekeeper } from '../phonebook/gatekeeper.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import type { Tokens } from './tokens.ts';

/** What the signature that answers a challenge is for. */
export const authDomain: Domain = 'commongrid/bot-auth/1';

export interface RespDoorOptions {
  /** Id of this bot. */
  readonly self: string;
  readonly log: string;
  /** Over TLS, with the certificate of the bot. */
  readonly listen: ListenAddress;
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly phonebook: Phonebook;
  readonly gatekeeper: Gatekeeper;
  readonly standingOf: (bot: string) => Permission;
  readonly tokens: Tokens;
  readonly limits: BotLimits;
  readonly logger?: Logger;
}

interface Command extends CommandFacts {
  readonly run: (session: Session, request: Request) => void | Promise<void>;
}

/** Methods as commands of the Redis protocol: `people.allow '{"bot":"bot:…","standing":"circle"}'`. */
export class RespDoor implements AsyncDisposable {
  readonly address: ListenAddress;
  readonly close: () => Promise<void>;

  private constructor(server: RespServer, address: ListenAddress) {
    this.address = address;
    this.close = closeOnce(() => server.close());
  }

  /** @throws RESP_LISTEN_FAILED */
  static async open(options: RespDoorOptions): Promise<RespDoor> {
    const { listen, credentials, limits, logger = silentLogger } = options;
    const methods = [...options.dispatcher.catalog.methods.values()];
    const commands = new CommandTable<Command>([
      ...connectionCommands,
      ...methods.map(({ name, method }) => methodCommand(name, method.summary)),
    ]);
    const server = await RespServer.open({
      listen: [listen],
      tls: credentials,
      limits: {
        maxConnections: limits.linksMax,
        maxBulkBytes: limits.frameBytesMax,
        maxRequestBytes: 2 * limits.frameBytesMax,
      },
      authRequired: true,
      onConnection: (connection) => new Session(options, commands, connection),
      onError: (error) => {
        if (isGridError(error, 'RESP_CONNECTION_LOST')) return;
        logger.error({ err: error }, 'a command failed');
      },
    });
    const [address = listen] = server.addresses;
    return new RespDoor(server, address);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One client. Who has not said who it is may use what is for everybody. */
class Session implements ConnectionHandler {
  readonly options: RespDoorOptions;
  readonly commands: CommandTable<Command>;
  readonly connection: RespConnection;
  caller: Caller;
  /** The key that answered a challenge: it is looked up again with each call. */
  key: string | undefined;
  challenge: string | undefined;
  /** The token of an app, which may end while the connection stays. */
  token: string | undefined;

  constructor(
    options: RespDoorOptions,
    commands: CommandTable<Command>,
    connection: RespConnection,
  ) {
    this.options = options;
    this.commands = commands;
    this.connection = connection;
    const account = connection.network;
    this.caller = { bot: undefined, standing: 'public', way: 'redis', account };
  }

  async handle(request: Request): Promise<void> {
    const { reply } = this.connection;
    try {
      const command = this.commands.find(request);
      if (command === undefined) throw unknownCommand();
      const given = request.argc - 1;
      if (given < command.least || given > command.most) throw wrongNumber(command);
      await command.run(this, request);
    } catch (error) {
      if (!isGridError(error)) throw error;
      const hint = error.hint === undefined ? '' : ` (${error.hint})`;
      reply.error(`${error.code} ${error.message}${hint}`.replaceAll(/[\r\n]+/g, ' '));
    }
  }

  becomes(caller: Caller, key?: string): void {
    this.caller = caller;
    this.key = key;
    this.token = undefined;
    this.connection.setLimits();
  }
}

function methodCommand(name: string, summary: string): Command {
  return {
    ...{ name: name.toUpperCase(), least: 0, most: 1, summary },
    async run(session, request) {
      const { dispatcher, phonebook, tokens } = session.options;
      const input = request.argc > 1 ? jsonOf(request.text(1)) : {};
      const { signal, reply, network } = session.connection;
      if (session.key !== undefined) await phonebook.holder(session.key, session.caller.bot);
      if (session.token !== undefined) await tokens.caller(session.token, network, 'redis', signal);
      const output = await dispatcher.call(name, input, session.caller, signal);
      reply.bulkText(JSON.stringify(output ?? null));
    },
  };
}

const connectionCommands: readonly Command[] = [
  {
    ...{ name: 'PING', least: 0, most: 0, summary: 'Answers PONG.' },
    run: ({ connection }) => connection.reply.simple('PONG'),
  },
  {
    ...{ name: 'AUTH', least: 1, most: 2 },
    summary: 'Says who speaks: AUTH TOKEN, or AUTH KEY SIGNATURE after BOT.CHALLENGE.',
    async run(session, request) {
      await authenticate(session, request, 1, request.argc - 1);
      session.connection.reply.ok();
    },
  },
  {
    ...{ name: 'BOT.CHALLENGE', least: 0, most: 0 },
    summary: 'Answers what a key must sign to be known: canonical JSON of all members.',
    run(session) {
      session.challenge = randomBytes(32).toString('base64url');
      const { self, log } = session.options;
      session.connection.reply.bulkText(challengeText(session.challenge, self, log));
    },
  },
  {
    ...{ name: 'HELLO', least: 0, most: 6 },
    summary: 'Chooses the protocol: HELLO [2|3 [AUTH NAME SECRET] [SETNAME NAME]].',
    async run(session, request) {
      const asked = readHello(request);
      if (typeof asked === 'string') throw refused('BOT_INPUT_INVALID', 'HELLO is not understood');
      if (asked.userAt !== undefined) await authenticate(session, request, asked.userAt, 2);
      const { reply, id } = session.connection;
      reply.protocol = asked.protocol ?? reply.protocol;
      writeHello(reply, {
        ...{ server: '3bot', version: '7.0.0', id },
        mode: 'standalone',
        role: 'master',
      });
    },
  },
  {
    ...{ name: 'COMMAND', least: 0, most: anyNumber, summary: 'Describes the commands.' },
    run({ connection, commands }, request) {
      const about = { commands, flagsOf: () => [] };
      if (describeCommands(connection.reply, request, about)) return;
      throw refused('BOT_INPUT_INVALID', 'COMMAND knows COUNT, LIST, INFO and DOCS');
    },
  },
  {
    ...{ name: 'QUIT', least: 0, most: 0, summary: 'Closes the connection.' },
    run({ connection }) {
      connection.reply.ok();
      connection.close();
    },
  },
];

/** What is signed: it names this bot, so that an answer is good for no other one. */
function challengeText(challenge: string, bot: string, log: string): string {
  return JSON.stringify({ bot, challenge, log });
}

/** A token; `default` and a token, as clients send a password; or a key and its signature. */
async function authenticate(
  session: Session,
  request: Request,
  i: number,
  count: number,
): Promise<void> {
  const { self, log, tokens, gatekeeper, standingOf } = session.options;
  const { network, signal } = session.connection;
  const first = request.latin1(i);
  if (count === 1 || !first.startsWith('ed25519:')) {
    const token = request.latin1(i + count - 1);
    session.becomes(await tokens.caller(token, network, 'redis', signal));
    if (session.caller.app !== undefined) session.token = token;
    return;
  }
  const { challenge } = session;
  session.challenge = undefined;
  const signature = Buffer.from(request.latin1(i + 1), 'base64url');
  const bytes = Buffer.from(challengeText(challenge ?? '', self, log));
  if (challenge === undefined || !PublicKey.fromText(first).verify(authDomain, bytes, signature)) {
    throw refused('BOT_AUTH_FAILED', 'the signature does not answer the challenge');
  }
  const { entry, isOld } = await gatekeeper.holder(first, network);
  // A session lasts: whoever cannot be proven now begins it later.
  if (isOld) throw recordStale();
  session.becomes(provenCaller(entry.id, standingOf(entry.id), 'redis'), first);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('BOT_INPUT_INVALID', 'the argument is no JSON');
  }
}

function recordStale(): GridError<BotErrorCode> {
  return new GridError('BOT_RECORD_STALE', 'the database does not say who you are now', {
    hint: 'try again when it answers',
    retryable: true,
  });
}

function unknownCommand(): GridError<BotErrorCode> {
  return refused('BOT_METHOD_UNKNOWN', 'there is no such command: COMMAND lists them');
}

function wrongNumber({ name }: Command): GridError<BotErrorCode> {
  return refused('BOT_INPUT_INVALID', `wrong number of arguments for ${name.toLowerCase()}`);
}

function refused(code: BotErrorCode, message: string): GridError<BotErrorCode> {
  return new GridError(code, message);
}
