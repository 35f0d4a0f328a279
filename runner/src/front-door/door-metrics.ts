import { createRegistry } from '@commongrid/base';
import type { MetricsRegistry } from '@commongrid/base';

import type { FrontDoor } from './front-door.ts';

/** What Prometheus is told of a front door. */
export function doorMetrics(front: Pick<FrontDoor, 'counts' | 'report'>): MetricsRegistry {
  const registry = createRegistry({ withProcessMetrics: true });
  const { counts } = front;
  registry.gauge({
    name: 'front_door_doors',
    help: 'Addresses of this machine at which contracts are reached.',
    collect: (gauge) => gauge.set(front.report().doors.length),
  });
  registry.gauge({
    name: 'front_door_connections',
    help: 'Connections that are open, those that are held among them.',
    collect: (gauge) => gauge.set(counts.open),
  });
  const total = (name: string, help: string, count: () => number): void => {
    registry.counter({ name, help, collect: (counter) => counter.inc(count()) });
  };
  total('front_door_connections_total', 'Connections that were taken.', () => counts.accepted);
  total('front_door_refused_total', 'Connections beyond a limit.', () => counts.refused);
  total(
    'front_door_unserved_total',
    'Connections that were held and ended, since no replica took them.',
    () => counts.unserved,
  );
  total(
    'front_door_cut_total',
    'Connections that were cut since their replica was gone.',
    () => counts.cut,
  );
  return registry;
}
