import type { ReplyWriter } from './reply-writer.ts';

/** What a server says of itself in the answer to HELLO. */
export interface HelloFacts {
  readonly server: string;
  readonly version: string;
  readonly id: number;
  readonly mode: string;
  readonly role: string;
}

/**
 * Answers HELLO in the protocol that `reply.protocol` has been switched to. Parsing the request
 * and checking its credentials is the application's part.
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
