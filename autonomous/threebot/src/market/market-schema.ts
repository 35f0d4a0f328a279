import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';

/** Places of one intent. */
export const slotsMax = 64;

/** Counters that a buyer may make to one quote. */
export const countersMax = 3;

/** Prices of quotes and locks are for so many healthy seconds: an hour. */
export const pricedSeconds = 3_600;

export const closed = { additionalProperties: false } as const;

/** Text of a kind of id. */
export function idText(kind: keyof typeof idPatterns) {
  return Type.String({ pattern: `^${idPatterns[kind]}$` });
}

/** Smallest units, decimal. */
export const amountText = Type.String({ pattern: '^(?:0|[1-9][0-9]{0,37})$' });
export const currencyText = Type.String({ pattern: '^[A-Z]{3}$' });
/**
 * Who asks gives it no meaning: it names a quote between two bots. Hexadecimal, since it is given to
 * commands, which take a leading dash for an option.
 */
export const quoteId = Type.String({ pattern: '^[0-9a-f]{32}$' });

const timeMs = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 });
const bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const role = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' });
const replica = Type.Integer({ minimum: 0, maximum: 99_999 });
const round = Type.Integer({ minimum: 0, maximum: countersMax });

const resources = Type.Object(
  {
    cpuMilli: bytes,
    memoryBytes: bytes,
    ssdBytes: bytes,
    hddBytes: bytes,
    ipv4: Type.Integer({ minimum: 0, maximum: 16 }),
  },
  closed,
);

/** What a buyer wants: each slot is one replica of a role. */
export const intent = Type.Object(
  {
    contract: idText('contract'),
    currency: currencyText,
    /** Until when it is wanted, ms since 1970. */
    untilMs: timeMs,
    slots: Type.Array(
      Type.Object(
        {
          role,
          replica,
          /** Without one the farmer chooses. */
          node: Type.Optional(idText('node')),
          resources,
        },
        closed,
      ),
      { minItems: 1, maxItems: slotsMax },
    ),
  },
  closed,
);
export type Intent = Static<typeof intent>;
export type WantedSlot = Intent['slots'][number];

/** What a farmer offers for it. */
export const quote = Type.Object({
  id: quoteId,
  contract: idText('contract'),
  currency: currencyText,
  untilMs: timeMs,
  /** Counters that led to it. */
  round,
  /** No counter makes it cheaper. */
  isFinal: Type.Boolean(),
  slots: Type.Array(
    Type.Object({
      role,
      replica,
      node: idText('node'),
      resources,
      /** For `perSeconds` healthy seconds. */
      amount: amountText,
      /** Least amount of the escrow. */
      minFund: amountText,
    }),
    { minItems: 1, maxItems: slotsMax },
  ),
  perSeconds: Type.Literal(pricedSeconds),
  disputeMs: Type.Integer({ minimum: 0 }),
  onDispute: Type.Union([Type.Literal('pay'), Type.Literal('refund')]),
  arbiter: Type.Optional(idText('bot')),
  /** How long a lock waits for its money, ms. */
  lockMs: Type.Integer({ minimum: 1 }),
  /** By the clock of the farmer, ms since 1970. */
  expiresMs: timeMs,
});
export type Quote = Static<typeof quote>;

/** A price that the buyer would pay: one amount for each slot, in their order. */
export const counter = Type.Object(
  {
    quote: quoteId,
    /** Of the quote that it is about. */
    round,
    amounts: Type.Array(amountText, { minItems: 1, maxItems: slotsMax }),
  },
  closed,
);
export type Counter = Static<typeof counter>;

/** The buyer takes a quote as it is now. */
export const acceptance = Type.Object({ quote: quoteId, round }, closed);

/** Locks that are in the log, in the order of the slots. */
export const locked = Type.Object({
  quote: quoteId,
  locks: Type.Array(Type.Object({ lock: idText('lock'), role, replica })),
  /** Log time until which they wait for money, ms since 1970. */
  expiresMs: timeMs,
});
export type Locked = Static<typeof locked>;

/** A schema that allows only what it names. */
export function strict<S extends Record<string, TSchema>>(properties: S) {
  return Type.Object(properties, closed);
}
