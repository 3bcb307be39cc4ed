// WebSocket software (ws) on both sides of the gateway. The server greets with the head that it got, in the same moment in which it
// agrees, and echoes; it says its port. Each line is a client's errand: an address, a bearer token, how many messages, how long.
import crypto from 'node:crypto';
import { WebSocket, WebSocketServer } from 'ws';
import { serve } from './lines.mjs';

const closings = [];
// Called when the server hears of an end.
let heard = () => {};
const server = new WebSocketServer({
  host: '127.0.0.1', port: 0, perMessageDeflate: true, handleProtocols: (offered) => [...offered].pop(),
});

server.on('connection', (socket, request) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('close', (code, reason) => {
    closings.push(`${code} ${reason}`);
    heard();
  });
  socket.send(JSON.stringify({ url: request.url, headers: request.rawHeaders }));
});

function open(url, token) {
  const headers = { Authorization: `Bearer ${token}`, 'X-Auth-Subject': 'eve' };
  // The certificate is the test's own; what is tested is what goes through.
  return new WebSocket(url, ['one', 'two'], { headers, rejectUnauthorized: false });
}

// All messages are sent before any is waited for: both directions are full at once.
function errand(url, token, count, size) {
  const messages = Array.from({ length: Number(count) }, () => crypto.randomBytes(Number(size)));
  const before = closings.length;
  return new Promise((resolve) => {
    const socket = open(url, token);
    const seen = { greeting: null, echoed: 0, wrong: 0, pong: null };
    socket.on('unexpected-response', (_request, response) => resolve({ status: response.statusCode }));
    socket.on('error', (error) => resolve({ error: String(error), ...seen }));
    socket.on('pong', (data) => { seen.pong = data.toString(); });
    socket.on('open', () => {
      socket.ping('still there');
      messages.forEach((message) => socket.send(message));
      // In parts, the second with nothing in it.
      socket.send('te', { fin: false });
      socket.send('', { fin: false });
      socket.send('xt');
    });
    socket.on('message', (data, isBinary) => {
      if (!seen.greeting) seen.greeting = JSON.parse(data);
      else if (seen.echoed < messages.length && isBinary && data.equals(messages[seen.echoed])) seen.echoed += 1;
      else if (data.toString() === 'text' && !isBinary) socket.close(4321, 'enough');
      else seen.wrong += 1;
    });
    socket.on('close', (code, reason) => {
      const tell = () => resolve({
        ...seen, code, reason: reason.toString(), protocol: socket.protocol, extensions: socket.extensions, closings,
      });
      // Both ends hear of it, in no order.
      if (closings.length > before) tell();
      else heard = tell;
    });
  });
}

server.on('listening', () => serve({ port: server.address().port }, errand));
