import { Type } from 'typebox';
import type { TSchema, TUnsafe } from 'typebox';

/** Text that only a parser of this package makes: a `Branded<'NodeId'>` is no other text. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

declare const brand: unique symbol;

/** Text of an Ed25519 key, `ed25519:…`. */
export type KeyText = Branded<'KeyText'>;
/** Text of an X25519 key, `x25519:…`: what is sealed to somebody is sealed to such a key. */
export type SealingKeyText = Branded<'SealingKeyText'>;
/** `bot:` and the characters of the bot's first root key; it stays when the root is replaced. */
export type BotId = Branded<'BotId'>;
/** `node:` and the characters of the node's key. */
export type NodeId = Branded<'NodeId'>;
/** `farm:` and 16 random bytes. */
export type FarmId = Branded<'FarmId'>;
/** `contract:` and the SHA-256 of the canonical header. */
export type ContractId = Branded<'ContractId'>;
/** `lock:` and 16 random bytes. */
export type LockId = Branded<'LockId'>;
/** `account:` and 16 random bytes: an account of several bots. */
export type SharedAccountId = Branded<'SharedAccountId'>;
/** `bot:…`, the bot's own account, or `account:…`, one of several bots. */
export type AccountId = BotId | SharedAccountId;
/** `bot:…`, whose live keys place and heal; or one key alone, `ed25519:…`. */
export type ControllerId = BotId | KeyText;
/** `transfer:` and 16 random bytes. */
export type TransferId = Branded<'TransferId'>;
/** One replica of a role: `contract:…/role/0`. */
export type WorkloadId = Branded<'WorkloadId'>;
/** What a lease is about: a contract, or one role of it, `contract:…/role`. */
export type LeaseName = Branded<'LeaseName'>;
/** SHA-256, base64url without padding. */
export type Hash = Branded<'Hash'>;
/** Digest of an flist: SHA-256, 64 lowercase hex digits. */
export type FlistDigest = Branded<'FlistDigest'>;
/** Whole number in the smallest unit of its currency, as decimal text. */
export type Amount = Branded<'Amount'>;

/** 32 and 16 bytes as base64url: the bits that the last character has too many are zero. */
const bytes32 = '[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]';
const bytes16 = '[A-Za-z0-9_-]{21}[AQgw]';
const label = '[a-z][a-z0-9-]{0,31}';
const number = '(?:0|[1-9][0-9]{0,4})';

/** The grammar of each kind of id, without anchors. */
export const idPatterns = {
  key: `ed25519:${bytes32}`,
  bot: `bot:${bytes32}`,
  node: `node:${bytes32}`,
  farm: `farm:${bytes16}`,
  contract: `contract:${bytes32}`,
  lock: `lock:${bytes16}`,
  account: `account:${bytes16}`,
  transfer: `transfer:${bytes16}`,
} as const;

/** Longest list of one record unless its field says otherwise. */
export const listMax = 256;

/** Longest free text of one field, characters. */
export const textMax = 65_536;

/** What the database makes of a field: see docs/formats/records.md. */
export interface FieldMarks {
  /** Sorted index, for equality and ranges. */
  readonly index?: true;
  /** No two objects of the type share the value. */
  readonly unique?: true;
  /** Full text. */
  readonly fts?: true;
  /** Type of the object whose id this is. */
  readonly ref?: string;
  /** The field is an amount: in this currency, or in that of the field `currency` beside it. */
  readonly currency?: true | string;
}

/** Adds marks to a field; the schema given stays as it is. */
export function marked<S extends TSchema>(schema: S, marks: FieldMarks): S {
  const former: unknown = Reflect.get(schema, 'x-bcdb');
  const all = { ...(typeof former === 'object' ? former : {}), ...marks };
  const copy = { ...schema, 'x-bcdb': all };
  return Object.defineProperties(copy, hiddenProperties(schema));
}

export const closed = { additionalProperties: false } as const;

