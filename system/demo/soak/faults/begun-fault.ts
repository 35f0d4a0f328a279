import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { Fault } from '../fault-schedule.ts';

/** A fault that goes on. */
export interface BegunFault {
  /** Whom it befell, for people: `be-1`, `database`. */
  readonly victim: string;
  /** Ends what was done; what it was done to may need a while until it is well. */
  end(): Promise<void>;
}

/** Brings a fault about. @returns undefined where there is nothing of what it is to befall */
export type BeginFault = (scene: ArchiveScene, fault: Fault) => Promise<BegunFault | undefined>;

/** Of what is over once it was done: what supervises it starts it again. */
export const nothingToEnd = async (): Promise<void> => {};
