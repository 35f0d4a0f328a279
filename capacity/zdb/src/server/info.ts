import { readFileSync } from 'node:fs';
import { replicationSection } from './replication-info.ts';
import { type InfoSection, lines, mib } from './info-lines.ts';
import type { ServerContext } from './server-context.ts';
import { redisVersion, serverName, serverVersion } from './version.ts';

/**
 * The text of INFO: the fields of 0-db under their names, then those that clients of Redis look
 * for, then our own. `wanted` names sections; empty means all.
 */
export function serverInfo(context: ServerContext, wanted: ReadonlySet<string>): string {
  const sections = [
    serverSection(context),
    clientsSection(context),
    internalsSection(),
    statsSection(context),
    logSection(context),
    persistenceSection(context),
    replicationSection(context),
  ];
  if (wanted.size === 0 || wanted.has('all') || wanted.has('everything') || wanted.has('default')) {
    return lines(sections);
  }
  return lines(sections.filter(([title]) => wanted.has(title)));
}

function serverSection({ startedMs, clock, store, config }: ServerContext): InfoSection {
  const uptimeSeconds = Math.floor((clock.nowMs() - startedMs) / 1000);
  return [
    'server',
    [
      ['server_name', serverName],
      ['server_revision', serverVersion],
      ['engine_revision', serverVersion],
      ['instance_id', store.table.logId.toString(16).padStart(16, '0')],
      ['boot_time', Math.floor(startedMs / 1000)],
      ['uptime', uptimeSeconds],
      ['uptime_in_seconds', uptimeSeconds],
      ['process_id', process.pid],
      ['redis_version', redisVersion],
      ['redis_mode', 'standalone'],
      ['node_version', process.versions.node],
      ['mode', config.mode],
      ['durability', config.durability],
    ],
  ];
}

function clientsSection({ networkStats, doorkeeper }: ServerContext): InfoSection {
  const { connections, connectionsLifetime, connectionsRejected } = networkStats;
  return [
    'clients',
    [
      ['clients_lifetime', connectionsLifetime],
      ['connected_clients', connections],
      ['rejected_connections', connectionsRejected],
      ['unauthenticated_clients', doorkeeper.strangers],
      ['unauthenticated_closed', doorkeeper.sentAway],
      ['authentication_failures', doorkeeper.failures],
    ],
  ];
}

function internalsSection(): InfoSection {
  return [
    'internals',
    [
      ['sequential_key_size', 8],
      ['data_version', 1],
      ['index_version', 1],
    ],
  ];
}

function statsSection({ stats, networkStats }: ServerContext): InfoSection {
  const { bytesIn, bytesOut, unsentBytes, partialBytes } = networkStats;
  const disk = diskTraffic();
  return [
    'stats',
    [
      ['commands_executed', stats.executed],
      ['commands_failed', stats.failed + stats.unknown],
      ['commands_unauthorized', stats.unauthorized],
      ['index_disk_read_failed', 0],
      ['index_disk_write_failed', 0],
      ['data_disk_read_failed', stats.readFailures],
      ['data_disk_write_failed', stats.writeFailures],
      // One log holds data and index: all traffic counts as the data's.
      ['index_disk_read_bytes', 0],
      ['index_disk_read_mb', mib(0)],
      ['index_disk_write_bytes', 0],
      ['index_disk_write_mb', mib(0)],
      ['data_disk_read_bytes', disk.readBytes],
      ['data_disk_read_mb', mib(disk.readBytes)],
      ['data_disk_write_bytes', disk.writtenBytes],
      ['data_disk_write_mb', mib(disk.writtenBytes)],
      ['network_rx_bytes', bytesIn],
      ['network_rx_mb', mib(bytesIn)],
      ['network_tx_bytes', bytesOut],
      ['network_tx_mb', mib(bytesOut)],
      ['unsent_bytes', unsentBytes],
      ['partial_request_bytes', partialBytes],
    ],
  ];
}

function logSection({ store }: ServerContext): InfoSection {
  const { log, table } = store;
  const { last } = table;
  let sizeBytes = 0;
  for (const segment of table.segments) sizeBytes += segment.nextOffset;
  return [
    'log',
    [
      ['last_sequence', log.lastSequence],
      ['durable_sequence', log.durableSequence],
      ['unsynced_bytes', log.unsyncedBytes],
      ['segments', table.segments.length],
      ['segment_current', last?.id ?? 0],
      ['log_bytes', sizeBytes],
      ['clock_ahead_seconds', Math.floor(store.ages.aheadMs() / 1000)],
      ['namespaces', store.namespaces.list().length],
      ['quarantined_stretches', table.quarantine.length],
      ['read_only', store.readOnlyReason ?? store.log.failure?.message ?? 'no'],
    ],
  ];
}

/** What clients of Redis look at before they use a server. */
function persistenceSection({ store, readProblem }: ServerContext): InfoSection {
  const isWell = store.log.failure === undefined;
  return [
    'persistence',
    [
      ['loading', readProblem === undefined ? 0 : 1],
      ['aof_enabled', 1],
      ['aof_last_write_status', isWell ? 'ok' : 'err'],
    ],
  ];
}

/** Bytes that this process has read from disks and written to them, as the kernel counts. */
function diskTraffic(): { readBytes: number; writtenBytes: number } {
  const text = readFileSync('/proc/self/io', 'latin1');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return { readBytes: field('read_bytes'), writtenBytes: field('write_bytes') };
}