export const keyText = branded<KeyText>(idPatterns.key);
export const sealingKeyText = branded<SealingKeyText>(`x25519:${bytes32}`);
export const botId = branded<BotId>(idPatterns.bot, { ref: 'grid.bot.1' });
export const nodeId = branded<NodeId>(idPatterns.node, { ref: 'grid.node.1' });
export const farmId = branded<FarmId>(idPatterns.farm, { ref: 'grid.farm.1' });
export const contractId = branded<ContractId>(idPatterns.contract, { ref: 'grid.contract.1' });
export const lockId = branded<LockId>(idPatterns.lock, { ref: 'grid.lock.1' });
export const sharedAccountId = branded<SharedAccountId>(idPatterns.account);
export const accountId = branded<AccountId>(`(?:${idPatterns.bot}|${idPatterns.account})`);
/** A union, as databases widen: there were keys alone at first. */
export const controllerId = Type.Union([keyText, branded<BotId>(idPatterns.bot)]);
export const transferId = branded<TransferId>(idPatterns.transfer);
export const workloadId = branded<WorkloadId>(`${idPatterns.contract}/${label}/${number}`);
export const leaseName = branded<LeaseName>(`${idPatterns.contract}(?:/${label})?`);
export const hash = branded<Hash>(bytes32);
export const amount = branded<Amount>('(?:0|[1-9][0-9]{0,37})', { currency: true });

/** 16 random bytes, base64url: a salt, a boot id. */
export const nonce16 = Type.String({ pattern: `^${bytes16}$` });
/** 16 bytes, lowercase hex: an id that people give to commands, which take a leading dash for an option. */
export const hex16 = Type.String({ pattern: '^[0-9a-f]{32}$' });
/** 32 random bytes, base64url. */
export const nonce32 = Type.String({ pattern: `^${bytes32}$` });
/** Ed25519 signature, base64url. */
export const signature = Type.String({ pattern: '^[A-Za-z0-9_-]{85}[AQgw]$' });
/** Digest of an flist: SHA-256, 64 lowercase hex digits. */
export const digestText = branded<FlistDigest>('[0-9a-f]{64}');
/** Sealed box or other bytes, base64url. */
export const box = Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: 8192 });
/** Code of ISO 4217, or of a currency that a grid issues itself. */
export const currency = Type.String({ pattern: '^[A-Z]{3}$' });
/** Code of ISO 3166-1 alpha-2. */
export const country = Type.String({ pattern: '^[A-Z]{2}$' });
/** Name of a role, network, secret, feature inside a record. */
export const labelText = Type.String({ pattern: `^${label}$` });
/** Name of a bot or a farm; `rules/name.ts` says which are taken. */
export const nameText = Type.String({ pattern: '^[a-z0-9-]{3,32}$' });
/** Stable word for machines: `PULL_FAILED`. */
export const codeText = Type.String({ pattern: '^[A-Z][A-Z0-9_]{0,63}$' });
/** Milliseconds since 1970. */
export const timeMs = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 });
/** How long, milliseconds; ten years at most. */
export const durationMs = Type.Integer({ minimum: 0, maximum: 315_360_000_000 });
export const bytesCount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Sequence in the log, revision, fence, session. */
export const counter = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const latMicrodeg = Type.Integer({ minimum: -90_000_000, maximum: 90_000_000 });
export const lonMicrodeg = Type.Integer({ minimum: -180_000_000, maximum: 180_000_000 });
/** How many replicas, nodes, farms. */
export const count = Type.Integer({ minimum: 1, maximum: 10_000 });
/** Where to reach something: `https://…`, `tcp://…`. */
export const urlText = Type.String({ pattern: '^[a-z][a-z0-9+.-]{1,15}://[!-~]{1,480}$' });
/** IPv4 or IPv6 address, with a prefix length or without. */
export const ipText = Type.String({ pattern: '^[0-9a-fA-F:.]{2,45}(?:/[0-9]{1,3})?$' });

/** Free text. */
export function text(maxLength: number): ReturnType<typeof Type.String> {
  return Type.String({ maxLength });
}

/** One of some words. */
export function oneOf<const Words extends readonly string[]>(...words: Words) {
  return Type.Unsafe<Words[number]>(Type.Union(words.map((word) => Type.Literal(word))));
}

/** List without doubles of scalars. */
export function setOf<S extends TSchema>(
  item: S,
  limits: { minItems?: number; maxItems?: number },
) {
  return Type.Array(item, { maxItems: listMax, uniqueItems: true, ...limits });
}

function branded<T extends string>(pattern: string, marks?: FieldMarks): TUnsafe<T> {
  const schema = Type.Unsafe<T>(Type.String({ pattern: `^${pattern}$` }));
  return marks === undefined ? schema : marked(schema, marks);
}

/** TypeBox keeps what is its own in properties that no JSON shows. */
function hiddenProperties(schema: TSchema): PropertyDescriptorMap {
  const all = Object.entries(Object.getOwnPropertyDescriptors(schema));
  return Object.fromEntries(all.filter(([, { enumerable }]) => enumerable !== true));
}
