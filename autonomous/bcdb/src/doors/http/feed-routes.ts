import { Type } from 'typebox';
import { GridError, isGridError, throwIfAborted } from '@commongrid/base';
import { everyone } from '@commongrid/model';
import type { BcdbErrorCode } from '../../errors.ts';
import { feedsReply, feedsRequest } from '../../feeds/feeds-reply.ts';
import { gridNamespace } from '../../state/identities.ts';
import type { Identity } from '../access/identity.ts';
import { authNeeded } from '../access/read-rights.ts';
import { LogWaiters } from '../resp/log-waiters.ts';
import type { DoorContext } from './door-context.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { sequence } from './shapes.ts';

/** Longest time that a request waits for the log to grow, and how long it waits by default. */
const logWaitMsMax = 25_000;

/** What followers ask for: feeds, and when there is more. */
export function feedRoutes(context: DoorContext): readonly Route[] {
  return [feedsRoute(context), logWaitRoute(context)];
}

function feedsRoute(context: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/feeds',
    summary: 'Records that concern readers, with all that shows that they are all',
    body: feedsRequest,
    reply: feedsReply,
    isPacked: true,
    handle: async ({ who, body, signal }) => {
      const { bcdb } = context;
      const requireFeeds = (): void => {
        for (const { reader } of body.feeds) requireFeed(context, who, reader);
      };
      requireFeeds();
      const { waitMs = 0 } = body;
      if (waitMs > 0) {
        await held(context, signal, waitMs, (ended) => bcdb.feedNews(body, ended));
        throwIfAborted(signal);
        // Keys end, and rights do.
        requireFeeds();
      }
      return bcdb.feedsOf(body);
    },
  });
}

function logWaitRoute(context: DoorContext): Route {
  const { bcdb, closing } = context;
  const waiters = new LogWaiters(bcdb);
  closing.addEventListener('abort', () => waiters.close(), { once: true });
  return route({
    method: 'GET',
    path: '/v1/log/wait',
    summary: `Answers once the log is longer than \`size\`, after \`waitMs\` at the latest`,
    query: Type.Object({
      size: sequence,
      waitMs: Type.Optional(Type.Integer({ minimum: 1, maximum: logWaitMsMax })),
    }),
    reply: Type.Object({ size: sequence }),
    handle: async ({ query: { size, waitMs = logWaitMsMax }, signal }) => {
      await held(context, signal, waitMs, async (ended) => {
        while (bcdb.head.size <= size) await waiters.past(size, [undefined], ended);
      });
      return { size: bcdb.head.size };
    },
  });
}

/** Holds an answer until what it waits for came, the time is up, the peer is gone or the door closes. */
async function held(
  { clock, closing }: DoorContext,
  gone: AbortSignal,
  waitMs: number,
  wait: (ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController();
  const timer = clock.setTimer(waitMs, () => late.abort());
  try {
    await wait(AbortSignal.any([gone, closing, late.signal]));
  } catch (error) {
    // The answer says how things are, whatever ended the wait.
    if (!isGridError(error, 'BASE_ABORTED')) throw error;
  } finally {
    timer.cancel();
  }
}

/**
 * A feed is its reader's, and the owner's; that of an account its signers'; what concerns everyone is for all who may see the
 * namespace of the grid.
 * @throws BCDB_AUTH_NEEDED, BCDB_DENIED
 */
function requireFeed({ bcdb, rights }: DoorContext, who: Identity, reader: string): void {
  if (who.kind === 'owner') return;
  const isOpen =
    reader === everyone
      ? rights.maySee(who, gridNamespace)
      : who.kind === 'key' && (bcdb.speaksFor(who.key, reader) || bcdb.signsFor(who.key, reader));
  if (isOpen) return;
  if (who.kind === 'anyone') throw authNeeded();
  throw new GridError<BcdbErrorCode>('BCDB_DENIED', `${who.key} may not read feed ${reader}`, {
    hint:
      reader === everyone
        ? `ask an admin of namespace ${gridNamespace} for the right to read it`
        : 'ask with a key of the bot or node whose feed it is',
    details: { reader },
  });
}
