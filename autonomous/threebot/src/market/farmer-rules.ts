import { GridError } from '@commongrid/base';
import { lockTtlMsMax } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BotErrorCode } from '../errors.ts';
import { lapsedCountedMax } from './buyer-use.ts';
import { amountText, currencyText, idText, strict } from './market-schema.ts';

const percent = Type.Integer({ minimum: 0, maximum: 100 });
const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const list = { maxItems: 1_000 };
const name = Type.String({ minLength: 1, maxLength: 100 });
const country = Type.String({ pattern: '^[A-Z]{2}$' });
const price = Type.Optional(amountText);

/** Seconds that a lock waits for money: below what the log allows, since clocks differ. */
const lockSecondsMax = lockTtlMsMax / 1_000 - 10;

const priceList = strict({
  currency: currencyText,
  /** Farms that it is for, by name or id. Default: all. */
  farms: Type.Optional(Type.Array(name, list)),
  /** Prices are of so many unit-hours. */
  unitHours: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  cu: price,
  su: price,
  ipv4: price,
});

/**
 * The file `farmer.json` of a bot: `grid.farmer.1`. All of it may be left out.
 */
const rulesFile = strict({
  schema: Type.Literal('grid.farmer.1'),
  /** Default true. */
  isSelling: Type.Optional(Type.Boolean()),
  /** They take the place of those of the farms' records; the first that fits farm and currency counts. */
  prices: Type.Optional(Type.Array(priceList, { minItems: 1, maxItems: 100 })),
  discounts: Type.Optional(
    strict({
      /** The highest of those that are for no more days than the term has. */
      term: Type.Optional(
        Type.Array(strict({ days: Type.Integer({ minimum: 1, maximum: 3_650 }), percent }), list),
      ),
      /** For bots of the circle and those that administer. */
      circle: Type.Optional(percent),
      /** For single bots, in place of that of the circle. */
      bots: Type.Optional(Type.Array(strict({ bot: idText('bot'), percent }), list)),
    }),
  ),
  counters: Type.Optional(
    strict({
      /** Below the quoted price it goes by so much at most. Default 10. */
      mostPercent: Type.Optional(percent),
      /** And by so much with each counter. Default 5. */
      perRoundPercent: Type.Optional(percent),
      /** Wishes that are further below are declined. Default 50. */
      declinePercent: Type.Optional(percent),
    }),
  ),
  limits: Type.Optional(
    strict({
      /** Most that one buyer has of the farmer at a time. Default: any. */
      perBuyer: Type.Optional(
        strict({
          cpuMilli: Type.Optional(whole),
          memoryBytes: Type.Optional(whole),
          ssdBytes: Type.Optional(whole),
          hddBytes: Type.Optional(whole),
          ipv4: Type.Optional(whole),
        }),
      ),
      /** Locks of one buyer that are paid for or wait for money. Default 1,024. */
      openLocks: Type.Optional(whole),
      /** Who let so many locks lapse unpaid within an hour waits. Default 32. */
      lapsedLocks: Type.Optional(Type.Integer({ minimum: 1, maximum: lapsedCountedMax })),
      /** Longest term, days. Default 366. */
      termDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_650 })),
    }),
  ),
  /** Who and what there is no business with. */
  refuse: Type.Optional(
    strict({
      bots: Type.Optional(Type.Array(idText('bot'), list)),
      /** Own farms and nodes, by name or id. */
      farms: Type.Optional(Type.Array(name, list)),
      nodes: Type.Optional(Type.Array(name, list)),
      /** Own farms there. */
      countries: Type.Optional(Type.Array(country, list)),
    }),
  ),
  terms: Type.Optional(
    strict({
      /** How long a quote holds. Default 300. */
      quoteSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
      /** How long a lock waits for money. Default 540. */
      lockSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: lockSecondsMax })),
      /** Least that is put aside: the price of so many hours, at most of the term. Default 24. */
      fundHours: Type.Optional(Type.Integer({ minimum: 1, maximum: 8_784 })),
      /** How long a buyer may object. Default 24. */
      disputeHours: Type.Optional(Type.Integer({ minimum: 0, maximum: 8_784 })),
      /** What becomes of the money when no two of the three agree. Default `pay`. */
      onDispute: Type.Optional(Type.Union([Type.Literal('pay'), Type.Literal('refund')])),
      /** The third one. Default: nobody. */
      arbiter: Type.Optional(idText('bot')),
    }),
  ),
});
type RulesFile = Static<typeof rulesFile>;

/** By which rules a farmer sells, with all defaults. */
export interface FarmerRules {
  readonly isSelling: boolean;
  /** Undefined: those of the farms' records. */
  readonly prices: readonly Static<typeof priceList>[] | undefined;
  readonly discounts: NonNullable<RulesFile['discounts']>;
  readonly counters: Full<'counters'>;
  readonly limits: Omit<Full<'limits'>, 'perBuyer'> &
    Pick<NonNullable<RulesFile['limits']>, 'perBuyer'>;
  readonly refuse: Full<'refuse'>;
  readonly terms: Omit<Full<'terms'>, 'arbiter'> & { readonly arbiter?: string };
}

type Full<Name extends keyof RulesFile> = Readonly<Required<NonNullable<RulesFile[Name]>>>;

/** Those of a farmer who wrote none. */
export const defaultRules: FarmerRules = {
  isSelling: true,
  prices: undefined,
  discounts: {},
  counters: { mostPercent: 10, perRoundPercent: 5, declinePercent: 50 },
  limits: { openLocks: 1_024, lapsedLocks: 32, termDays: 366 },
  refuse: { bots: [], farms: [], nodes: [], countries: [] },
  terms: {
    ...{ quoteSeconds: 300, lockSeconds: 540, fundHours: 24 },
    ...{ disputeHours: 24, onDispute: 'pay' },
  },
};

const checked = Compile(rulesFile);

/** Reads the text of a rule file. @throws MARKET_RULES_INVALID */
export function readRules(text: string): FarmerRules {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is no JSON', '', cause);
  }
  if (!checked.Check(value)) {
    const fault = checked.Errors(value).at(0);
    const path = fault?.instancePath ?? '';
    throw invalid(`${path || 'the whole'} ${fault?.message ?? 'does not fit'}`, path);
  }
  const { isSelling = true, prices, discounts = {} } = value;
  return {
    ...{ isSelling, prices, discounts },
    counters: { ...defaultRules.counters, ...value.counters },
    limits: { ...defaultRules.limits, ...value.limits },
    refuse: { ...defaultRules.refuse, ...value.refuse },
    terms: { ...defaultRules.terms, ...value.terms },
  };
}

function invalid(why: string, path: string, cause?: unknown): GridError<BotErrorCode> {
  return new GridError('MARKET_RULES_INVALID', `the rules of the farmer do not count: ${why}`, {
    hint: 'correct farmer.json; until then the rules before it hold',
    details: { path },
    cause,
  });
}
