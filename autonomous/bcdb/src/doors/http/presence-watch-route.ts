import type { Clock } from '@commongrid/base';
import type { NodeId } from '@commongrid/model';
import type { NodePresence } from '../../presence/presence-table.ts';
import { gridNamespace } from '../../state/identities.ts';
import { presenceUrl } from '../../state/presence-rules.ts';
import type { DoorContext } from './door-context.ts';
import { route, streamReply } from './route.ts';
import type { Route } from './route.ts';
import { lagged, nextOf, orKeepAlive, watcherLagMs } from './watch-stream.ts';
import { watcherStream } from './watcher-stream.ts';

/** Who lives, live, as server-sent events. */
export function presenceWatchRoute(context: DoorContext): Route {
  const { bcdb, rights, metrics, clock, closing } = context;
  return route({
    method: 'GET',
    path: '/v1/presence/watch',
    summary: 'Standing of all nodes, `ready`, then each that changes; after a cut from the start',
    media: 'text/event-stream; charset=utf-8',
    reply: streamReply,
    handle: ({ who, signal }) => {
      rights.requireReadAll(who, gridNamespace, presenceUrl);
      return watcherStream(metrics, () => {
        // The watch begins first: what changes while the list is told comes after it.
        const changes = bcdb.presence.watch({ signal: AbortSignal.any([signal, closing]) });
        const nodes = Array.from(bcdb.presence.list(), ({ node }) => node);
        const look = (node: NodeId): NodePresence | undefined => bcdb.presence.get(node);
        return presenceEvents({ nodes, look, changes, clock });
      });
    },
  });
}

interface PresenceEventsOptions {
  readonly nodes: readonly NodeId[];
  readonly look: (node: NodeId) => NodePresence | undefined;
  readonly changes: AsyncIterableIterator<NodePresence>;
  readonly clock: Clock;
}

async function* presenceEvents(options: PresenceEventsOptions): AsyncGenerator<string, void> {
  const { nodes, look, changes, clock } = options;
  let readyMs = clock.monotonicMs();
  const isLate = (): boolean => clock.monotonicMs() - readyMs > watcherLagMs;
  try {
    yield 'retry: 1000\n\n';
    for (const node of nodes) {
      if (isLate()) {
        yield cut();
        return;
      }
      readyMs = clock.monotonicMs();
      const presence = look(node);
      if (presence !== undefined) yield event('presence', presence);
    }
    yield event('ready', {});
    let next: Promise<IteratorResult<NodePresence, void>> | undefined;
    for (;;) {
      if (isLate()) {
        yield cut();
        return;
      }
      next ??= nextOf(changes);
      const result = await orKeepAlive(next, clock);
      readyMs = clock.monotonicMs();
      if (result === undefined) {
        yield ': still here\n\n';
        continue;
      }
      if (result.done === true) return;
      next = undefined;
      yield event('presence', result.value);
    }
  } finally {
    await changes.return?.();
  }
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function cut(): string {
  return event('cut', lagged().toJSON());
}
