import { runProgram } from '@commongrid/base';

/** A port on which a program of this machine takes packets or connections. */
export interface BoundPort {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** Ports of this machine that programs listen on, on whatever address. */
export async function boundPorts(): Promise<readonly BoundPort[]> {
  const printed = await runProgram('ss', ['-Hlntu']);
  return linesOf(printed).flatMap(({ protocol, port }) =>
    protocol === 'tcp' || protocol === 'udp' ? [{ protocol, port }] : [],
  );
}

/** The programs behind a port, for people: `nginx (process 17)`. Empty when it cannot be told. */
export async function ownersOf({ protocol, port }: BoundPort): Promise<string> {
  const printed = await runProgram('ss', ['-Hlnp', `--${protocol}`]);
  const owners = linesOf(printed)
    .filter((line) => line.port === port)
    .flatMap(({ rest }) => [...rest.matchAll(/"([^"]*)",pid=(\d+)/g)])
    .map(([, name = '', pid = '']) => `${name} (process ${pid})`);
  return [...new Set(owners)].join(', ');
}

interface SocketLine {
  readonly protocol: string;
  readonly port: number;
  readonly rest: string;
}

/** `tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*`; asked for one protocol alone, ss leaves out the first word. */
function linesOf(printed: string): SocketLine[] {
  return printed.split('\n').flatMap((line) => {
    const match = /^(?:(\w+)\s+)?[A-Z-]+\s+\d+\s+\d+\s+\S*:(\d+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    const [, protocol = '', port = '', rest = ''] = match;
    return [{ protocol, port: Number(port), rest }];
  });
}
