import { once } from 'node:events';
import fs from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** What a test makes of one request; true when it has answered. */
export type Interference = (
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
) => boolean;

/** Serves the blobs of a layout as a registry would, with whatever a test puts in the way. */
export class TinyRegistry {
  readonly host: string;
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[] = [];
  interference: Interference = () => false;

  private constructor(server: Server) {
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param tags manifests by their tags: digest and media type */
  static async open(
    t: TestContext,
    layout: string,
    tags: ReadonlyMap<string, { readonly digest: string; readonly mediaType: string }> = new Map(),
  ): Promise<TinyRegistry> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const registry = new TinyRegistry(server);
    server.on('request', (request, response) => {
      const { url = '', headers } = request;
      registry.requests.push({ url, authorization: headers.authorization });
      const key = url.slice(url.lastIndexOf('/') + 1);
      const tagged = tags.get(key);
      const digest = tagged?.digest ?? key;
      const file = join(layout, 'blobs/sha256', digest.replace('sha256:', ''));
      const type = tagged?.mediaType ?? 'application/octet-stream';
      void registry.#answer(request, response, file, type);
    });
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return registry;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    file: string,
    type: string,
  ): Promise<void> {
    const content = await fs.readFile(file).catch(() => undefined);
    if (this.interference(request, response, content ?? Buffer.alloc(0))) return;
    if (content === undefined) {
      response.writeHead(404).end('{"errors":[{"message":"unknown to registry"}]}');
      return;
    }
    response.writeHead(200, { 'content-type': type, 'content-length': content.length });
    response.end(content);
  }
}
