import { Type } from 'typebox';
import type { ProposalRecord } from '../../record/system-records.ts';
import { systemUrls } from '../../record/system-records.ts';
import { requireOwner } from '../access/read-rights.ts';
import type { DoorContext } from './door-context.ts';
import { receiptText } from './record-routes.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import {
  hash,
  head,
  json,
  keyText,
  nsName,
  nsParams,
  objectId,
  receipt,
  sequence,
  time,
  typeUrl,
} from './shapes.ts';

const status = Type.Unsafe<'open' | 'effective' | 'rejected' | 'stale' | 'expired'>({
  type: 'string',
  enum: ['open', 'effective', 'rejected', 'stale', 'expired'],
});

const vote = Type.Object({ who: Type.String(), role: Type.String() });

const proposal = Type.Object({
  id: objectId,
  status,
  author: keyText,
  version: hash,
  seq: sequence,
  record: Type.Unsafe<ProposalRecord>({ type: 'object', additionalProperties: true }),
  approvals: Type.Array(Type.Object({ who: Type.String(), role: Type.String(), exp: time })),
  rejections: Type.Array(vote),
});

const proposalParams = Type.Object({ ns: nsName, id: objectId });

/** Changes that several people have to agree to. Whoever is not the owner sends signed records. */
export function proposalRoutes(context: DoorContext): readonly Route[] {
  return [...readRoutes(context), proposeRoute(context), ...voteRoutes(context)];
}

function readRoutes({ rights, proposals }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/namespaces/:ns/proposals',
      summary: 'Proposals and how they stand, the newest first',
      params: nsParams,
      query: Type.Object({ status: Type.Optional(status) }),
      reply: Type.Object({ proposals: Type.Array(proposal) }),
      handle: ({ who, params: { ns }, query }) => {
        rights.requireReadAll(who, ns, systemUrls.proposal);
        return { proposals: proposals.list(ns, query.status) };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/namespaces/:ns/proposals/:id',
      summary: 'One proposal and how it stands',
      params: proposalParams,
      reply: proposal,
      handle: ({ who, params: { ns, id } }) => {
        rights.requireRead(who, ns, systemUrls.proposal, id);
        return proposals.get(ns, id);
      },
    }),
  ];
}

function proposeRoute({ proposals, metrics }: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/namespaces/:ns/proposals',
    summary: 'Proposes a change in the name of the owner',
    params: nsParams,
    body: Type.Object(
      {
        op: Type.Unsafe<'put' | 'del' | 'erase'>({ type: 'string', enum: ['put', 'del', 'erase'] }),
        url: typeUrl,
        obj: objectId,
        value: Type.Optional(json),
        prev: Type.Optional(hash),
        exp: Type.Optional(time),
      },
      { additionalProperties: false },
    ),
    reply: Type.Object({ id: objectId, seq: sequence, version: hash, head }),
    handle: async ({ who, params: { ns }, body }) => {
      requireOwner(who);
      const done = await metrics.append(() => proposals.propose({ ns, ...body }));
      return { id: done.id, ...receiptText(done) };
    },
  });
}

function voteRoutes({ proposals, metrics }: DoorContext): readonly Route[] {
  return (['approve', 'reject'] as const).map((verdict) =>
    route({
      method: 'POST',
      path: `/v1/namespaces/:ns/proposals/:id/${verdict}`,
      summary: verdict === 'approve' ? 'Agrees in the name of the owner' : 'Objects in his name',
      params: proposalParams,
      query: Type.Object({ role: Type.Optional(Type.String({ maxLength: 64 })) }),
      reply: receipt,
      handle: async ({ who, params: { ns, id }, query: { role } }) => {
        requireOwner(who);
        const cast = () => proposals.vote({ ns, id, verdict, role });
        return receiptText(await metrics.append(cast));
      },
    }),
  );
}
