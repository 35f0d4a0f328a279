import { isGridError, runProgram } from '@commongrid/base';

/** The program is a part of systemd; these are the folders of one. */
const systemdPath = '/usr/local/bin:/usr/bin:/bin';

/**
 * Tells the service manager that this service is ready, and how it is (sd_notify(3)). It goes on
 * when that fails, and gives the reason: it is the manager who decides what a silent service is.
 * @param socket where it wants to be told, as it said in `NOTIFY_SOCKET`
 * @param status one line
 */
export async function tellManager(socket: string, status: string): Promise<string | undefined> {
  const env = { PATH: systemdPath, NOTIFY_SOCKET: socket };
  try {
    // Node has no sockets for datagrams of Unix.
    await runProgram('systemd-notify', ['--ready', `--status=${status}`], { env });
    return undefined;
  } catch (error) {
    if (isGridError(error)) return error.message;
    throw error;
  }
}
