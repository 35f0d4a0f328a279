import { machineAddresses } from '../../src/network/machine-addresses.ts';

/** Prints where the machine is reached, as its network namespace has it: one a line. */
process.stdout.write((await machineAddresses()).map((address) => `${address}\n`).join(''));
