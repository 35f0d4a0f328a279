import type { DemoBot } from '../../demo-bot.ts';
import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { DemoTown } from '../../demo-town.ts';
import type { ServiceName } from '../fault-kinds.ts';
import type { Fault } from '../fault-schedule.ts';
import type { BeginFault } from './begun-fault.ts';

interface Services {
  readonly services: Readonly<
    Record<string, { readonly pid: number | null; readonly phase: string }>
  >;
}

/** The service that a fault befalls. */
export function serviceOf({ kind, target }: Fault): ServiceName {
  if (target.place !== 'service') throw new Error(`${kind} has no service`);
  return target.name;
}

/** Number of the process of a service; undefined while it has none. */
export async function pidOf({ grid }: DemoTown, name: ServiceName): Promise<number | undefined> {
  const { services } = await grid.json<Services>('status');
  return services[name]?.pid ?? undefined;
}

/** Whether a service runs, as its supervisor says. */
export async function runs({ grid }: DemoTown, name: ServiceName): Promise<boolean> {
  const { services } = await grid.json<Services>('status');
  return services[name]?.phase === 'running';
}

/** Least and most that an answer of the database is under way, either way, ms. */
const delayMs = [50, 600] as const;

/** Whatever machines say to the database, and it to them, takes longer. */
export const databaseFarAway: BeginFault = async ({ town }, { part }) => {
  const [least, most] = delayMs;
  town.toDatabase.delayMs = Math.round(least + part * (most - least));
  const end = async (): Promise<void> => {
    town.toDatabase.delayMs = 0;
  };
  return { victim: 'bcdb', end };
};

/** The bot of a farmer that a fault befalls. */
export function farmerOf({ town }: ArchiveScene, { kind, target }: Fault): DemoBot {
  const farm = target.place === 'farmer' ? town.farms[target.at] : undefined;
  if (farm === undefined) throw new Error(`${kind} has no farmer`);
  return farm.farmer;
}

export const farmerKilled: BeginFault = async (scene, fault) => {
  const farmer = farmerOf(scene, fault);
  await farmer.kill();
  return { victim: farmer.name, end: () => farmer.start(scene.town.signal) };
};

export const farmerStopped: BeginFault = async (scene, fault) => {
  const farmer = farmerOf(scene, fault);
  farmer.freeze();
  return { victim: farmer.name, end: async () => farmer.thaw() };
};
