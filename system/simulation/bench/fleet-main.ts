import { runFleet } from '../fleet.ts';

/** Runs one fleet and prints what it took: `fleet-main.ts NODES SEED`. */
const [nodes = 250, seed = 0] = process.argv.slice(2).map(Number);
const report = await runFleet({
  ...{ nodes, nodesOfFarm: 5, workloads: nodes * 10, replicas: Math.min(50, nodes / 5) },
  ...{ dying: 0.1, seed },
});
process.stdout.write(JSON.stringify(report));
