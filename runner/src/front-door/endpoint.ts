import { idPatterns } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static } from 'typebox';

const closed = { additionalProperties: false } as const;
const contractId = Type.Unsafe<ContractId>(Type.String({ pattern: `^${idPatterns.contract}$` }));

/** What a role of a contract publishes under one number, over TCP. */
const endpointSchema = Type.Object(
  {
    contract: contractId,
    /** The first of the contracts that replace each other up to this one. */
    lineage: contractId,
    /** How many came before this one. */
    generation: Type.Integer(),
    /** Of the contract. */
    name: Type.String(),
    role: Type.String(),
    /** What the role calls the port. */
    port: Type.String(),
    /** Its number at addresses of nodes. */
    publish: Type.Integer(),
    /** `s3`: heads of a store, of which one serves at a time. */
    kind: Type.Union([Type.Literal('tcp'), Type.Literal('s3')]),
    /** What moves now leaves nodes that drain: there it goes on until its successor is well. */
    isLeaving: Type.Boolean(),
    replicas: Type.Array(
      Type.Object(
        {
          replica: Type.Integer(),
          /** `HOST:PORT` */
          address: Type.String(),
          isReady: Type.Boolean(),
        },
        closed,
      ),
    ),
  },
  closed,
);

export type Endpoint = Static<typeof endpointSchema>;

/** What a bot says of the endpoints of its owner. */
export const endpointNewsSchema = Type.Object(
  {
    /** Names what is said: with it the next call waits for something else. */
    version: Type.String(),
    endpoints: Type.Array(endpointSchema),
  },
  closed,
);

export type EndpointNews = Static<typeof endpointNewsSchema>;
