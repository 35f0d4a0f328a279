import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import { ControlSocket } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import { askBot } from './ask-bot.ts';
import { BotFolder } from './bot-folder.ts';

test('a question that is no longer waited for ends, here and in the bot', async () => {
  await using place = await tempFolder('ask-bot');
  const folder = new BotFolder(place.path);
  const trust = { log: 'log', sequencerKey: 'key' };
  await folder.writeConfig({ id: 'bot:ada', name: 'ada', url: 'http://127.0.0.1:1', trust });
  const [asked, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using _socket = await ControlSocket.open({
    path: folder.controlSocket,
    actions: {
      call: async (_args, { signal }) => {
        const aborted = once(signal, 'abort');
        asked.resolve();
        await aborted;
        ended.resolve();
      },
    },
  });
  const over = new AbortController();
  const answer = askBot(folder, 'market.ask', {}, over.signal);
  const refused = assert.rejects(answer, hasCode('BASE_ABORTED'));
  await asked.promise;
  over.abort();
  await refused;
  await ended.promise;
});
