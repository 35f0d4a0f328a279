import type { CommandFacts, CommandTable } from './command-table.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { Request } from './request.ts';

export interface DescribeCommandsOptions<Command extends CommandFacts> {
  readonly commands: CommandTable<Command>;
  /** What Redis says of such a command: `write` or `readonly`, `fast`, `admin`. */
  readonly flagsOf: (command: Command) => readonly string[];
}

/**
 * Answers COMMAND, which is COMMAND [COUNT | LIST | INFO name... | DOCS name...]. False, and nothing
 * is written, when it asks for anything else.
 */
export function describeCommands<Command extends CommandFacts>(
  reply: ReplyWriter,
  request: Request,
  { commands, flagsOf }: DescribeCommandsOptions<Command>,
): boolean {
  const { list } = commands;
  if (request.argc > 1 && request.is(1, 'COUNT')) {
    reply.integer(list.length);
    return true;
  }
  if (request.argc > 1 && request.is(1, 'LIST')) {
    reply.array(list.length);
    for (const { name } of list) reply.bulkText(name.toLowerCase());
    return true;
  }
  const isInfo = request.argc === 1 || request.is(1, 'INFO');
  if (!isInfo && !request.is(1, 'DOCS')) return false;
  const named: (Command | undefined)[] = [];
  for (let i = 2; i < request.argc; i++) named.push(commands.find(request, i));
  const wanted = request.argc > 2 ? named : list;
  if (!isInfo) {
    docsOf(reply, wanted);
    return true;
  }
  reply.array(wanted.length);
  for (const command of wanted) {
    if (command === undefined) reply.nilArray();
    else describeOne(reply, command, flagsOf(command));
  }
  return true;
}

function describeOne(reply: ReplyWriter, command: CommandFacts, flags: readonly string[]): void {
  const { least, most, keys: [first, last, step] = [0, 0, 0] } = command;
  reply.array(10);
  reply.bulkText(command.name.toLowerCase());
  reply.integer(least === most ? least + 1 : -(least + 1));
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  reply.integer(first);
  reply.integer(last);
  reply.integer(step);
  reply.set(0);
  reply.array(0);
  reply.array(0);
  reply.array(0);
}

function docsOf(reply: ReplyWriter, wanted: readonly (CommandFacts | undefined)[]): void {
  const known = wanted.filter((command) => command !== undefined);
  reply.map(known.length);
  for (const { name, summary } of known) {
    reply.bulkText(name.toLowerCase());
    reply.map(3);
    reply.bulkText('summary');
    reply.bulkText(summary);
    reply.bulkText('since');
    reply.bulkText('1.0.0');
    reply.bulkText('group');
    reply.bulkText('generic');
  }
}
