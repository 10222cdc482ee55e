// npm socket.io-client when its token expires: renewed in time it stays, else it is told and closed. The clock is the
// test's: a line "clock N" moves it by N seconds, and is answered by a line.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';
import { check, origin, same, steps, until } from './platform.mjs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function tell(line) {
  process.stdout.write(`${line}\n`);
  return (await lines.next()).value;
}
const { TOKEN: first } = process.env;

async function dial(token) {
  const socket = io(origin, { auth: { token }, transports: ['websocket'], forceNew: true, reconnection: false });
  const heard = { expired: 0, closed: null };
  socket.on('expired', () => (heard.expired += 1));
  socket.on('disconnect', (reason) => (heard.closed = reason));
  await new Promise((connected, failed) => socket.once('connect', connected).once('connect_error', failed));
  return { socket, heard };
}

let idle, renewing;
await steps({
  'a renewed token keeps the socket, an expired one closes it': async () => {
    [idle, renewing] = [await dial(first), await dial(first)];
    const second = await tell('clock 200');
    same((await renewing.socket.timeout(5000).emitWithAck('authenticate', { token: 'nonsense' })).ok, false, 'renewing with nonsense');
    same((await renewing.socket.timeout(5000).emitWithAck('authenticate', { token: second })).ok, true, 'renewing');
    await tell('clock 200');
    await until('the idle one is closed', () => idle.heard.closed !== null);
    same([idle.heard.expired, idle.heard.closed], [1, 'io server disconnect'], 'how it was closed');
    const answer = await renewing.socket.timeout(5000).emitWithAck('subscribe', { topic: 'school.attendance', after: null });
    same([answer.ok, renewing.heard.closed], [true, null], 'the renewed one');
  },
  'an expired token does not connect': async () => {
    const error = await dial(first).then(() => null, (refusal) => refusal.data?.message ?? refusal.message);
    check(/unauthenticated/.test(error ?? ''), `an expired token: ${error ?? 'connected'}`);
  },
});
