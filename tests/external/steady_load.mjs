// Clients that never stop to ask while the gateway is reloaded, replaced and stopped: HTTP/1.1 with connections that are kept, HTTP/2
// with several streams each, and event streams. Arguments: the address and a bearer token. A line `stop` ends it with what was seen.
//
// As real clients do, one asks again when its connection ended before any byte of a response; everything else that is not the
// expected answer has failed. After a line `leaving` a refused connection ends a client: there is no other gateway. Each request has a number of its own, which the answer repeats.
import http from 'node:http';
import http2 from 'node:http2';
import { serve } from './lines.mjs';

const [url, token] = process.argv.slice(2);
const seen = { answered: 0, streamed: 0, again: 0, failed: [] };
const MOST_FAILURES = 20;
let stopping = false;
let leaving = false;
let next = 0;

const fail = (what) => { if (seen.failed.length < MOST_FAILURES) seen.failed.push(what); };

// One request; 'again' when its connection ended before any byte of a response.
function ask1(agent, method, path) {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}` };
    if (method === 'POST') headers['content-type'] = 'application/json';
    const request = http.request(url + path, { agent, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (data) => { text += data; });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', (error) => resolve({ error: `cut after its head: ${error.code}` }));
    });
    request.on('error', (error) => {
      const begun = request.socket && request.socket.bytesRead > (request.readBefore ?? 0);
      resolve(begun ? { error: `cut in its head: ${error.code}` } : { again: error.code });
    });
    request.on('socket', (socket) => { request.readBefore = socket.bytesRead; });
    request.end(method === 'POST' ? '{"a":1}' : undefined);
  });
}

function ask2(session, method, path) {
  return new Promise((resolve) => {
    const headers = { ':method': method, ':path': path, authorization: `Bearer ${token}` };
    if (method === 'POST') headers['content-type'] = 'application/json';
    let stream;
    try { stream = session.request(headers); } catch (error) { resolve({ again: error.code }); return; }
    let status;
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (fields) => { status = fields[':status']; });
    stream.on('data', (data) => { text += data; });
    const unanswered = (code) => {
      // 7: REFUSED_STREAM, which says that nothing was done (RFC 9113, section 8.7).
      const mayAsk = session.closed || session.destroyed || stream.rstCode === 7;
      return mayAsk ? { again: code } : { error: `reset with ${stream.rstCode}: ${code}` };
    };
    stream.on('error', (error) => resolve(status ? { error: `cut after its head: ${error.code}` } : unanswered(error.code)));
    stream.on('close', () => resolve(status ? { status, text } : unanswered('closed')));
    stream.end(method === 'POST' ? '{"a":1}' : undefined);
  });
}

async function work(ask, method, name) {
  while (!stopping) {
    const path = `/prod/api/${name}-${next += 1}`;
    let answer = await ask(method, path);
    for (let tries = 0; answer.again && tries < 5; tries += 1) {
      if (leaving && answer.again === 'ECONNREFUSED') return;
      seen.again += 1;
      answer = await ask(method, path);
    }
    const whole = name === 'events'
      ? Array.from({ length: 20 }, (_, number) => `data: ${number}\n\n`).join('')
      : path.replace('/prod/api', '/api/v1');
    if (answer.status !== 200 || answer.text !== whole) fail({ method, path, ...answer });
    else if (name === 'events') seen.streamed += 1;
    else seen.answered += 1;
  }
}

function workers1(method, name, count) {
  return Array.from({ length: count }, () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    return work((...what) => ask1(agent, ...what), method, name).finally(() => agent.destroy());
  });
}

// A session is used until it is told to go; then the next request opens another.
function workers2(method, name, count) {
  let session;
  const ask = async (...what) => {
    if (!session || session.closed || session.destroyed) {
      session = http2.connect(url);
      // Each of its streams says so too.
      session.on('error', (error) => { session.reason = error.code; });
    }
    const used = session;
    const answer = await ask2(used, ...what);
    if (answer.again && used.reason) answer.again = used.reason;
    return answer;
  };
  return Array.from({ length: count }, () => work(ask, method, name));
}

const all = Promise.all([
  ...workers1('GET', 'list', 4), ...workers1('POST', 'create', 2), ...workers1('GET', 'events', 2),
  ...workers2('GET', 'list', 4), ...workers2('POST', 'create', 2), ...workers2('GET', 'events', 2),
]);

await serve('ready', async (line) => {
  if (line === 'seen') return seen;
  if (line === 'leaving') {
    leaving = true;
    return leaving;
  }
  stopping = true;
  await all;
  return seen;
});
