import { isGridError, runProgram } from '@commongrid/base';

/** The program is a part of systemd; these are the folders of one. */
const systemdPath = '/usr/local/bin:/usr/bin:/bin';

/** What a service manager is told (sd_notify(3)). */
export interface ServiceNews {
  readonly isReady: boolean;
  /** One line. */
  readonly status: string;
}

/**
 * Tells the service manager how this service is. It goes on when that fails, and gives the reason: it is
 * the manager who decides what a silent service is.
 * @param socket where it wants to be told, as it said in `NOTIFY_SOCKET`
 */
export async function tellManager(
  socket: string,
  { isReady, status }: ServiceNews,
): Promise<string | undefined> {
  const env = { PATH: systemdPath, NOTIFY_SOCKET: socket };
  try {
    // Node has no sockets for datagrams of Unix.
    const words = [...(isReady ? ['--ready'] : []), `--status=${status}`];
    await runProgram('systemd-notify', words, { env });
    return undefined;
  } catch (error) {
    if (isGridError(error)) return error.message;
    throw error;
  }
}
