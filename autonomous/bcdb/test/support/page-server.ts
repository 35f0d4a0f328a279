import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { tempFolder } from '@commongrid/base/testing';
import type { PageTask } from './page.ts';

const root = path.join(import.meta.dirname, '..', '..', '..', '..');
const pageModule = '/autonomous/bcdb/test/support/page.ts';

/** What bare names stand for in a browser; a bundler finds the same by the packages' `exports`. */
const imports = {
  '@commongrid/base/browser': '/foundation/base/src/browser.ts',
  '@commongrid/crypto/browser': '/foundation/crypto/src/browser.ts',
  '@commongrid/crypto/testing': '/foundation/crypto/src/testing/index.ts',
  '@noble/': '/node_modules/@noble/',
};

const page = `<!doctype html><title>test</title>
<script>
  // A browser ends all connections when an address of the machine comes or goes, as tests beside make them.
  const fetchOnce = fetch;
  globalThis.fetch = async (...request) => {
    for (let left = 4; ; left -= 1) {
      try {
        return await fetchOnce(...request);
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  };
  const tell = (error) => fetch('/result', { method: 'POST', body: JSON.stringify({ error }) });
  const loadAgain = () => {
    const loads = Number(sessionStorage.getItem('loads')) + 1;
    sessionStorage.setItem('loads', loads);
    if (loads < 5) location.reload();
    else tell('a module did not load');
  };
  addEventListener('error', ({ message }) => (message ? tell(message) : loadAgain()), true);
  addEventListener('unhandledrejection', (event) => tell(String(event.reason)));
</script>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module" src="${pageModule}"></script>`;

/** How long a browser may take to start and do what it was asked. */
const pageMsMax = 60_000;

/** Serves one page, whose modules are those of the repository without their types. */
export class PageServer implements AsyncDisposable {
  readonly origin: string;
  readonly #server: Server;
  #task: PageTask | undefined;
  #result = Promise.withResolvers<unknown>();

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(404).end(String(error));
      });
    });
  }

  static async open(): Promise<PageServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PageServer(server);
  }

  /** Starts Chromium, lets its page do the task, and gives back what the page sent. */
  async run<T>(task: PageTask): Promise<T> {
    await using profile = await tempFolder('bcdb-browser');
    this.#task = task;
    this.#result = Promise.withResolvers<unknown>();
    const flags = [
      '--headless=new',
      // The page is ours, and the sandbox does not start for root.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--user-data-dir=${profile.path}`,
    ];
    const browser = spawn('chromium', [...flags, `${this.origin}/`], {
      // A group of its own, so that all its processes can be ended.
      detached: true,
      // What it leaves behind when it is killed goes with its profile.
      env: { ...process.env, TMPDIR: profile.path },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const words = text(browser.stderr);
    const ended = once(browser, 'exit').then(async () => {
      throw new Error(`Chromium ended: ${await words}`);
    });
    const limit = AbortSignal.timeout(pageMsMax);
    const late = once(limit, 'abort').then(() => {
      throw new Error(`the page did not answer within ${pageMsMax} ms`);
    });
    try {
      return (await Promise.race([this.#result.promise, ended, late])) as T;
    } finally {
      if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
      await ended.catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await promisifiedClose(this.#server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.origin);
    if (pathname === '/') send(response, 'text/html; charset=utf-8', page);
    else if (pathname === '/task') send(response, 'application/json', JSON.stringify(this.#task));
    else if (pathname === '/result') {
      const result: unknown = JSON.parse(await text(request));
      send(response, 'text/plain', '');
      this.#result.resolve(result);
    } else send(response, 'text/javascript; charset=utf-8', await moduleText(pathname));
  }
}

async function moduleText(pathname: string): Promise<string> {
  const source = await readFile(path.join(root, path.normalize(pathname)), 'utf8');
  return pathname.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': type }).end(body);
}

async function promisifiedClose(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
