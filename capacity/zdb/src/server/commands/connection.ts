import { type Request, writeHello } from '@commongrid/resp';
import { PASSWORD_BYTES_MAX } from '../../config.ts';
import type { CommandDefinition } from '../command.ts';
import { atPace, isPassword, newNonce, refusalOfProof, refuseAttempt } from '../credentials.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';
import { nameOf } from './client.ts';
import { serverName, serverVersion } from '../version.ts';

/** What concerns the connection and who speaks on it. */
export const connectionCommands: readonly CommandDefinition[] = [
  {
    name: 'PING',
    access: 'open',
    least: 0,
    most: 1,
    summary: 'Answers PONG, or the argument.',
    run(session, request) {
      if (request.argc > 1) session.connection.reply.bulk(request.view(1));
      else session.connection.reply.simple('PONG');
    },
  },
  {
    name: 'ECHO',
    access: 'open',
    least: 1,
    most: 1,
    summary: 'Answers the argument.',
    run(session, request) {
      session.connection.reply.bulk(request.view(1));
    },
  },
  {
    name: 'TIME',
    access: 'open',
    least: 0,
    most: 0,
    summary: 'Answers the time of the server: seconds and microseconds.',
    run({ context, connection }) {
      const nowMs = context.clock.nowMs();
      connection.reply.array(2);
      connection.reply.bulkText(String(Math.floor(nowMs / 1000)));
      connection.reply.bulkText(String(Math.floor((nowMs % 1000) * 1000)));
    },
  },
  {
    name: 'AUTH',
    isApart: true,
    access: 'open',
    least: 1,
    most: 2,
    summary: 'Makes the connection an administrator: AUTH password, or AUTH SECURE proof.',
    run: atPace((request) => !isChallenge(request), authenticate),
  },
  {
    name: 'HELLO',
    isApart: true,
    access: 'open',
    least: 0,
    most: 6,
    summary: 'Chooses the protocol: HELLO [2|3 [AUTH default password] [SETNAME name]].',
    // The password is the fourth argument at least.
    run: atPace((request) => request.argc > 4, hello),
  },
  {
    name: 'RESET',
    access: 'open',
    least: 0,
    most: 0,
    summary: 'Makes the connection as a new one is.',
    run(session) {
      session.reset();
      session.connection.reply.protocol = 2;
      session.connection.reply.simple('RESET');
    },
  },
  {
    name: 'QUIT',
    access: 'open',
    least: 0,
    most: 0,
    summary: 'Closes the connection.',
    run({ connection }) {
      connection.reply.ok();
      connection.close();
    },
  },
];

function isChallenge(request: Request): boolean {
  return request.argc === 3 && request.is(1, 'SECURE') && request.is(2, 'CHALLENGE');
}

function authenticate(session: Session, request: Request): void {
  const { reply } = session.connection;
  const { adminPassword } = session.context.config;
  if (adminPassword === undefined) {
    session.refuse(replyTexts.authenticationDisabled);
  } else if (request.argc === 2) {
    answer(session, refusalOfPassword(request, 1, adminPassword));
  } else if (request.is(1, 'SECURE')) {
    if (isChallenge(request)) reply.simple(newNonce(session));
    else answer(session, refusalOfProof(session, request, 2, adminPassword));
  } else if (request.is(1, 'DEFAULT')) {
    // The user's name with which clients of today's Redis send the one password.
    answer(session, refusalOfPassword(request, 2, adminPassword));
  } else {
    session.refuse('Only SECURE extra method supported');
  }
}

function answer(session: Session, problem: string | undefined): void {
  if (problem === undefined) {
    session.becomeAdmin();
    session.connection.reply.ok();
    return;
  }
  refuseAttempt(session, problem);
}

function refusalOfPassword(request: Request, i: number, password: string): string | undefined {
  if (request.lengthOf(i) > PASSWORD_BYTES_MAX) return replyTexts.passwordTooLong;
  return isPassword(request.view(i), password) ? undefined : replyTexts.accessDenied;
}

interface HelloOptions {
  readonly protocol: 2 | 3;
  readonly name: string | undefined;
  /** Place of the password. */
  readonly password: number | undefined;
}

function hello(session: Session, request: Request): void {
  const { connection, context } = session;
  const options = parseHello(session, request);
  if (typeof options === 'string') {
    session.refuse(options);
    return;
  }
  const { adminPassword } = context.config;
  if (options.password !== undefined && adminPassword !== undefined) {
    const problem = refusalOfPassword(request, options.password, adminPassword);
    if (problem !== undefined) {
      refuseAttempt(session, problem);
      return;
    }
    session.becomeAdmin();
  }
  if (options.name !== undefined) session.name = options.name;
  connection.reply.protocol = options.protocol;
  writeHello(connection.reply, {
    server: serverName,
    version: serverVersion,
    id: connection.id,
    mode: 'standalone',
    role: context.replication?.role ?? 'master',
  });
}

/** Reads the arguments; a text is the error. */
function parseHello(session: Session, request: Request): HelloOptions | string {
  let protocol = session.connection.reply.protocol;
  let name: string | undefined;
  let password: number | undefined;
  if (request.argc > 1) {
    const wanted = request.integer(1);
    if (wanted !== 2 && wanted !== 3) return 'NOPROTO unsupported protocol version';
    protocol = wanted;
  }
  for (let i = 2; i < request.argc; i++) {
    if (request.is(i, 'AUTH') && i + 2 < request.argc) {
      password = i + 2;
      i += 2;
    } else if (request.is(i, 'SETNAME') && i + 1 < request.argc) {
      name = nameOf(request, i + 1);
      if (name === undefined) return replyTexts.invalidArgument;
      i++;
    } else {
      return replyTexts.invalidArguments;
    }
  }
  return { protocol, name, password };
}
