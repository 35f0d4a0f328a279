/** Like a program: calls of a few functions from everywhere, between instructions that repeat. */
export function programBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length, 0x90);
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const idioms = Array.from({ length: 50 }, () => [0x48, 0x89, random(64), 0x85, random(64)]);
  for (let at = 0; at + 10 <= length; at += 10) {
    bytes.set(idioms[random(idioms.length)] ?? [], at);
    bytes[at + 5] = 0xe8;
    bytes.writeInt32LE(random(100) * 4096 - (at + 10), at + 6);
  }
  return bytes;
}
