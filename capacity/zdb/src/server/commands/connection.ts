import { type HelloProblem, type Request, readHello, writeHello } from '@commongrid/resp';
import { PASSWORD_BYTES_MAX } from '../../config.ts';
import type { CommandDefinition } from '../command.ts';
import { atPace, isPassword, newNonce, refusalOfProof, refuseAttempt } from '../credentials.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';
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

function hello(session: Session, request: Request): void {
  const { connection, context } = session;
  const asked = readHello(request);
  if (typeof asked === 'string') {
    session.refuse(helloProblems[asked]);
    return;
  }
  const { adminPassword } = context.config;
  if (asked.userAt !== undefined && adminPassword !== undefined) {
    const problem = refusalOfPassword(request, asked.userAt + 1, adminPassword);
    if (problem !== undefined) {
      refuseAttempt(session, problem);
      return;
    }
    session.becomeAdmin();
  }
  session.name = asked.name ?? session.name;
  connection.reply.protocol = asked.protocol ?? connection.reply.protocol;
  writeHello(connection.reply, {
    server: serverName,
    version: serverVersion,
    id: connection.id,
    mode: 'standalone',
    role: context.replication?.role ?? 'master',
  });
}

const helloProblems: Readonly<Record<HelloProblem, string>> = {
  protocol: 'NOPROTO unsupported protocol version',
  name: replyTexts.invalidArgument,
  arguments: replyTexts.invalidArguments,
};
