import { RespClient } from '@commongrid/resp';
import type { BadRecord } from '../engine/upkeep/scrubber.ts';
import type { Store } from '../engine/store.ts';
import type { ReplicationSource } from './follower.ts';
import { encodeLogId } from './handshake.ts';
import { repairSegment } from './repair-segment.ts';

/** Damaged records that one call repairs; what is left is found again. */
const REPAIR_RECORDS_MAX = 10_000;
/** Largest answer of the other copy: a record of 8 MiB and what stands around it. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Repairs all damaged records that are known, with those of another copy of the same log: a replica, or
 * the master. Resolves with their number.
 * @throws GridError ZDB_REPAIR_FAILED, RESP_CONNECT_FAILED, RESP_REPLY_ERROR
 */
export async function repairStore(store: Store, from: ReplicationSource): Promise<number> {
  const damaged = store.scrubber.bad(0, REPAIR_RECORDS_MAX);
  if (damaged.length === 0) return 0;
  await using client = await RespClient.connect({
    host: from.host,
    port: from.port,
    maxReplyBytes: ANSWER_BYTES_MAX,
    ...(from.password === undefined ? {} : { password: from.password }),
    ...(from.tls === undefined ? {} : { tls: from.tls }),
  });
  const log = encodeLogId(store.table.logId);
  let repaired = 0;
  for (const [segmentId, records] of Map.groupBy(damaged, (one: BadRecord) => one.segmentId)) {
    const segment = store.table.segments.find((one) => one.id === segmentId);
    if (segment === undefined) continue;
    const sequences = records.map((one) => one.sequence);
    await repairSegment(store, segment, sequences, async (sequence) => {
      const reply = await client.command(['RECORD', sequence, log]);
      return Buffer.isBuffer(reply) ? reply : undefined;
    });
    repaired += sequences.length;
  }
  return repaired;
}
