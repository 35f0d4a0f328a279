import type { Command } from '../command.ts';
import type { DoorContext } from '../door-context.ts';
import type { Session } from '../session.ts';
import { redisVersion, serverName, serverVersion } from '../version.ts';

export const infoCommands: readonly Command[] = [
  {
    name: 'INFO',
    least: 0,
    most: 16,
    summary: 'Answers facts about the server: INFO [SECTION...].',
    run({ context, reply }, request) {
      const wanted = new Set<string>();
      for (let i = 1; i < request.argc; i++) wanted.add(request.latin1(i).toLowerCase());
      const isAll = ['all', 'everything', 'default'].some((word) => wanted.has(word));
      const sections = [server(context), clients(context), stats(context), log(context)];
      const shown = sections.filter(([name]) => wanted.size === 0 || isAll || wanted.has(name));
      reply.verbatim(shown.map(([name, facts]) => section(name, facts)).join('\r\n'));
    },
  },
];

type Section = readonly [name: string, facts: Readonly<Record<string, string | number>>];

function section(name: string, facts: Section[1]): string {
  const lines = Object.entries(facts).map(([fact, value]) => `${fact}:${value}\r\n`);
  return `# ${name}\r\n${lines.join('')}`;
}

function server({ clock, startedMs }: DoorContext): Section {
  return [
    'server',
    {
      server_name: serverName,
      server_version: serverVersion,
      redis_version: redisVersion,
      redis_mode: 'standalone',
      process_id: process.pid,
      uptime_in_seconds: Math.floor((clock.nowMs() - startedMs) / 1000),
    },
  ];
}

function clients({ server: network, strangers, waiters }: DoorContext): Section {
  return [
    'clients',
    {
      connected_clients: network?.stats.connections ?? 0,
      blocked_clients: waiters.count,
      unauthenticated_clients: strangers.size,
    },
  ];
}

function stats({ server: network, stats: counts }: DoorContext): Section {
  return [
    'stats',
    {
      total_connections_received: network?.stats.connectionsLifetime ?? 0,
      rejected_connections: network?.stats.connectionsRejected ?? 0,
      total_commands_processed: counts.commands,
      total_error_replies: counts.refusals,
      total_net_input_bytes: network?.stats.bytesIn ?? 0,
      total_net_output_bytes: network?.stats.bytesOut ?? 0,
    },
  ];
}

/** The hash of the log and its size are no secret: checkpoints are open to all. */
function log({ bcdb }: Session['context']): Section {
  return [
    'log',
    {
      role: 'master',
      loading: 0,
      log: bcdb.log,
      log_size: bcdb.head.size,
      log_time_ms: bcdb.at,
      applied_size: bcdb.projection.appliedSize,
    },
  ];
}
