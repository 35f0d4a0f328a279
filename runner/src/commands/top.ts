import { delay, shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { describeTop, fittingRows } from '../top/describe-top.ts';
import { TopWatch } from '../top/top-frame.ts';
import type { TopFrame } from '../top/top-frame.ts';
import { parseCount } from './bcdb/options.ts';
import { parseBotName } from './bot/bot-options.ts';

type TopOptions = JsonOption & {
  readonly once?: true;
  readonly every: number;
  readonly bot?: string;
};

/** Seconds between two looks, unless somebody says otherwise. */
const everySeconds = 2;

export function topCommand(context: CommandContext): Command {
  return resultCommand('top', 'Show who is alive, what runs, what it uses, and whose money ends.')
    .option('--once', 'look once; CPU is measured between two looks')
    .option('--every <seconds>', 'between two looks', parseCount, everySeconds)
    .option('--bot <name>', 'whose money; default: that of the owner', parseBotName)
    .action(async (options: TopOptions) => {
      const signal = shutdownSignal();
      const watch = new TopWatch(context, options.bot);
      let former: TopFrame | undefined;
      while (!signal.aborted) {
        const frame = await watch.look();
        show(context, options, frame, former);
        former = frame;
        if (options.once === true) return;
        await delay(options.every * 1_000, { signal }).catch(() => {});
      }
    });
}

/** On a terminal each frame takes the place of the one before; elsewhere they follow each other. */
function show(
  context: CommandContext,
  options: TopOptions,
  frame: TopFrame,
  former: TopFrame | undefined,
): void {
  const { stdout } = process;
  const isScreen = stdout.isTTY && options.once !== true && options.json !== true;
  const text = (): string => describeTop(frame, former, context.terminal.style);
  if (!isScreen) return printResult(context, options, frame, text);
  stdout.write(`${clearScreen}${wrapOff}`);
  printResult(context, options, frame, () => fittingRows(text(), stdout.rows));
  stdout.write(wrapOn);
}

const clearScreen = '\u001b[H\u001b[2J';
/** A line that is too long is cut by the terminal, and takes no second one. */
const [wrapOff, wrapOn] = ['\u001b[?7l', '\u001b[?7h'];
