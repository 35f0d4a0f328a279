import { BcdbFolder, exportFromServer, exportLog, StoppedFolder } from '@commongrid/bcdb';

import { connect } from '../commands/bcdb/connection.ts';
import { sequencerKeyIn } from '../commands/bcdb/transfer.ts';
import type { CommandContext } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { lookAt } from '../one-machine-grid.ts';

/** The backup of BCDB that `grid bcdb backup` writes, as it comes. */
export interface LedgerLines {
  readonly log: string;
  readonly records: number;
  readonly lines: AsyncIterable<string>;
}

/**
 * The log of a grid with the key of its sequencer, up to now: from the database where it runs, else from its folder.
 * @param opened what has to stay open as long as lines are read
 */
export async function openLedgerLines(
  context: CommandContext,
  opened: AsyncDisposableStack,
): Promise<LedgerLines> {
  const home = new GridHome(context.environment.home);
  const { state } = await lookAt(home.path);
  if ((state?.services['bcdb']?.process ?? null) === null) return fromFolder(home, opened);
  const { client, trust } = await connect(context, {});
  const sequencerKey = await sequencerKeyIn(new BcdbFolder(home.bcdb), client);
  const { size, lines } = await exportFromServer(client, { sequencerKey });
  return { log: trust.log, records: size, lines };
}

async function fromFolder(home: GridHome, opened: AsyncDisposableStack): Promise<LedgerLines> {
  const stopped = opened.use(await StoppedFolder.open(home.bcdb));
  const { engine, genesis, log, sequencerKey } = stopped;
  const { size, note } = await stopped.signedHead();
  const source = { log, genesis, read: (from: number, to: number) => engine.read(from, to) };
  const lines = exportLog(source, { size, checkpoint: note, sequencerKey });
  return { log, records: size, lines };
}
