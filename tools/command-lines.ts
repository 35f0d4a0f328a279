import type { SourceFile } from './source-files.ts';

/** A command of grid as documents may use it. */
export interface CommandShape {
  readonly name: string;
  readonly options: readonly string[];
  readonly takesArguments: boolean;
  readonly commands: readonly CommandShape[];
}

/** Command lines of grid that a document shows: in sh and console blocks, and as inline code. */
export function commandLinesOf({ text }: SourceFile): string[] {
  const blocks = [...text.matchAll(/^```(?:sh|console)\n([\s\S]*?)^```/gm)].map(
    (match) => match[1] ?? '',
  );
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)];
  return [...blocks.flatMap((block) => block.split('\n')), ...inline.map((match) => match[1] ?? '')]
    .map((line) => /^(?:\$ )?(?:sudo )?(?:\.\/)?grid (.*)$/.exec(line.trim())?.[1] ?? '')
    .filter((line) => line !== '');
}

/** Command lines of grid inside the hints that code gives with its errors. */
export function hintLinesOf({ text }: SourceFile): string[] {
  const hints = [...text.matchAll(/\bhint:\s*(['"`])((?:(?!\1)[\s\S])*)\1/g)];
  return hints.flatMap((hint) =>
    // "the grid runs" is prose, "grid down" is a command.
    [...(hint[2] ?? '').matchAll(/(?<!\b(?:the|a|of) )(?<![\w-])(?:\.\/)?grid ([^`;,]+)/g)].map(
      (match) => match[1] ?? '',
    ),
  );
}

/** What is wrong with a command line after the word `grid`; undefined when nothing is. */
export function findCommandFault(line: string, program: CommandShape): string | undefined {
  const words =
    line
      .split(/\s+[|&;>#]|\s+#/)[0]
      ?.split(/\s+/)
      .filter((word) => word !== '') ?? [];
  let command = program;
  for (const word of words) {
    // What comes behind it is a command of somebody else.
    if (word === '--') break;
    const name = word.replaceAll(/[[\]().]+$|^[[(]+/g, '');
    if (name.startsWith('--')) {
      const option = name.split('=')[0] ?? '';
      if (option !== '--help' && !command.options.includes(option)) {
        return `${command.name} has no option ${option}`;
      }
    } else if (!command.takesArguments) {
      const child = command.commands.find((known) => known.name === name);
      if (child === undefined && /^[a-z][a-z-]*$/.test(name) && command.commands.length > 0) {
        return `${command.name} has no command ${name}`;
      }
      command = child ?? command;
    }
  }
  return undefined;
}
