import type { ConnectionHandler, RespConnection, RespServerOptions } from '../../src/index.ts';
import { RespServer, writeHello } from '../../src/index.ts';

/** A store of one Map that answers enough commands for redis-cli and redis-benchmark. */
export async function openToyStore(options: Partial<RespServerOptions> = {}): Promise<RespServer> {
  const values = new Map<string, Buffer>();
  return RespServer.open({
    listen: [{ host: '127.0.0.1', port: 0 }],
    onConnection: () => toyHandler(values),
    ...options,
  });
}

export function toyHandler(values: Map<string, Buffer>): ConnectionHandler {
  return {
    handle(request, { reply, id }: RespConnection) {
      if (request.is(0, 'GET')) {
        const value = values.get(request.latin1(1));
        if (value === undefined) reply.nil();
        else reply.bulk(value);
      } else if (request.is(0, 'SET')) {
        values.set(request.latin1(1), request.own(2));
        reply.ok();
      } else if (request.is(0, 'PING')) {
        if (request.argc > 1) reply.bulk(request.view(1));
        else reply.simple('PONG');
      } else if (request.is(0, 'HELLO')) {
        reply.protocol = request.integer(1) === 3 ? 3 : 2;
        writeHello(reply, { server: 'toy', version: '1', id, mode: 'alone', role: 'master' });
      } else {
        reply.error('ERR unknown command');
      }
    },
  };
}
