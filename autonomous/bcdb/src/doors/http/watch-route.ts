import { Type } from 'typebox';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { ObjectChange } from '../../projection/object-row.ts';
import type { DoorContext } from './door-context.ts';
import { route, streamReply } from './route.ts';
import type { Route } from './route.ts';
import { nsParams, sequence, typeUrl } from './shapes.ts';
import { parsePlace, watchEvents } from './watch-stream.ts';
import type { WatchPlace } from './watch-stream.ts';
import { watcherStream } from './watcher-stream.ts';

/** Changes of a namespace, live, as server-sent events. */
export function watchRoute(context: DoorContext): Route {
  const { bcdb, rights, metrics, clock, closing } = context;
  return route({
    method: 'GET',
    path: '/v1/namespaces/:ns/watch',
    summary: 'Changes as they come; goes on after the header Last-Event-ID, or `from` a sequence',
    media: 'text/event-stream; charset=utf-8',
    params: nsParams,
    query: Type.Object({ url: Type.Optional(typeUrl), from: Type.Optional(sequence) }),
    reply: streamReply,
    handle: ({ who, params: { ns }, query: { url, from }, header, signal }) => {
      rights.requireRead(who, ns, url ?? '', '');
      const place = lastPlace(header('last-event-id'));
      const start = place?.seq ?? from ?? bcdb.head.size;
      return watcherStream(metrics, () => {
        const ended = AbortSignal.any([signal, closing]);
        const options = { from: start, signal: ended, ...(url === undefined ? {} : { url }) };
        const changes = bcdb.projection.watch(ns, options);
        const mayRead = (change: ObjectChange): boolean =>
          rights.mayRead(who, ns, change.url, change.obj);
        return watchEvents({ changes, place, mayRead, clock });
      });
    },
  });
}

function lastPlace(id: string | undefined): WatchPlace | undefined {
  if (id === undefined || id === '') return undefined;
  const place = parsePlace(id);
  if (place !== undefined) return place;
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', 'Last-Event-ID is no id of ours');
}
