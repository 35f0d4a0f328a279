import { GridError } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { BcdbClient } from '../client/bcdb-client.ts';
import { decodeEntry } from '../doors/record-text.ts';
import type { BcdbErrorCode } from '../errors.ts';
import type { StoredEntry } from '../log/log-engine.ts';
import type { Genesis } from '../record/genesis.ts';
import { requireGenesis } from '../record/genesis.ts';
import { exportLog } from './export-log.ts';

export interface ServerExport {
  /** Records that the lines will have. */
  readonly size: number;
  readonly lines: AsyncGenerator<string>;
}

export interface ServerExportOptions {
  /** Makes it a backup. */
  readonly sequencerKey?: SigningKey;
  readonly signal?: AbortSignal;
}

/**
 * The export of the log of a running server, up to the newest checkpoint. Whoever asks must have the
 * right to read all of it. Nothing of it is verified here: that is what an export is for.
 * @throws BCDB_DENIED
 */
export async function exportFromServer(
  client: BcdbClient,
  { sequencerKey, signal }: ServerExportOptions = {},
): Promise<ServerExport> {
  const { log } = client.trust;
  const { genesis } = await client.read<{ readonly genesis: Genesis }>('/v1/log', { signal });
  const { size } = await client.checkpoint({ signal });
  const checkpoint = client.lastCheckpoint ?? '';
  const source = {
    log,
    genesis: requireGenesis(genesis, log),
    read: (from: number, to: number) => readEntries(client, from, to, signal),
  };
  const key = sequencerKey === undefined ? {} : { sequencerKey };
  return { size, lines: exportLog(source, { size, checkpoint, ...key }) };
}

interface EntryPage {
  readonly entries: readonly {
    readonly seq: number;
    readonly leaf?: string;
    readonly body?: string;
  }[];
}

async function* readEntries(
  client: BcdbClient,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly StoredEntry[]> {
  for (let next = from; next < to;) {
    const path = `/v1/entries?from=${next}&to=${to}`;
    const { entries } = await client.read<EntryPage>(path, { signal });
    const group = entries.map(({ seq, leaf, body }) => {
      if (leaf === undefined) throw withheld(seq);
      return { seq, ...decodeEntry({ leaf, ...(body === undefined ? {} : { body }) }) };
    });
    if (group.length === 0) throw withheld(next);
    yield group;
    next += group.length;
  }
}

function withheld(seq: number): GridError<BcdbErrorCode> {
  return new GridError('BCDB_DENIED', `the server does not show record ${seq}`, {
    hint: 'export as the owner of the database',
    details: { seq },
  });
}
