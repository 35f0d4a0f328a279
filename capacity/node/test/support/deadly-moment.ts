/** When a node ends itself. */
export interface DeadlyMoment {
  /** Call of a driver: `VolumeDriver.prepare`. */
  readonly call: string;
  /** So long after the call began, or when it ends, whichever is first; 0: as it begins. */
  readonly afterMs: number | 'end';
}
