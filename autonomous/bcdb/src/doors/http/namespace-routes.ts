import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import type { BcdbErrorCode } from '../../errors.ts';
import type { NamespaceRecord, SchemaRecord } from '../../record/system-records.ts';
import { systemSchemas, systemUrls } from '../../record/system-records.ts';
import { namespaceScope } from '../../state/access.ts';
import { requireOwner } from '../access/read-rights.ts';
import type { DoorContext } from './door-context.ts';
import { receiptText } from './record-routes.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { hash, json, nsName, nsParams, receipt, sequence, typeParams, typeUrl } from './shapes.ts';

const namespaceReply = Type.Object({
  ns: nsName,
  seq: sequence,
  version: hash,
  record: Type.Unsafe<NamespaceRecord>({ type: 'object', additionalProperties: true }),
});

const schemaReply = Type.Object({
  url: typeUrl,
  /** SHA-256 of the canonical schema: what records name. */
  id: hash,
  seq: sequence,
  version: hash,
  schema: json,
});

/** Namespaces and the types in them. */
export function namespaceRoutes(context: DoorContext): readonly Route[] {
  return [...ownRoutes(context), ...schemaRoutes(context)];
}

function ownRoutes({ bcdb, rights, metrics }: DoorContext): readonly Route[] {
  const documentOf = (ns: string) =>
    bcdb.state.document<NamespaceRecord>({ ns, url: systemUrls.namespace, obj: namespaceScope });
  return [
    route({
      method: 'GET',
      path: '/v1/namespaces',
      summary: 'Names of the namespaces that may be read',
      reply: Type.Object({ namespaces: Type.Array(nsName) }),
      handle: ({ who }) => ({
        namespaces: bcdb.state.namespaces().filter((ns) => rights.maySee(who, ns)),
      }),
    }),
    route({
      method: 'GET',
      path: '/v1/namespaces/:ns',
      summary: 'Grants and settings of a namespace',
      params: nsParams,
      reply: namespaceReply,
      handle: ({ who, params: { ns } }) => {
        rights.requireRead(who, ns, systemUrls.namespace, namespaceScope);
        const found = documentOf(ns);
        if (found === undefined) throw notFound(`there is no namespace ${ns}`);
        return { ns, seq: found.seq, version: found.version, record: found.value };
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/namespaces/:ns',
      summary: 'Makes a namespace of which the owner is admin, or changes one as the body says',
      params: nsParams,
      body: Type.Partial(systemSchemas[systemUrls.namespace], { additionalProperties: false }),
      reply: receipt,
      handle: async ({ who, params: { ns }, body }) => {
        requireOwner(who);
        const grants = [{ to: bcdb.owner, rights: ['admin' as const] }];
        const before = documentOf(ns)?.value ?? { grants };
        const value: NamespaceRecord = { ...before, ...body };
        const write = { ns, op: 'put', url: systemUrls.namespace, obj: namespaceScope } as const;
        return receiptText(await metrics.append(() => bcdb.write({ ...write, value })));
      },
    }),
  ];
}

function schemaRoutes({ bcdb, rights, metrics }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/namespaces/:ns/schemas',
      summary: 'Types of a namespace',
      params: nsParams,
      reply: Type.Object({ schemas: Type.Array(Type.Object({ url: typeUrl, version: hash })) }),
      handle: ({ who, params: { ns } }) => {
        rights.requireReadAll(who, ns, systemUrls.schema);
        const found = [...bcdb.state.documents<SchemaRecord>(ns, systemUrls.schema)];
        return { schemas: found.map(([url, { version }]) => ({ url, version })) };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/namespaces/:ns/schemas/:url',
      summary: 'The newest schema of a type',
      params: typeParams,
      reply: schemaReply,
      handle: ({ who, params: { ns, url } }) => {
        rights.requireRead(who, ns, systemUrls.schema, url);
        const name = { ns, url: systemUrls.schema, obj: url };
        const found = bcdb.state.document<{ readonly schema: JsonValue }>(name);
        const id = bcdb.schemaOf(ns, url);
        if (found === undefined || id === undefined) throw notFound(`${ns} has no type ${url}`);
        return { url, id, seq: found.seq, version: found.version, schema: found.value.schema };
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/namespaces/:ns/schemas/:url',
      summary: 'Defines a type, or a version of it that takes all that the former took',
      params: typeParams,
      body: json,
      reply: receipt,
      handle: async ({ who, params: { ns, url }, body }) => {
        requireOwner(who);
        return receiptText(await metrics.append(() => bcdb.defineSchema(ns, url, body)));
      },
    }),
  ];
}

function notFound(message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_NOT_FOUND', message);
}
