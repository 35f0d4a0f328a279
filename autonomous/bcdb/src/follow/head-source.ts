/** Where a head follower gets heads from. Nothing that it says is trusted. */
export interface HeadSource {
  /**
   * The newest head as a signed note, and what shows that it continues the log of `size` records:
   * parsed JSON of a `ShownHead`.
   */
  head(size: number, signal: AbortSignal): Promise<unknown>;

  /** Who sequenced the log: parsed JSON of a `Succession`. */
  succession(signal: AbortSignal): Promise<unknown>;
}
