import { join } from 'node:path';

import { Argument, Command } from 'commander';

import type { CommandContext } from '../command-context.ts';
import { completeWords } from '../completion/complete-words.ts';
import type { Completion } from '../completion/complete-words.ts';
import { knownNames } from '../completion/name-kinds.ts';
import { shells, shellScript } from '../completion/shell-script.ts';
import type { Shell } from '../completion/shell-script.ts';

export function completionCommand(context: CommandContext): Command {
  const what = new Argument('<what>', 'for which shell; words: what the shell asks then');
  return new Command('completion')
    .description('Print what lets a shell complete commands, options and names.')
    .addArgument(what.choices([...shells, 'words']))
    .argument('[words...]', 'those after `grid`; the last one is completed')
    .addHelpText('after', `\n${installLines}`)
    .action(async (asked: Shell | 'words', words: string[]) => {
      const { terminal, root } = context;
      if (asked === 'words') {
        terminal.print(linesOf(await complete(context, words)));
        return;
      }
      terminal.print((await shellScript(asked, join(root, 'grid'))).trimEnd());
    });
}

async function complete(context: CommandContext, words: readonly string[]): Promise<Completion> {
  const { buildProgram } = await import('../cli.ts');
  const program = await buildProgram(context, words.slice(0, -1)[0] ?? '');
  const { home } = context.environment;
  return completeWords(program, words, (kind) => knownNames(home, kind));
}

function linesOf(completion: Completion): string {
  if (completion.kind === 'files') return 'files';
  const lines = completion.candidates.map(({ value, summary }) => `${value}\t${summary}`);
  return ['words', ...lines].join('\n');
}

/** For a shell that runs, or its start file. */
const installLines = [
  'In a shell, or in the file that it reads when it starts:',
  '  bash: eval "$(./grid completion bash)"',
  '  zsh:  eval "$(./grid completion zsh)", after compinit',
  '  fish: ./grid completion fish | source',
].join('\n');
