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
  /** Of what mostly waits, a node: a fifth less memory, at no more CPU time that could be measured. */
  waiting: ['--single-threaded-gc', '--optimize-for-size'],
} as const satisfies Record<string, readonly string[]>;

/**
 * Variables for servers of chunks. The launcher has malloc ask the kernel for whatever has 128 KiB, and give
 * that back at once: each chunk would come in new pages, which costs a fifth of all CPU time. With
 * these malloc keeps up to 64 MiB of such memory.
 */
export const chunkMemory = {
  MALLOC_MMAP_THRESHOLD_: '1048576',
  MALLOC_TRIM_THRESHOLD_: '67108864',
} as const satisfies Readonly<Record<string, string>>;
