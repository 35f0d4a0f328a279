import { isGridError, withTimeout } from '@commongrid/base';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { MethodCaller } from '../actors/typed-client.ts';
import { locked, quote } from './market-schema.ts';
import type { Counter, Intent, Locked, Quote } from './market-schema.ts';
import { refusal } from './refusals.ts';

export interface FarmerLinkOptions {
  /** A link to a bot; made when there is none. */
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
  /** Time for one answer of a farmer, ms. */
  readonly answerMs: number;
}

/** What a buyer asks of farmers; their answers are held to their form, since they are strangers. */
export class FarmerLink {
  readonly #o: FarmerLinkOptions;

  constructor(options: FarmerLinkOptions) {
    this.#o = options;
  }

  /** @throws MARKET_FARMER_AWAY, MARKET_QUOTE_MISMATCH, and what the farmer refuses with */
  async quote(farmer: string, intent: Intent, signal: AbortSignal): Promise<Quote> {
    return checkQuote(farmer, await this.#ask(farmer, 'market.quote', intent, signal));
  }

  /** @throws as `quote` */
  async counter(farmer: string, counter: Counter, signal: AbortSignal): Promise<Quote> {
    return checkQuote(farmer, await this.#ask(farmer, 'market.counter', counter, signal));
  }

  /** @throws as `quote` */
  async lock(
    farmer: string,
    acceptance: { readonly quote: string; readonly round: number },
    signal: AbortSignal,
  ): Promise<Locked> {
    return checkLocked(farmer, await this.#ask(farmer, 'market.lock', acceptance, signal));
  }

  async #ask(
    farmer: string,
    method: string,
    input: unknown,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { linkTo, answerMs } = this.#o;
    try {
      return await withTimeout(
        async (stop) => (await linkTo(farmer)).call(method, input, { signal: stop }),
        { timeoutMs: answerMs, what: `the answer of ${farmer}`, signal },
      );
    } catch (error) {
      if (!isGridError(error) || !away.has(error.code) || signal.aborted) throw error;
      throw refusal('MARKET_FARMER_AWAY', `${farmer} does not answer`, { farmer }, error);
    }
  }
}

const away: ReadonlySet<string> = new Set([
  'BASE_TIMEOUT',
  'BOT_ADDRESS_MISSING',
  'BOT_BUSY',
  'BOT_LINK_LOST',
  'BOT_METHOD_UNKNOWN',
  'BOT_UNKNOWN',
  'BOT_UNREACHABLE',
]);

const checkQuote = checker(quote);
const checkLocked = checker(locked);

function checker<S extends TSchema>(schema: S): (farmer: string, value: unknown) => Static<S> {
  const check = Compile(schema);
  return (farmer, value) => {
    if (check.Check(value)) return value;
    const place = check.Errors(value).at(0)?.instancePath ?? '';
    const message = `${farmer} answered what has not the form of an answer`;
    throw refusal('MARKET_QUOTE_MISMATCH', message, { farmer, place });
  };
}
