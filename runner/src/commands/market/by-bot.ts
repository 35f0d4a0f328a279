import type { CommandContext } from '../../command-context.ts';
import { askBot } from '../bot/ask-bot.ts';
import { BotFolder } from '../bot/bot-folder.ts';

/**
 * Calls a method of the market of a bot that runs on this machine.
 * @throws GRID_BOT_UNKNOWN, GRID_BOT_STOPPED, and what the method is refused with
 */
export async function atMarket<T>(
  { environment }: CommandContext,
  bot: string,
  method: string,
  input: object,
): Promise<T> {
  return (await askBot(BotFolder.named(environment.home, bot), `market.${method}`, input)) as T;
}

/** A quote, as a bot shows it. */
export interface ShownQuote {
  readonly id: string;
  readonly currency: string;
  readonly round: number;
  readonly isFinal: boolean;
  readonly slots: readonly {
    readonly role: string;
    readonly replica: number;
    readonly node: string;
    readonly amount: string;
    readonly minFund: string;
  }[];
  readonly perSeconds: number;
  readonly disputeMs: number;
  readonly onDispute: 'pay' | 'refund';
  readonly expiresMs: number;
}
