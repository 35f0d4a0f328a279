import type { FastifyInstance } from 'fastify';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';

/** Longest time for which a browser keeps the answer to what it asks ahead of a request, seconds. */
const preflightSeconds = 600;

const methods = 'GET, POST, PUT, DELETE';
const headers = 'authorization, content-type, last-event-id';

/**
 * Lets pages of chosen origins use the door from a browser (CORS, in the Fetch standard). Nobody is
 * let in by it: there are no cookies here, and who speaks is shown by a token in each request.
 * @throws BCDB_REQUEST_INVALID when one is no origin
 */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins.map(requireOrigin));
  app.addHook('onRequest', async (request, reply) => {
    reply.header('vary', 'origin');
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin)) return undefined;
    reply.header('access-control-allow-origin', origin);
    if (request.method !== 'OPTIONS') return undefined;
    return reply
      .code(204)
      .header('access-control-allow-methods', methods)
      .header('access-control-allow-headers', headers)
      .header('access-control-max-age', preflightSeconds)
      .send();
  });
}

function requireOrigin(text: string): string {
  const isOrigin = URL.canParse(text) && new URL(text).origin === text;
  if (isOrigin) return text;
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', `${text} is no origin of pages`, {
    hint: 'scheme, host and port as a browser says them: https://app.example.org',
  });
}
