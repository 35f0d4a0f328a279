/**
 * Options of Node by what a server's memory is. The launcher gives the same to services that are
 * started by hand.
 */
export const collectionFlags = {
  /** Buffers of large values: helper threads of the collector would take a third of all CPU time. */
  values: ['--single-threaded-gc'],
  /** Of many requests: what is young goes before the memory of its buffers has all of the heap marked. */
  requests: ['--single-threaded-gc', '--max-semi-space-size=4'],
  /**
   * Of chunks, which are soon free again. As V8 comes, all of the heap is marked each time 32 MB of them
   * came, for a third of all CPU time. So it counts them with the heap, and lets both have 64 MB first:
   * then what is young is collected, which frees nearly all of them.
   */
  chunks: [
    '--single-threaded-gc',
    '--max-semi-space-size=4',
    '--initial-old-space-size=64',
    '--external-memory-accounted-in-global-limit',
  ],
} as const satisfies Record<string, readonly string[]>;
