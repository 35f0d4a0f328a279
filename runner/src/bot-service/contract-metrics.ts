import type { MetricsRegistry } from '@commongrid/base';
import type { ControlledContract } from '@commongrid/contract';

/** Publishes how the contracts of a bot stand. @param contracts none while the controller does not run yet */
export function publishContracts(
  registry: MetricsRegistry,
  contracts: () => readonly ControlledContract[],
): void {
  registry.gauge({
    name: 'bot_contracts',
    help: 'Contracts that the bot controls, by how far they are; unseen: not looked at yet.',
    labels: ['phase'],
    collect: (gauge) => {
      gauge.reset();
      for (const { status } of contracts()) gauge.inc({ phase: status?.phase ?? 'unseen' });
    },
  });
  registry.gauge({
    name: 'bot_contracts_blocked',
    help: 'Reasons for which contracts do not get on.',
    labels: ['code'],
    collect: (gauge) => {
      gauge.reset();
      for (const { blocked } of contracts()) {
        for (const code of new Set(blocked.map((one) => one.code))) gauge.inc({ code });
      }
    },
  });
  registry.gauge({
    name: 'bot_contract_nodes_silent',
    help: 'Nodes of contracts that are not heard of.',
    collect: (gauge) => {
      const silent = contracts().flatMap((one) => one.silent.map(({ node }) => node));
      gauge.set(new Set(silent).size);
    },
  });
}
