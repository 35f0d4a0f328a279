import { tileWidth } from './tile.ts';

/** A tile as a client asks for it (C2SP tlog-tiles): of hashes, or of the entries themselves. */
export interface TileName {
  /** 0 holds the leaf hashes, each level above the roots of 256 hashes of the one below. */
  readonly level: number | 'entries';
  readonly index: number;
  /** Hashes or entries: 256 in a full tile, 1 to 255 in one at the end of the log. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, and `.p/5` behind it where it is not full. */
export function tilePath({ level, index, width }: TileName): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? [];
  const last = groups.pop() ?? '';
  const folders = groups.map((group) => `x${group}/`).join('');
  return `tile/${level}/${folders}${last}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** Undefined unless the path is the one that `tilePath` writes. */
export function parseTilePath(path: string): TileName | undefined {
  const { level, folders, last, width } = pattern.exec(path)?.groups ?? {};
  if (level === undefined) return undefined;
  const tile: TileName = {
    level: level === 'entries' ? level : Number(level),
    index: Number(`${folders?.replaceAll(/[x/]/g, '') ?? ''}${last ?? ''}`),
    width: width === undefined ? tileWidth : Number(width),
  };
  // Finds needless zeros in front, and indices that a number does not hold.
  return tilePath(tile) === path && tile.width <= tileWidth ? tile : undefined;
}

/** Five folders and a name hold 18 digits, more than any index has. */
const pattern =
  /^tile\/(?<level>entries|[0-9]|[1-5][0-9]|6[0-3])\/(?<folders>(?:x\d{3}\/){0,5})(?<last>\d{3})(?:\.p\/(?<width>[1-9]\d{0,2}))?$/;
