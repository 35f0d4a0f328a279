/**
 * An ELF program of two system calls: it makes a file in memory with `flags`, and ends with the error
 * number of that; with less than 0, as a byte, when there was none.
 */
export function memoryFileProgram(flags: number): Uint8Array {
  const { machine, code } = process.arch === 'arm64' ? onArm64(flags) : onX64(flags);
  const headerBytes = 64;
  const segmentBytes = 56;
  const start = headerBytes + segmentBytes;
  const address = 0x40_00_00n;
  const file = Buffer.alloc(start + code.length);
  // The header and one segment that holds all of the file: elf(5).
  file.write('\u007fELF\u0002\u0001\u0001', 'latin1');
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(address + BigInt(start), 24);
  file.writeBigUInt64LE(BigInt(headerBytes), 32);
  file.writeUInt16LE(headerBytes, 52);
  file.writeUInt16LE(segmentBytes, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, headerBytes);
  file.writeUInt32LE(5, headerBytes + 4);
  file.writeBigUInt64LE(address, headerBytes + 16);
  file.writeBigUInt64LE(address, headerBytes + 24);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 32);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 40);
  file.writeBigUInt64LE(0x1000n, headerBytes + 48);
  file.set(code, start);
  return file;
}

interface Code {
  /** Number of the architecture in ELF. */
  readonly machine: number;
  readonly code: Uint8Array;
}

function onX64(flags: number): Code {
  const lines = [
    [0xb8, 0x3f, 0x01, 0x00, 0x00], // mov eax, 319 (memfd_create)
    [0x48, 0x8d, 0x3d, 0x00, 0x00, 0x00, 0x00], // lea rdi, [rip]: some name
    [0xbe, flags, 0x00, 0x00, 0x00], // mov esi, flags
    [0x0f, 0x05], // syscall
    [0xf7, 0xd8], // neg eax
    [0x89, 0xc7], // mov edi, eax
    [0xb8, 0x3c, 0x00, 0x00, 0x00], // mov eax, 60 (exit)
    [0x0f, 0x05], // syscall
  ];
  return { machine: 62, code: Uint8Array.from(lines.flat()) };
}

function onArm64(flags: number): Code {
  const words = [
    0xd2_80_22_e8, // mov x8, 279 (memfd_create)
    0x10_00_00_00, // adr x0, .: some name
    0xd2_80_00_01 + flags * 32, // mov x1, flags
    0xd4_00_00_01, // svc 0
    0x4b_00_03_e0, // neg w0, w0
    0xd2_80_0b_a8, // mov x8, 93 (exit)
    0xd4_00_00_01, // svc 0
  ];
  return { machine: 183, code: new Uint8Array(Uint32Array.from(words).buffer) };
}
