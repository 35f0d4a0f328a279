/** What a fault befalls. */
export type Place = 'machine' | 'farmer' | 'service' | 'head';

export interface FaultTraits {
  readonly place: Place;
  /** Least and most that it lasts, s. */
  readonly seconds: readonly [number, number];
  /** Most that it may take from its begin until all is well again, beyond what it lasts, s. */
  readonly healSeconds: number;
  /** How often it is drawn beside the others. */
  readonly weight: number;
  /** What ran on the machine may be placed elsewhere, which takes room for a day. */
  readonly moves?: true;
  /** What may be its victim; without it any of its place. */
  readonly services?: readonly ServiceName[];
  readonly machines?: readonly number[];
}

/** What `grid up` runs of the grid of a town. */
export type ServiceName = 'bcdb' | 'hub' | 'front-door' | 'bot-buyer';

/** The machine whose disk is a file system of its own, which can be full without harm to others. */
export const diskMachine = 0;

const machine = { place: 'machine', healSeconds: 60 } as const;
const service = { place: 'service', healSeconds: 45 } as const;
const everyService = ['bcdb', 'hub', 'front-door', 'bot-buyer'] as const;

/** All faults by what they are called. */
export const faultKinds = {
  'machine killed': { ...machine, seconds: [0, 0], weight: 3, moves: true },
  'cable out': { ...machine, seconds: [2, 40], weight: 4, moves: true },
  'nothing comes in': { ...machine, seconds: [5, 30], weight: 2, moves: true },
  'nothing goes out': { ...machine, seconds: [5, 30], weight: 2, moves: true },
  'packets lost': { ...machine, seconds: [10, 40], weight: 2, moves: true },
  'agent killed': { ...machine, seconds: [0, 0], weight: 2, moves: true },
  'agent stopped': { ...machine, seconds: [1, 8], weight: 1, moves: true },
  'Zero-DB killed': { ...machine, seconds: [0, 0], weight: 2 },
  'Zero-DB stopped': { ...machine, seconds: [1, 15], weight: 1 },
  'keeper of a container killed': { ...machine, seconds: [0, 0], weight: 1 },
  'disk full': { ...machine, seconds: [5, 20], weight: 2, moves: true, machines: [diskMachine] },
  'head killed': { place: 'head', healSeconds: 45, seconds: [0, 0], weight: 2 },
  'head stopped': { place: 'head', healSeconds: 45, seconds: [1, 12], weight: 1 },
  'service killed': { ...service, seconds: [0, 0], weight: 3, services: everyService },
  'service stopped': { ...service, seconds: [1, 8], weight: 2, services: everyService },
  'database far away': { ...service, seconds: [5, 30], weight: 1, services: ['bcdb'] },
  'farmer killed': { place: 'farmer', healSeconds: 45, seconds: [2, 20], weight: 1 },
  'farmer with a wrong clock': { place: 'farmer', healSeconds: 45, seconds: [5, 30], weight: 1 },
  'farmer stopped': { place: 'farmer', healSeconds: 45, seconds: [2, 20], weight: 1 },
} as const satisfies Readonly<Record<string, FaultTraits>>;

export type FaultKind = keyof typeof faultKinds;

/** What is known of a kind. */
export function traitsOf(kind: FaultKind): FaultTraits {
  return faultKinds[kind];
}
