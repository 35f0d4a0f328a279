/** SHA-256 of the plaintext of a chunk, 64 lowercase hex digits. */
export type ChunkHash = string & { readonly ChunkHash: unique symbol };

/** A chunk as it is kept and sent, in either form (docs/formats/flist-chunks.md). Nobody checked it yet. */
export interface PackedChunk {
  readonly hash: ChunkHash;
  readonly packed: Uint8Array;
}

/** Where chunks are fetched from. What it gives is verified by whoever asks. */
export interface ChunkSource extends AsyncDisposable {
  /** For people and events: which source it is. */
  readonly name: string;
  /**
   * Gives those of the chunks that it has, in any order; what it lacks it leaves out.
   * @param hashes at most 1,000
   * @throws FLIST_SOURCE_FAILED (retryable), BASE_ABORTED
   */
  fetch(hashes: readonly ChunkHash[], signal: AbortSignal): AsyncIterable<PackedChunk>;
}

/** Where chunks of an image that is being made go. */
export interface ChunkSink {
  /**
   * Takes the plaintext of a chunk, 1 to 524,288 bytes, which it does not keep after it resolves.
   * @returns its hash
   */
  put(plaintext: Uint8Array): Promise<ChunkHash>;
}

/** Whose a key is. `runner/` plugs the phonebook in. */
export interface KeyDirectory {
  /** The name of the user that the key, `ed25519:...`, acts for; undefined for an unknown key. */
  userOf(key: string, signal?: AbortSignal): Promise<string | undefined>;
}
