import { isGridError, withTimeout } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { FarmerAnswer, FarmQuestion } from '@commongrid/contract';
import type { Contract, ContractId, ContractRole, FarmId, Lock } from '@commongrid/model';

import { askBot } from '../bot/ask-bot.ts';
import type { BotFolder } from '../bot/bot-folder.ts';
import type { ShownQuote } from '../market/by-bot.ts';

/** Farmers that are asked at a time. */
const askedAtOnceMax = 8;
/** For all answers together, ms. */
const answersMs = 25_000;

export interface Asking {
  /** The bot that asks: that of the contract's owner, as quotes are for him. */
  readonly bot: BotFolder;
  readonly id: ContractId;
  readonly header: Contract;
  readonly roles: readonly ContractRole[];
}

/**
 * Asks farmers what the roles of a contract cost in their farms. Nothing is locked by it: quotes that are
 * not taken lapse. Who does not answer in time is told as silent.
 */
export async function askFarmers(
  asking: Asking,
  questions: readonly FarmQuestion[],
): Promise<ReadonlyMap<FarmId, FarmerAnswer>> {
  const answers = new Map<FarmId, FarmerAnswer>(
    questions.map(({ farm }) => {
      const message = `no answer within ${answersMs / 1000} s`;
      return [farm.id, { is: 'silent', code: 'MARKET_FARMER_AWAY', message }];
    }),
  );
  const waiting = questions.values();
  await withTimeout(
    async (signal) => {
      const work = async (): Promise<void> => {
        for (const question of waiting) {
          if (signal.aborted) return;
          const answer = await answerOf(asking, question, signal);
          // One that was broken off is no word of the farmer.
          if (signal.aborted) return;
          answers.set(question.farm.id, answer);
        }
      };
      await Promise.all(Array.from({ length: askedAtOnceMax }, work));
    },
    { timeoutMs: answersMs, what: 'the answers of farmers' },
  ).catch((error: unknown) => {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
  });
  return new Map(answers);
}

/** All roles in one question; one by one where no node has room for all of them together. */
async function answerOf(
  asking: Asking,
  question: FarmQuestion,
  signal: AbortSignal,
): Promise<FarmerAnswer> {
  const roles = asking.roles.filter(({ name }) => question.nodes.has(name));
  const together = await quoteFor(asking, question, roles, signal);
  if (together.is !== 'silent' || together.code !== 'MARKET_FULL' || roles.length === 1) {
    return together;
  }
  const prices = new Map<string, Lock['price']>();
  let untilMs = Infinity;
  for (const role of roles) {
    const one = await quoteFor(asking, question, [role], signal);
    if (one.is !== 'quoted') return one;
    for (const [name, price] of one.prices) prices.set(name, price);
    untilMs = Math.min(untilMs, one.untilMs);
  }
  return { is: 'quoted', prices, untilMs };
}

async function quoteFor(
  { bot, id, header }: Asking,
  { farm, nodes }: FarmQuestion,
  roles: readonly ContractRole[],
  signal: AbortSignal,
): Promise<FarmerAnswer> {
  const { currency } = header.budget;
  const slots = roles.map(({ name, resources }) => ({
    ...{ role: name, replica: 0, node: nodes.get(name), resources },
  }));
  const intent = { contract: id, currency, untilMs: header.term.untilMs, slots };
  try {
    const input = { farmer: farm.owner, intent };
    const quote = (await askBot(bot, 'market.ask', input, signal)) as ShownQuote;
    const { perSeconds, expiresMs } = quote;
    const prices = quote.slots.map(({ role, amount }) => {
      return [role, { amount, currency, perSeconds } as Lock['price']] as const;
    });
    return { is: 'quoted', prices: new Map(prices), untilMs: expiresMs };
  } catch (error) {
    if (!isGridError(error)) throw error;
    return refusalOf(error);
  }
}

/** Refusals that are of this question, not of the buyer: another time, or another node, may do. */
const passing: ReadonlySet<string> = new Set([
  ...['MARKET_FARMER_AWAY', 'MARKET_FULL', 'MARKET_NODE_REFUSED', 'MARKET_QUOTES_TOO_MANY'],
]);

function refusalOf({ code, message }: GridError): FarmerAnswer {
  const isNo = code.startsWith('MARKET_') && !passing.has(code);
  return { is: isNo ? 'declined' : 'silent', code, message };
}
