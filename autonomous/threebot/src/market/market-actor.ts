import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import type { Caller } from '../actors/caller.ts';
import type { Market } from './market.ts';
import {
  acceptance,
  amountText,
  closed,
  counter,
  idText,
  intent,
  locked,
  quote,
  quoteId,
  slotsMax,
} from './market-schema.ts';
import { marketTables } from './market-tables.ts';
import { transcriptStep, transcriptTable } from './transcripts.ts';

/** Buying and selling: three methods are for other bots, the rest for the owner. */
export function marketActor({ farmer, buyer, ruleFile, transcripts }: Market) {
  return actor(
    'market',
    { ...selling(farmer), ...buying(buyer), ...looking(ruleFile, transcripts) },
    `${marketTables}${transcriptTable}`,
  );
}

function selling(farmer: Market['farmer']) {
  return {
    quote: method({
      summary: 'What capacity of the farms of this bot costs',
      permission: 'known',
      input: intent,
      output: quote,
      handler: (input, { caller, signal }) => {
        return farmer.quote(input, botOf(caller), signal);
      },
    }),
    counter: method({
      summary: 'Offers another price for a quote',
      permission: 'known',
      input: counter,
      output: quote,
      handler: (input, { caller }) => farmer.counter(input, botOf(caller)),
    }),
    lock: method({
      summary: 'Takes a quote: its locks are in the log when this answers',
      permission: 'known',
      input: acceptance,
      output: locked,
      handler: (input, { caller, signal }) => {
        return farmer.lock(input, botOf(caller), signal);
      },
    }),
  };
}

function buying(buyer: Market['buyer']) {
  return {
    ask: method({
      summary: 'Asks a farmer for a quote',
      permission: 'owner',
      input: Type.Object({ farmer: idText('bot'), intent }, closed),
      output: quote,
      handler: ({ farmer: from, intent: wanted }, { signal }) => {
        return buyer.ask(from, wanted, signal);
      },
    }),
    bargain: method({
      summary: 'Offers a farmer another price for his quote',
      permission: 'owner',
      input: Type.Object(
        { quote: quoteId, amounts: Type.Array(amountText, { minItems: 1, maxItems: slotsMax }) },
        closed,
      ),
      output: quote,
      handler: ({ quote: deal, amounts }, { signal }) => {
        return buyer.bargain(deal, amounts, signal);
      },
    }),
    take: method({
      summary: 'Takes a quote of a farmer; its locks wait for their money',
      permission: 'owner',
      input: Type.Object({ quote: quoteId }, closed),
      output: Type.Array(Type.Object({ id: idText('lock'), expiresMs: Type.Integer() })),
      handler: async ({ quote: deal }, { signal }) => {
        const locks = await buyer.take(deal, signal);
        return locks.map(({ id, expiresMs }) => ({ id, expiresMs }));
      },
    }),
  };
}

function looking(ruleFile: Market['ruleFile'], transcripts: Market['transcripts']) {
  return {
    transcripts: method({
      summary: 'What was said in deals, the newest first, or before one of the steps',
      permission: 'owner',
      input: Type.Object(
        { deal: Type.Optional(quoteId), before: Type.Optional(Type.Integer({ minimum: 1 })) },
        closed,
      ),
      output: Type.Array(transcriptStep),
      handler: (which) => transcripts.list(which),
    }),
    rules: method({
      summary: 'By which rules this bot sells, and why those of the file do not count',
      permission: 'owner',
      input: Type.Object({}, closed),
      output: Type.Object({
        file: Type.String(),
        rules: Type.Unknown(),
        fault: Type.Union([Type.String(), Type.Null()]),
      }),
      handler: async () => {
        const { rules, fault } = await ruleFile.read();
        return { file: ruleFile.path, rules, fault: fault?.message ?? null };
      },
    }),
  };
}

function botOf({ bot }: Caller): string {
  if (bot === undefined) throw new TypeError('a caller that is known has an id');
  return bot;
}
