import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import type { TUnsafe } from 'typebox';
import { permissions } from '../actors/caller.ts';
import { dataPathMax } from './grid-address.ts';

/** Shapes of what the data API takes and gives. */

export const closed = { additionalProperties: false } as const;

/** Of methods that anybody may call: whether the object is for him is judged with each call. */
export const judged = { permission: 'public', isForApps: true } as const;

/** Of methods for the owner. */
export const ownerOnly = { permission: 'owner' } as const;

export const collectionName = Type.String({ pattern: '^(?!files$)[a-z][a-z0-9-]{0,31}$' });
export const recordId = Type.String({
  pattern: '^[A-Za-z0-9_][A-Za-z0-9._:/@+-]{0,127}$',
});
export const typeName = Type.String({ pattern: '^[a-z][a-z0-9.-]{2,95}$' });
export const dataPath = Type.String({ minLength: 1, maxLength: dataPathMax });
export const versionHash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
export const botId = Type.String({ pattern: `^${idPatterns.bot}$` });
export const appName = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' });
export const cursor = Type.Optional(Type.String({ maxLength: 4_096 }));
export const share = Type.Object({ path: dataPath, readers: oneOf(...permissions) }, closed);

export const record = Type.Object({
  id: Type.String(),
  type: Type.String(),
  value: Type.Unknown(),
  version: Type.String(),
  atMs: Type.Integer(),
});

export const recordPage = Type.Object({
  records: Type.Array(record),
  cursor: Type.Optional(Type.String()),
});

const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);

const field = Type.String({ maxLength: 256 });
const comparison = oneOf('eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'prefix', 'contains');

/** One condition, or several that all have to hold. */
export const where = Type.Array(
  Type.Union([
    Type.Object({ field, op: comparison, value: scalar }, closed),
    Type.Object(
      { field, op: Type.Literal('in'), value: Type.Array(scalar, { maxItems: 1_000 }) },
      closed,
    ),
  ]),
  { maxItems: 32 },
);

export const orderBy = Type.Object(
  {
    field,
    direction: Type.Optional(oneOf('asc', 'desc')),
  },
  closed,
);

export const fileMethod = oneOf('GET', 'PUT');

export const fileStore = Type.Object(
  {
    endpoint: Type.String({ pattern: '^https?://[!-.0-~]{1,255}/?$' }),
    region: Type.String({ pattern: '^[a-z0-9-]{1,32}$' }),
    bucket: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$' }),
    accessKey: Type.String({ minLength: 1, maxLength: 128 }),
    secretKey: Type.String({ minLength: 1, maxLength: 128 }),
  },
  closed,
);

export const pathRights = Type.Array(
  Type.Object(
    {
      path: dataPath,
      rights: Type.Array(oneOf('read', 'write'), { minItems: 1, maxItems: 2 }),
    },
    closed,
  ),
  { maxItems: 32 },
);

/** What an address leads to: a record, or a file by a URL that is good for a while. */
export const found = Type.Union([
  Type.Object({ kind: Type.Literal('record'), ...record.properties }),
  Type.Object({
    kind: Type.Literal('file'),
    url: Type.String(),
    urlSeconds: Type.Integer(),
    sizeBytes: Type.Integer(),
    mediaType: Type.String(),
  }),
]);

/** A version of a record that was written. */
export const written = Type.Object({ version: Type.String(), seq: Type.Integer() });

export const removed = Type.Object({ wasThere: Type.Boolean() });

export const signedFileUrl = Type.Object({ url: Type.String(), urlSeconds: Type.Integer() });

export const entryPage = Type.Object({
  /** Paths as addresses have them; those of folders end in `/`. */
  entries: Type.Array(
    Type.Object({ path: Type.String(), sizeBytes: Type.Optional(Type.Integer()) }),
  ),
  cursor: Type.Optional(Type.String()),
});

/** One of some texts. */
function oneOf<const Texts extends readonly string[]>(...texts: Texts): TUnsafe<Texts[number]> {
  return Type.Unsafe<Texts[number]>(Type.Union(texts.map((text) => Type.Literal(text))));
}
