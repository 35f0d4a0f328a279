import { readClientName } from './client-name.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { Request } from './request.ts';

/** What a server says of itself in the answer to HELLO. */
export interface HelloFacts {
  readonly server: string;
  readonly version: string;
  readonly id: number;
  readonly mode: string;
  readonly role: string;
}

/** What a client asks for with HELLO. */
export interface HelloRequest {
  /** `undefined`: as before. */
  readonly protocol: 2 | 3 | undefined;
  /** `undefined`: as before. */
  readonly name: string | undefined;
  /** Which argument is the user's name; the secret is the next. */
  readonly userAt: number | undefined;
}

/** Neither protocol 2 nor 3; a name that cannot be one; anything else. */
export type HelloProblem = 'protocol' | 'name' | 'arguments';

/** Reads HELLO [2 | 3 [AUTH user secret] [SETNAME name]]. */
export function readHello(request: Request): HelloRequest | HelloProblem {
  let protocol: 2 | 3 | undefined;
  let name: string | undefined;
  let userAt: number | undefined;
  if (request.argc > 1) {
    const wanted = request.integer(1);
    if (wanted !== 2 && wanted !== 3) return 'protocol';
    protocol = wanted;
  }
  for (let i = 2; i < request.argc; i++) {
    if (request.is(i, 'AUTH') && i + 2 < request.argc) {
      userAt = i + 1;
      i += 2;
    } else if (request.is(i, 'SETNAME') && i + 1 < request.argc) {
      name = readClientName(request, i + 1);
      if (name === undefined) return 'name';
      i++;
    } else return 'arguments';
  }
  return { protocol, name, userAt };
}

/**
 * Answers HELLO in the protocol that `reply.protocol` has been switched to. Checking credentials
 * before is the application's part.
 */
export function writeHello(reply: ReplyWriter, facts: HelloFacts): void {
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText(facts.server);
  reply.bulkText('version');
  reply.bulkText(facts.version);
  reply.bulkText('proto');
  reply.integer(reply.protocol);
  reply.bulkText('id');
  reply.integer(facts.id);
  reply.bulkText('mode');
  reply.bulkText(facts.mode);
  reply.bulkText('role');
  reply.bulkText(facts.role);
  reply.bulkText('modules');
  reply.array(0);
}
