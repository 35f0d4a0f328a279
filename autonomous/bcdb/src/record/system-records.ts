import { Type } from 'typebox';
import type { Static } from 'typebox';
import { systemUrls } from './system-urls.ts';

export { logNamespace, systemPrefix, systemUrls } from './system-urls.ts';

/** Most members of one circle. */
const membersMax = 10_000;
/** Most grants of one access list. */
const grantsMax = 1000;
/** Most lines of one action of a policy. */
const policyLinesMax = 16;
/** Most readers of a private namespace. */
const readersMax = 1000;
/** Most signers of one line. */
const lineSignersMax = 256;

const hash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
const url = Type.String({ pattern: '^[a-z][a-z0-9.-]{2,95}$' });
const name = Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$' });
const time = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/**
 * Who: a key `ed25519:…`, a bot `bot:ID` with all its keys, a circle `circle:NAME` of the same
 * namespace, or `anyone`.
 */
const principal = Type.String({
  pattern:
    '^(?:anyone|ed25519:[A-Za-z0-9_-]{43}|bot:[A-Za-z0-9_-]{1,64}|circle:[A-Za-z0-9_][A-Za-z0-9._-]{0,63})$',
});

const closed = { additionalProperties: false } as const;

export const right = Type.Union([
  Type.Literal('read'),
  Type.Literal('write'),
  Type.Literal('delete'),
  Type.Literal('admin'),
]);
export type Right = Static<typeof right>;

const tickRecord = Type.Object({ at: time, feedsRoot: hash, state: hash }, closed);

/** Log time, and what every full replica must have come to: the feeds, and the state. */
export type TickRecord = Static<typeof tickRecord>;

const grants = Type.Array(
  Type.Object(
    { to: principal, rights: Type.Array(right, { minItems: 1, uniqueItems: true }) },
    closed,
  ),
  { maxItems: grantsMax },
);

const namespaceRecord = Type.Object(
  {
    /** Rights in the whole namespace. */
    grants,
    /** Payloads are sealed boxes, which no schema and no index sees. */
    isPrivate: Type.Optional(Type.Boolean()),
    /** Name and version of the rules of this namespace: `grid@1`. */
    validator: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}@[1-9][0-9]{0,5}$' })),
  },
  closed,
);
export type NamespaceRecord = Static<typeof namespaceRecord>;

const schemaRecord = Type.Object({ url, schema: Type.Unknown() }, closed);
export type SchemaRecord = Static<typeof schemaRecord>;

const circleRecord = Type.Object(
  { members: Type.Array(principal, { maxItems: membersMax, uniqueItems: true }) },
  closed,
);
export type CircleRecord = Static<typeof circleRecord>;

const aclRecord = Type.Object({ grants }, closed);

/** Rights on one type or one object: they stand in place of those of the namespace. */
export type AclRecord = Static<typeof aclRecord>;

const policyLine = Type.Object(
  {
    role: name,
    signers: Type.Array(principal, { minItems: 1, maxItems: lineSignersMax, uniqueItems: true }),
    min: Type.Integer({ minimum: 1, maximum: lineSignersMax }),
  },
  closed,
);

/** `min` of these must approve, in this role. A circle among the signers stands for its members. */
export type PolicyLine = Static<typeof policyLine>;

const policyLines = Type.Array(policyLine, { minItems: 1, maxItems: policyLinesMax });

const policyRecord = Type.Object(
  {
    write: Type.Optional(policyLines),
    delete: Type.Optional(policyLines),
    admin: Type.Optional(policyLines),
  },
  closed,
);
export type PolicyRecord = Static<typeof policyRecord>;
export type PolicyAction = keyof PolicyRecord;

const readersRecord = Type.Object(
  {
    /** Counts the keys of the namespace: 1, 2, 3 … */
    epoch: Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 }),
    boxes: Type.Array(
      Type.Object(
        {
          to: Type.String({ pattern: '^x25519:[A-Za-z0-9_-]{43}$' }),
          /** The key of the epoch, sealed to that reader. */
          box: Type.String({ maxLength: 200 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: readersMax },
    ),
  },
  closed,
);

/** Who can read what is written in a private namespace from here on. */
export type ReadersRecord = Static<typeof readersRecord>;

const proposalRecord = Type.Object(
  {
    op: Type.Union([Type.Literal('put'), Type.Literal('del'), Type.Literal('erase')]),
    url,
    obj: Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9._:/@+-]{0,255}$' }),
    /** Version that the change follows; absent for a new object. */
    prev: Type.Optional(hash),
    schema: Type.Optional(hash),
    /** Payload of the change, as JSON. */
    value: Type.Optional(Type.Unknown()),
    /** Sequence of the policy under which it is proposed. */
    policySeq: sequence,
    /** Log time from which it has no effect any more. */
    exp: time,
  },
  closed,
);
export type ProposalRecord = Static<typeof proposalRecord>;

const approvalRecord = Type.Object(
  {
    /** Version (leaf hash) of the proposal: an approval of these very bytes. */
    proposal: hash,
    role: name,
    verdict: Type.Union([Type.Literal('approve'), Type.Literal('reject')]),
    exp: time,
  },
  closed,
);
export type ApprovalRecord = Static<typeof approvalRecord>;

/** Schema of each type that travels as an ordinary record. */
export const systemSchemas = {
  [systemUrls.tick]: tickRecord,
  [systemUrls.namespace]: namespaceRecord,
  [systemUrls.schema]: schemaRecord,
  [systemUrls.circle]: circleRecord,
  [systemUrls.acl]: aclRecord,
  [systemUrls.policy]: policyRecord,
  [systemUrls.readers]: readersRecord,
  [systemUrls.proposal]: proposalRecord,
  [systemUrls.approval]: approvalRecord,
} as const;
