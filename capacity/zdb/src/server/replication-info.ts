import type { Replication } from '../replication/replication.ts';
import type { InfoSection } from './info-lines.ts';
import type { ServerContext } from './server-context.ts';

type Field = readonly [name: string, value: string | number];

/** Who is master, in which mastership, and how far the replicas are. */
export function replicationSection({
  replication,
  confirmation,
  clock,
}: ServerContext): InfoSection {
  if (replication === undefined) return ['replication', [['role', 'master']]];
  const replicas = replication.replicas.status;
  const connected = replicas.filter((one) => one.isConnected);
  const shared: Field[] = [
    ['role', replication.role],
    ['term', replication.term],
    ['known_term', replication.knownTerm],
    ['fenced_by', replication.fencedBy === 0 ? 'no' : `term ${replication.fencedBy}`],
    ['connected_slaves', connected.length],
    ['min_replicas', confirmation.minReplicas],
  ];
  const each = replicas.map((one, i): Field => {
    const state = one.isConnected ? 'online' : 'away';
    const lag = `records=${one.lagRecords},bytes=${one.lagBytes},seconds=${one.lagSeconds.toFixed(1)}`;
    const facts = `id=${one.id},address=${one.address},state=${state}`;
    return [`replica${i}`, `${facts},acknowledged=${one.acknowledged},${lag}`];
  });
  const source =
    replication.role === 'replica' ? sourceFields(replication, clock.monotonicMs()) : [];
  return ['replication', [...shared, ...source, ...each]];
}

function sourceFields(replication: Replication, nowMs: number): Field[] {
  const { source, followerStatus: status, lastSequence } = replication;
  const lagRecords = Math.max(0, (status?.sourceSequence ?? 0) - lastSequence);
  const isCurrent = status?.state === 'following' && lagRecords === 0;
  const lagSeconds = status === undefined || isCurrent ? 0 : (nowMs - status.caughtUpMs) / 1000;
  return [
    ['master', source === undefined ? 'none' : `${source.host}:${source.port}`],
    ['master_link_status', status?.state === 'following' ? 'up' : 'down'],
    ['master_link_state', status?.state ?? 'none'],
    ['master_link_problem', status?.problem ?? 'none'],
    ['first_copy', replication.isWhole ? 'whole' : 'under way'],
    ['lag_records', lagRecords],
    ['lag_seconds', lagSeconds.toFixed(1)],
  ];
}
