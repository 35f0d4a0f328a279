import type { MetricsRegistry } from '@commongrid/base';
import type { EventPhase } from '@commongrid/model';
import type { NumberedEvent } from '../reconcile/node-state.ts';
import type { Room } from '../reconcile/admission.ts';
import type { NodeAgent } from './node-agent.ts';

/** Publishes what a node does, of itself and of the containers on it. Told by short ids, never by names. */
export function publishNodeMetrics(agent: NodeAgent, registry: MetricsRegistry): void {
  const events = new Map<EventPhase, number>();
  agent.watchEvents(({ phase }: NumberedEvent) => {
    events.set(phase, (events.get(phase) ?? 0) + 1);
  });
  registry.counter({
    name: 'node_events_total',
    help: 'Events of workloads since the start of the agent, by phase',
    labels: ['phase'],
    collect: (counter) => {
      for (const [phase, count] of events) counter.inc({ phase }, count);
    },
  });
  registry.gauge({
    name: 'node_workloads',
    help: 'Workloads by phase',
    labels: ['phase'],
    collect: (gauge) => {
      gauge.reset();
      for (const { phase } of agent.state.workloads()) gauge.inc({ phase });
    },
  });
  publishRoom(agent, registry);
  registry.gauge({
    name: 'node_view_age_seconds',
    help: 'Age of the newest verified head of the log',
    collect: (gauge) => gauge.set(agent.viewAgeSeconds),
  });
  publishImageSources(agent, registry);
  publishContainers(agent, registry);
}

function publishImageSources({ machine }: NodeAgent, registry: MetricsRegistry): void {
  registry.gauge({
    name: 'node_image_chunks_refused',
    help: 'Chunks with wrong bytes since the image service started, by the source that gave them',
    labels: ['source'],
    collect: async (gauge) => {
      gauge.reset();
      for (const { name: source, refusedChunks } of (await machine.imageSources?.()) ?? []) {
        gauge.set({ source }, refusedChunks);
      }
    },
  });
}

function publishRoom(agent: NodeAgent, registry: MetricsRegistry): void {
  for (const [name, help, room] of [
    ['node_room', 'Room of the node by kind: thousandths of a CPU, bytes, processes', 'capacity'],
    ['node_room_used', 'Room that accepted workloads keep, by kind', 'used'],
  ] as const) {
    registry.gauge({
      ...{ name, help, labels: ['kind'] },
      collect: (gauge) => {
        const all: Room = agent.reconciler.admission[room];
        for (const [kind, amount] of Object.entries(all)) gauge.set({ kind }, Number(amount));
      },
    });
  }
}

function publishContainers(agent: NodeAgent, registry: MetricsRegistry): void {
  for (const [name, help, field, unit] of [
    ['node_container_cpu_seconds', 'Time that a container had of all CPUs', 'cpuUsageUs', 1e-6],
    ['node_container_memory_bytes', 'Memory of a container', 'memoryBytes', 1],
    ['node_container_pids', 'Processes and threads of a container', 'pids', 1],
  ] as const) {
    registry.gauge({
      ...{ name, help, labels: ['workload'] },
      collect: async (gauge) => {
        gauge.reset();
        for (const { known } of agent.state.workloads()) {
          if (known.role.workload.kind !== 'container') continue;
          const usage = await agent.machine.containers?.stats(known.key);
          if (usage !== undefined) gauge.set({ workload: known.key }, usage[field] * unit);
        }
      },
    });
  }
}
