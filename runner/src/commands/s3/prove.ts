import { existsSync } from 'node:fs';

import { GridError } from '@commongrid/base';
import type { AnchorReport, VerifiedVersion, VersionProof } from '@commongrid/s3';
import type { Command } from 'commander';

import { trustOfGenesis } from '../../bcdb-trust.ts';
import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { counted } from '../../terminal.ts';
import { givenTrust, parseHash, parseKey } from '../bcdb/connection.ts';
import type { TrustOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { readJsonFile } from '../bcdb/value-input.ts';
import { askHead, headCommand } from './head.ts';
import type { HeadOptions } from './head.ts';

type ProveOptions = HeadOptions & { readonly version?: string };
type VerifyOptions = JsonOption & TrustOptions;

export function s3AnchorCommand(context: CommandContext): Command {
  return headCommand('anchor', 'Have the database say now which versions of objects there are.')
    .addHelpText('after', '\nThe head does so by itself, daily.')
    .action(async (options: HeadOptions) => {
      const report = await askHead<AnchorReport>(context, options, 's3.anchor');
      const result = { schema: 'grid.s3.anchor.1', ...report };
      printResult(context, options, result, ({ size, seq, madeMs, isNew }) => {
        const when = isNew ? 'now' : `since ${formatTime(madeMs)}: nothing is new`;
        return `record ${seq} of the database names ${counted(size, 'version')}, ${when}`;
      });
    });
}

export function s3ProveCommand(context: CommandContext): Command {
  return headCommand('prove', 'Print a proof that a version of an object existed, as JSON.')
    .argument('<bucket>', 'its bucket')
    .argument('<key>', 'its key')
    .option('--version <id>', 'which version; default: the current one')
    .addHelpText(
      'after',
      '\ngrid s3 prove BUCKET KEY > proof.json; whoever has that file, and knows the log of the' +
        '\ndatabase, verifies it without any server: grid s3 verify proof.json',
    )
    .action(async (bucket: string, key: string, options: ProveOptions) => {
      const { version } = options;
      const args = { bucket, key, ...(version === undefined ? {} : { version }) };
      const proof = await askHead<VersionProof>(context, options, 's3.prove', args);
      printResult(context, options, proof, () => JSON.stringify(proof));
    });
}

export function s3VerifyCommand(context: CommandContext): Command {
  return resultCommand('verify', 'Verify a proof of `grid s3 prove`, with no server.')
    .argument('<file>', 'the proof; - for stdin')
    .option('--genesis <file>', 'genesis.json of the log that it must be; default: of this grid')
    .option('--log <hash>', 'or the hash of that genesis', parseHash)
    .option('--sequencer <key>', 'and the key that signs its checkpoints', parseKey)
    .addHelpText(
      'after',
      '\nWhat the object held is shown as well as its ETag and checksum show it: to be sure, upload' +
        '\nwith a SHA-256.',
    )
    .action(async (file: string, options: VerifyOptions) => {
      const trust = (await givenTrust(options)) ?? (await ownTrust(context));
      const { verifyVersionProof } = await import('@commongrid/s3');
      const verified = verifyVersionProof(await readJsonFile(file), trust);
      const { version, anchor, record } = verified;
      const { seq, head, envelope } = record;
      const result = { schema: 'grid.s3.verify.1', version, anchor, seq, head, envelope };
      printResult(context, options, result, () => {
        return `${context.terminal.style.good('proven')}: ${describeVerified(verified)}`;
      });
    });
}

async function ownTrust(context: CommandContext): ReturnType<typeof trustOfGenesis> {
  const { bcdbGenesisFile } = new GridHome(context.environment.home);
  if (existsSync(bcdbGenesisFile)) return trustOfGenesis(bcdbGenesisFile);
  throw new GridError<GridErrorCode>(
    'GRID_TRUST_UNKNOWN',
    'a proof shows something only to who knows the log that it is from',
    { hint: 'give --genesis, or --log and --sequencer, as whoever runs the database told you' },
  );
}

export function describeVerified({ version, anchor, record }: VerifiedVersion): string {
  const { bucket, key, id, sizeBytes, etag, checksum } = version;
  const { envelope, seq, head } = record;
  return [
    `${shown(bucket)}/${shown(key)}, version ${shown(id)}, existed on ${formatTime(envelope.t)}`,
    `${shown(sizeBytes)} bytes, ETag ${shown(etag)}` +
      (checksum === undefined ? '' : `, checksum ${shown(checksum)}`),
    `says the store ${shown(anchor.store)}, in record ${seq} of ${head.size} of log ` +
      `${envelope.log}, signed by ${envelope.author}`,
  ].join('\n');
}

/** A proof comes from anywhere: nothing in it may steer the terminal. */
function shown(value: unknown): string {
  if (typeof value === 'string' && /^[ -~]*$/.test(value)) return value;
  // JSON leaves control characters above 0x7f, and those that turn the direction of a text.
  return JSON.stringify(value ?? null).replaceAll(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
