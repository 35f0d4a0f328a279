import type { MetricsRegistry } from '@commongrid/base';
import type { Database } from '../database.ts';

/** Shows how a copy stands to the log that it follows. */
export function registerReplicaMetrics(registry: MetricsRegistry, database: Database): void {
  registry.gauge({
    name: 'bcdb_replica_halted',
    help: '1 when this copy takes no more records: GET /v1/replica says why',
    collect: (gauge) => gauge.set(database.copy?.halted === undefined ? 0 : 1),
  });
  registry.gauge({
    name: 'bcdb_replica_alarms',
    help: 'Records in the log that the rules refuse, as far as they are kept',
    collect: (gauge) => gauge.set(database.copy?.alarms.length ?? 0),
  });
  registry.gauge({
    name: 'bcdb_replica_withheld',
    help: 'Records whose payloads are missing though the log does not say that they are erased',
    collect: (gauge) => gauge.set(database.copy?.withheld.length ?? 0),
  });
  registry.gauge({
    name: 'bcdb_replica_source_size_records',
    help: 'Size of the newest verified head of the source',
    collect: (gauge) => gauge.set(database.copy?.sourceHead?.size ?? 0),
  });
  registry.gauge({
    name: 'bcdb_replica_source_time_seconds',
    help: 'When the sequencer last signed that head as the newest, seconds since 1970',
    collect: (gauge) => gauge.set(database.copy?.sourceHead?.timestamp ?? 0),
  });
}
