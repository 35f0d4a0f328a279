import { writeFile } from 'node:fs/promises';

import type { Command } from 'commander';

import { verifyRecordProof } from '@commongrid/bcdb/browser';
import type { RecordProof, VerifiedRecord } from '@commongrid/bcdb/browser';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { connect, routeOf, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { formatTime } from './options.ts';
import { objectCommand } from './objects.ts';

type CheckpointOptions = ServerOptions & { readonly accept?: true };
type ProveOptions = ServerOptions & { readonly out?: string };

export function bcdbProveCommand(context: CommandContext): Command {
  return objectCommand('prove', 'Prove that the newest version of an object is in the log.')
    .option('--out <file>', 'write the proof here: it verifies without any server')
    .action(async (ns: string, url: string, obj: string, options: ProveOptions) => {
      const { client, trust, minSeq } = await connect(context, options);
      const path = `${routeOf(ns, 'proof', url, obj)}?minSeq=${minSeq}`;
      const proof = await client.read<RecordProof>(path);
      const record = verifyRecordProof(proof, trust);
      const { out } = options;
      if (out !== undefined) await writeFile(out, `${JSON.stringify(proof)}\n`);
      const file = out === undefined ? {} : { file: out };
      const result = {
        ...proof,
        schema: 'grid.bcdb.prove.1',
        proof,
        sequencer: trust.sequencerKey,
        ...file,
      };
      printResult(context, options, result, () =>
        [
          describeRecord(record),
          ...(out === undefined ? [] : [`proof: ${out}`]),
          'Whoever has these two verifies it without this server:',
          `  --log ${trust.log}`,
          `  --sequencer ${trust.sequencerKey}`,
        ].join('\n'),
      );
    });
}

export function bcdbCheckpointCommand(context: CommandContext): Command {
  return serverCommand('checkpoint', 'Show the newest head of the log, signed.')
    .option('--accept', 'go on with it though the log went back: you restored a backup, say')
    .action(async (options: CheckpointOptions) => {
      const isAccepted = options.accept === true;
      const { client, trust } = await connect(context, options, { isAccepted });
      const head = client.lastHead;
      const note = client.lastCheckpoint ?? '';
      const result = { schema: 'grid.bcdb.checkpoint.1', ...trust, ...head, note };
      printResult(context, options, result, () => note.trimEnd());
    });
}

/** What was signed, by whom, and where it is. */
export function describeRecord({ envelope, payload, seq, head }: VerifiedRecord): string {
  const { ns, url, obj, op, author, t } = envelope;
  return [
    `record ${seq} of ${head.size}: ${op} ${url} ${obj} in ${ns}`,
    `signed by ${author} at ${formatTime(t)}`,
    ...(payload === undefined ? [] : [payloadText(payload)]),
  ].join('\n');
}

/** Canonical JSON begins with no control character; what is sealed begins with its version. */
function payloadText(payload: Uint8Array): string {
  if ((payload[0] ?? 0) >= 0x20) return new TextDecoder().decode(payload);
  return `a sealed payload of ${payload.length} bytes`;
}
