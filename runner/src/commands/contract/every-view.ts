import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { BotId } from '@commongrid/model';

import { botsHere } from '../../bot-service/bots-here.ts';
import type { CommandContext } from '../../command-context.ts';
import { withContractView } from './contract-view.ts';
import type { ContractView } from './contract-view.ts';

/** What was found by the view of one bot. */
export interface SeenBy<T> {
  readonly bot: BotId;
  /** As `--bot` has it; undefined for the owner of the grid where no bot here is his. */
  readonly botName: string | undefined;
  readonly found: T;
}

export interface EveryView<T> {
  readonly seen: readonly SeenBy<T>[];
  /** Who could not be asked, and why. */
  readonly unknown: readonly string[];
}

/**
 * Does something with what each bot of this home knows of contracts, its owner included.
 * @param only that bot
 * @throws what the first one throws, where nobody can be asked
 */
export async function inEveryView<T>(
  context: CommandContext,
  only: string | undefined,
  work: (view: ContractView) => Promise<T>,
): Promise<EveryView<T>> {
  const here = await botsHere(context.environment.home);
  const failures: { readonly who: string; readonly error: GridError }[] = [];
  const look = async (botName: string | undefined): Promise<readonly SeenBy<T>[]> => {
    const options = botName === undefined ? {} : { bot: botName };
    try {
      const one = await withContractView(context, options, async (view) => {
        const bot = view.bot;
        const name = botName ?? here.find(({ id }) => id === bot)?.name;
        return { bot, botName: name, found: await work(view) };
      });
      return [one];
    } catch (error) {
      if (!isGridError(error)) throw error;
      failures.push({ who: botName ?? 'the owner of the grid', error });
      return [];
    }
  };
  const names = only === undefined ? [undefined] : [only];
  const first = (await Promise.all(names.map(look))).flat();
  const others = only === undefined ? here.filter(({ id }) => first[0]?.bot !== id) : [];
  const seen = [...first, ...(await Promise.all(others.map(({ name }) => look(name)))).flat()];
  const [failed] = failures;
  if (seen.length === 0 && failed !== undefined) throw failed.error;
  return { seen, unknown: failures.map(({ who, error }) => `${who}: ${error.message}`) };
}
