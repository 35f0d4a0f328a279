import { isGridError, runProgram } from '@commongrid/base';

/** Forgets all connections from and to an address: nobody who has it later may go on with one. */
export async function forgetAddress(address: string): Promise<void> {
  await Promise.all([remove(['--orig-src', address]), remove(['--reply-src', address])]);
}

/**
 * Forgets what is sent over UDP to a port, to whatever host. A sender that does not pause keeps up
 * the decision where its first packet went.
 */
export async function forgetUdpPort(port: number): Promise<void> {
  await remove(['--proto', 'udp', '--orig-port-dst', String(port)]);
}

async function remove(filter: readonly string[]): Promise<void> {
  try {
    await runProgram('conntrack', ['--delete', ...filter]);
  } catch (error) {
    // With this status and these words it says that there was none.
    const isNone = isGridError(error) && error.message.includes('0 flow entries');
    if (!isNone) throw error;
  }
}
