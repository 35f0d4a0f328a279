/** Reserves a port, prints it, and runs until its input ends. */
import { reservePort } from '../../src/reserve-port.ts';

process.stdout.write(`${await reservePort()}\n`);
process.stdin.resume();
