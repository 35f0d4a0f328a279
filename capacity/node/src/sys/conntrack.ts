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

/**
 * It lists the entries and deletes one after the other. At one that went by itself meanwhile it ends,
 * and leaves those that come after it.
 */
async function remove(filter: readonly string[]): Promise<void> {
  for (let runs = 1; ; runs++) {
    try {
      await runProgram('conntrack', ['--delete', ...filter]);
      return;
    } catch (error) {
      // With this status and these words it says that there was none.
      if (says(error, '0 flow entries')) return;
      if (!says(error, "such conntrack doesn't exist") || runs === runsMax) throw error;
    }
  }
}

/** Far more than entries end by themselves while one list is gone through. */
const runsMax = 1_000;

function says(error: unknown, words: string): boolean {
  return isGridError(error, 'BASE_PROGRAM_FAILED') && error.message.includes(words);
}
