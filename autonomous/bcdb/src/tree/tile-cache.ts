import type { Tile } from './tile.ts';

/** Full tiles kept in memory, 16 KiB each: they cover 131,072 leaves. */
const cachedTilesMax = 512;

/** The full tiles that were used last. */
export class TileCache {
  readonly #tiles = new Map<string, Tile>();

  get(level: number, index: number): Tile | undefined {
    const tile = this.#tiles.get(`${level}/${index}`);
    if (tile !== undefined) this.put(level, index, tile);
    return tile;
  }

  put(level: number, index: number, tile: Tile): void {
    const key = `${level}/${index}`;
    // A map keeps the order of insertion: the oldest is the first.
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    if (this.#tiles.size <= cachedTilesMax) return;
    for (const oldest of this.#tiles.keys()) {
      this.#tiles.delete(oldest);
      return;
    }
  }
}
