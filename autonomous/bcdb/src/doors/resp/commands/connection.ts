import { readHello, writeHello } from '@commongrid/resp';
import type { HelloProblem, Request } from '@commongrid/resp';
import { authDomain } from '../../access/challenge-message.ts';
import type { Command } from '../command.ts';
import { nameInvalid, notInteger, ReplyError, syntaxError } from '../reply-error.ts';
import type { Session } from '../session.ts';
import { serverName, serverVersion } from '../version.ts';

/** What concerns the connection and who speaks on it. */
export const connectionCommands: readonly Command[] = [
  {
    name: 'PING',
    least: 0,
    most: 1,
    summary: 'Answers PONG, or the argument.',
    run({ reply }, request) {
      if (request.argc > 1) reply.bulk(request.view(1));
      else reply.simple('PONG');
    },
  },
  {
    name: 'ECHO',
    least: 1,
    most: 1,
    summary: 'Answers the argument.',
    run({ reply }, request) {
      reply.bulk(request.view(1));
    },
  },
  {
    name: 'TIME',
    least: 0,
    most: 0,
    summary: 'Answers the time of the server: seconds and microseconds.',
    run({ context, reply }) {
      const nowMs = context.clock.nowMs();
      reply.array(2);
      reply.bulkText(String(Math.floor(nowMs / 1000)));
      reply.bulkText(String(Math.floor((nowMs % 1000) * 1000)));
    },
  },
  {
    name: 'SELECT',
    least: 1,
    most: 1,
    summary: 'SELECT 0: there is one database only; namespaces are part of the keys.',
    run({ reply }, request) {
      const index = request.integer(1);
      if (index === undefined) throw notInteger();
      if (index !== 0) throw new ReplyError('ERR DB index is out of range');
      reply.ok();
    },
  },
  {
    name: 'AUTH',
    least: 1,
    most: 2,
    summary: 'Says who speaks: AUTH TOKEN, or AUTH KEY SIGNATURE after BCDB.CHALLENGE.',
    async run(session, request) {
      await authenticate(session, request, 1, request.argc - 1);
      session.reply.ok();
    },
  },
  {
    name: 'BCDB.CHALLENGE',
    least: 0,
    most: 0,
    summary: 'Answers what a key must sign to be known: challenge, door, log, domain.',
    run(session) {
      session.challenge = session.context.gate.challenge();
      const fields = Object.entries({
        challenge: session.challenge,
        door: 'redis',
        log: session.context.bcdb.log,
        domain: authDomain,
      });
      session.reply.map(fields.length);
      for (const [name, value] of fields) {
        session.reply.bulkText(name);
        session.reply.bulkText(value);
      }
    },
  },
  {
    name: 'HELLO',
    least: 0,
    most: 6,
    summary: 'Chooses the protocol: HELLO [2|3 [AUTH NAME SECRET] [SETNAME NAME]].',
    run: hello,
  },
  {
    name: 'QUIT',
    least: 0,
    most: 0,
    summary: 'Closes the connection.',
    run({ reply, connection }) {
      reply.ok();
      connection.close();
    },
  },
];

/**
 * Finds out who speaks from `count` arguments at `i`: a token; `default` and a token, as clients
 * send a password; or a key and its signature.
 */
async function authenticate(
  session: Session,
  request: Request,
  i: number,
  count: number,
): Promise<void> {
  const { gate } = session.context;
  const from = { address: session.address, signal: session.connection.signal };
  const first = request.latin1(i);
  if (count === 2 && first.startsWith('ed25519:')) {
    const challenge = session.challenge ?? '';
    session.challenge = undefined;
    const signature = Buffer.from(request.latin1(i + 1), 'base64url');
    session.becomes(await gate.answer({ challenge, door: 'redis', key: first, signature }, from));
    return;
  }
  session.becomes(await gate.identify(request.latin1(i + count - 1), from));
}

function hello(session: Session, request: Request): void | Promise<void> {
  const asked = readHello(request);
  if (typeof asked === 'string') throw helloErrors[asked]();
  const answer = (): void => {
    session.name = asked.name ?? session.name;
    session.reply.protocol = asked.protocol ?? session.reply.protocol;
    writeHello(session.reply, {
      server: serverName,
      version: serverVersion,
      id: session.connection.id,
      mode: 'standalone',
      role: 'master',
    });
  };
  if (asked.userAt === undefined) return answer();
  return authenticate(session, request, asked.userAt, 2).then(answer);
}

const helloErrors: Readonly<Record<HelloProblem, () => ReplyError>> = {
  protocol: () => new ReplyError('NOPROTO unsupported protocol version'),
  name: nameInvalid,
  arguments: syntaxError,
};
