import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

import { errorCode } from '@commongrid/base';

/** No other tests use these first letters. */
const firstLetters = 'tvwxyz';
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * What names of a node in the kernel begin with, three characters. Nodes beside each other must not have
 * the same: each would take away what the other has. So nobody else who asks here is given it as long as
 * this process lives: of a name in the kernel that ends with the process there is one for each.
 */
export async function drawPrefix(): Promise<string> {
  for (;;) {
    const prefix = draw(firstLetters) + draw(letters) + draw(letters);
    const holder = createServer();
    try {
      holder.listen({ path: `\0commongrid prefix ${prefix}` });
      await once(holder, 'listening');
      holder.unref();
      return prefix;
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE') throw error;
    }
  }
}

function draw(from: string): string {
  return from.charAt(randomInt(from.length));
}
