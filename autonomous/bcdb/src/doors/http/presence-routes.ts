import { Type } from 'typebox';
import { GridError, isGridError } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import type { NodeId } from '@commongrid/model';
import type { BcdbErrorCode } from '../../errors.ts';
import { messageBytesMax } from '../../presence/signed-message.ts';
import { gridNamespace } from '../../state/identities.ts';
import { leaseUrl } from '../../presence/lease-url.ts';
import { presenceUrl } from '../../state/presence-rules.ts';
import { HeldRefusals } from '../access/held-refusals.ts';
import { decodeBytes } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { presenceWatchRoute } from './presence-watch-route.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { keyText, objectId, sequence, time } from './shapes.ts';

/** Nodes of one list. */
const listedNodesMax = 1000;

const nodeName = Type.Unsafe<NodeId>(Type.String({ pattern: `^${idPatterns.node}$` }));
const standing = Type.Union([Type.Literal('alive'), Type.Literal('suspect'), Type.Literal('gone')]);
const epoch = Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' });

const presence = Type.Object({
  node: nodeName,
  standing,
  session: sequence,
  silentMs: Type.Number({ minimum: 0 }),
  isAssumed: Type.Boolean(),
  at: Type.Optional(time),
});

const signedMessage = Type.Object(
  { message: Type.String({ maxLength: Math.ceil((messageBytesMax * 4) / 3) }) },
  { additionalProperties: false },
);

const nothing = Type.Object({});

/** What is signed and not logged, and what the sequencer knows by it. */
export function presenceRoutes(context: DoorContext): readonly Route[] {
  return [
    ...messageRoutes(context),
    ...nodeRoutes(context),
    presenceWatchRoute(context),
    leaseRoute(context),
  ];
}

function messageRoutes({ bcdb, clock }: DoorContext): readonly Route[] {
  // Apart from that of sessions: a node that fails keeps nobody from coming in.
  const refusals = new HeldRefusals(clock);
  return [
    route({
      method: 'POST',
      path: '/v1/heartbeats',
      summary: 'A node says that it lives, signed by its key; answers once it counts',
      body: signedMessage,
      reply: nothing,
      handle: async ({ body: { message }, address, signal }) => {
        const taken = async (): Promise<void> =>
          bcdb.presence.heartbeat(decodeBytes('message', message));
        await paced(refusals, taken, address, signal);
        return {};
      },
    }),
    route({
      method: 'POST',
      path: '/v1/renewals',
      summary: 'The holder of a lease goes on holding it; answers once that counts',
      body: signedMessage,
      reply: nothing,
      handle: async ({ body: { message }, address, signal }) => {
        const taken = async (): Promise<void> =>
          bcdb.presence.renew(decodeBytes('message', message));
        await paced(refusals, taken, address, signal);
        return {};
      },
    }),
  ];
}

function nodeRoutes({ bcdb, rights }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/presence',
      summary: 'Who lives: how many, and the nodes that were silent for longest',
      query: Type.Object({
        standing: Type.Optional(standing),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: listedNodesMax })),
      }),
      reply: Type.Object({
        epoch,
        counts: Type.Object({ alive: sequence, suspect: sequence, gone: sequence }),
        nodes: Type.Array(presence),
      }),
      handle: ({ who, query: { standing: wanted, limit = listedNodesMax } }) => {
        rights.requireReadAll(who, gridNamespace, presenceUrl);
        const { epoch: run } = bcdb.presence;
        const nodes = Iterator.from(bcdb.presence.list())
          .filter((node) => wanted === undefined || node.standing === wanted)
          .take(limit)
          .toArray();
        return { epoch: run, counts: bcdb.presence.counts(), nodes };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/presence/:node',
      summary: 'Whether a node lives',
      params: Type.Object({ node: nodeName }),
      reply: presence,
      handle: ({ who, params: { node } }) => {
        rights.requireRead(who, gridNamespace, presenceUrl, node);
        return bcdb.presence.get(node) ?? notFound(`${node} was not seen for a day, or ever`);
      },
    }),
  ];
}

function leaseRoute({ bcdb, rights }: DoorContext): Route {
  return route({
    method: 'GET',
    path: '/v1/leases/*name',
    summary: 'A lease as it is logged, and for how long no rival is let in',
    params: Type.Object({ name: objectId }),
    reply: Type.Object({
      lease: Type.Object({
        name: Type.String(),
        holder: keyText,
        fence: sequence,
        ttlMs: sequence,
        isReleased: Type.Optional(Type.Boolean()),
      }),
      remainingMs: sequence,
    }),
    handle: ({ who, params: { name } }) => {
      rights.requireRead(who, gridNamespace, leaseUrl, name);
      return bcdb.presence.lease(name) ?? notFound(`nobody ever held ${name}`);
    },
  });
}

/**
 * Tells late of what nobody sends who has the key. An address is slowed and never shut out: behind
 * it there can be many nodes, and whoever shares it must not be able to silence them.
 */
async function paced(
  refusals: HeldRefusals,
  taken: () => Promise<void>,
  address: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await taken();
  } catch (error) {
    if (isGridError(error) && forged.has(error.code)) await refusals.hold(address, signal);
    throw error;
  }
}

/** Refusals that a node or holder in order does not come to. */
const forged: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_KEY_ENDED',
  'BCDB_NODE_UNKNOWN',
  'BCDB_OTHER_LOG',
  'BCDB_REQUEST_INVALID',
  'BCDB_SIGNATURE_INVALID',
]);

function notFound(message: string): never {
  throw new GridError<BcdbErrorCode>('BCDB_NOT_FOUND', message);
}
