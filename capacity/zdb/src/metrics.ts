import { createRegistry, type LatencySeries, type MetricsRegistry } from '@commongrid/base';
import type { ReplicaStatus } from './replication/replicas.ts';
import { freeDiskBytes } from './server/disk-space.ts';
import type { ServerContext } from './server/server-context.ts';

/** Namespaces that are published one by one, in order of their number; totals hold all. */
const METRIC_NAMESPACES_MAX = 1000;

/** Registers what a server has to tell. Values are taken when somebody asks for them. */
export function publishMetrics(context: ServerContext): MetricsRegistry {
  const registry = createRegistry({ withProcessMetrics: true });
  publishNamespaces(registry, context);
  publishCommands(registry, context);
  publishConnections(registry, context);
  publishLog(registry, context);
  publishReplication(registry, context);
  return registry;
}

function publishNamespaces(registry: MetricsRegistry, { store }: ServerContext): void {
  const one = (
    name: string,
    help: string,
    value: (namespace: ReturnType<typeof store.namespaces.list>[number]) => number,
  ): void => {
    registry.gauge({
      name,
      help,
      labels: ['namespace'],
      collect: (gauge) => {
        gauge.reset();
        for (const namespace of store.namespaces.list().slice(0, METRIC_NAMESPACES_MAX)) {
          gauge.set({ namespace: namespace.settings.name }, value(namespace));
        }
      },
    });
  };
  one('zdb_namespace_entries', 'Keys that have a value.', ({ index }) => index.liveCount);
  one('zdb_namespace_used_bytes', 'Bytes on disk, history included.', ({ usedBytes }) => usedBytes);
  one('zdb_namespace_live_bytes', 'Bytes of the newest records.', ({ liveBytes }) => liveBytes);
  one(
    'zdb_namespace_quota_bytes',
    'Reserved room; 0: no limit.',
    ({ settings }) => settings.maxBytes,
  );
}

function publishCommands(registry: MetricsRegistry, context: ServerContext): void {
  const { stats, commands } = context;
  const one = (name: string, help: string, values: Float64Array): void => {
    registry.counter({
      name,
      help,
      labels: ['command'],
      collect: (counter) => {
        for (const command of commands.list) {
          const value = values[command.index] ?? 0;
          if (value > 0) counter.inc({ command: command.name }, value);
        }
      },
    });
  };
  one('zdb_commands_total', 'Commands that were answered.', stats.calls);
  one('zdb_commands_failed_total', 'Of these, with an error.', stats.failures);
  registry.latency({
    name: 'zdb_command_duration_seconds',
    help: 'Time in the server, without the wait for the disk.',
    series: () => latencies(context),
  });
}

function* latencies({ stats, commands }: ServerContext): Generator<LatencySeries> {
  for (const command of commands.list) {
    const histogram = stats.latency[command.index];
    if (histogram !== undefined) yield { labels: { command: command.name }, histogram };
  }
}

function publishConnections(registry: MetricsRegistry, context: ServerContext): void {
  const one = (name: string, help: string, value: () => number): void => {
    registry.gauge({ name, help, collect: (gauge) => gauge.set(value()) });
  };
  const total = (name: string, help: string, value: () => number): void => {
    registry.counter({ name, help, collect: (counter) => counter.inc(value()) });
  };
  one('zdb_connections', 'Open connections.', () => context.networkStats.connections);
  total('zdb_connections_total', 'Since the start.', () => {
    return context.networkStats.connectionsLifetime;
  });
  one('zdb_connections_unauthenticated', 'That showed no password yet.', () => {
    return context.doorkeeper.strangers;
  });
  total('zdb_connections_unauthenticated_closed_total', 'Too late, or for others.', () => {
    return context.doorkeeper.sentAway;
  });
  total('zdb_connections_rejected_total', 'One too many.', () => {
    return context.networkStats.connectionsRejected;
  });
  total('zdb_authentication_failures_total', 'Wrong passwords and proofs.', () => {
    return context.doorkeeper.failures;
  });
  total('zdb_network_in_bytes_total', 'Received.', () => context.networkStats.bytesIn);
  total('zdb_network_out_bytes_total', 'Sent.', () => context.networkStats.bytesOut);
  one(
    'zdb_unsent_bytes',
    'Replies that clients have not taken.',
    () => context.networkStats.unsentBytes,
  );
}

function publishLog(registry: MetricsRegistry, context: ServerContext): void {
  const { store } = context;
  const one = (name: string, help: string, value: () => number): void => {
    registry.gauge({ name, help, collect: (gauge) => gauge.set(value()) });
  };
  // The store has another log after a failure: it is asked for each time.
  one('zdb_unsynced_bytes', 'Records that are not on disk yet.', () => store.log.unsyncedBytes);
  one('zdb_durable_lag_records', 'Records that are not on disk yet.', () => {
    return store.log.lastSequence - store.log.durableSequence;
  });
  one('zdb_disk_free_bytes', 'Free on the disk of the log.', () => freeDiskBytes(store));
  one('zdb_clock_ahead_seconds', 'Of the time by which the age of history is judged.', () => {
    return store.ages.aheadMs() / 1000;
  });
  one('zdb_segments', 'Files of the log.', () => store.table.segments.length);
  one('zdb_is_writable', '1 unless the store answers reads alone.', () => {
    return context.isWritable ? 1 : 0;
  });
}

function publishReplication(registry: MetricsRegistry, context: ServerContext): void {
  const one = (name: string, help: string, value: () => number): void => {
    registry.gauge({ name, help, collect: (gauge) => gauge.set(value()) });
  };
  one('zdb_replication_is_master', '1 for a master, 0 for a replica.', () => {
    return context.replication?.role === 'replica' ? 0 : 1;
  });
  one('zdb_replication_term', 'Number of the mastership.', () => context.replication?.term ?? 0);
  one('zdb_replication_is_fenced', '1 when a later mastership has begun.', () => {
    return (context.replication?.fencedBy ?? 0) === 0 ? 0 : 1;
  });
  const each = (name: string, help: string, value: (replica: ReplicaStatus) => number): void => {
    registry.gauge({
      name,
      help,
      labels: ['replica'],
      collect: (gauge) => {
        gauge.reset();
        for (const replica of context.replication?.replicas.status ?? []) {
          gauge.set({ replica: replica.id }, value(replica));
        }
      },
    });
  };
  each('zdb_replica_is_connected', '1 while it follows.', (replica) =>
    replica.isConnected ? 1 : 0,
  );
  each('zdb_replica_lag_records', 'Records not on its disk.', (replica) => replica.lagRecords);
  each('zdb_replica_lag_bytes', 'About their size.', (replica) => replica.lagBytes);
  each('zdb_replica_lag_seconds', 'Since it had everything.', (replica) => replica.lagSeconds);
}
