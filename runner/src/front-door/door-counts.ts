/** Connections of all doors together; more are refused. */
export const connectionsMax = 2_000;

/** What is counted over all doors. */
export class DoorCounts {
  /** Connections so far, those that were refused left out. */
  accepted = 0;
  /** Over a limit. */
  refused = 0;
  /** Held, and ended since no replica took them. */
  unserved = 0;
  /** Cut because their replica was gone. */
  cut = 0;
  /** Connections that are open. */
  open = 0;

  /** One connection more, where there is room for it. */
  enter(): boolean {
    if (this.open >= connectionsMax) return false;
    this.open += 1;
    this.accepted += 1;
    return true;
  }

  leave(): void {
    this.open -= 1;
  }
}
