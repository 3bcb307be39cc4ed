// A busy client of HTTP/2, which is none to be sent away: 100 streams at a time, bodies in small pieces, small windows that are
// renewed all the time, pings and settings as often as they are answered. Arguments: the address, a bearer token, how many requests.
import http2 from 'node:http2';

const [url, token, count] = process.argv.slice(2);
const session = http2.connect(url, { settings: { initialWindowSize: 2048 } });
const seen = { statuses: {}, goaway: null, pings: 0, settings: 0 };
let left = Number(count);

session.on('goaway', (code) => { seen.goaway = code; });
session.on('error', (error) => { seen.error = String(error); finish(); });

function ping() {
  if (left > 0 && !session.destroyed) session.ping(() => { seen.pings += 1; setImmediate(ping); });
}

function changeSettings() {
  if (seen.settings < 10 && !session.destroyed) {
    session.settings({ initialWindowSize: 2048 + seen.settings }, () => { seen.settings += 1; changeSettings(); });
  }
}

function ask() {
  if (left <= 0) return;
  left -= 1;
  const stream = session.request({
    ':method': 'POST', ':path': '/prod/api/incidents', authorization: `Bearer ${token}`, 'content-type': 'application/json',
  });
  let status;
  stream.on('response', (headers) => { status = headers[':status']; });
  stream.on('error', (error) => { seen.error = String(error); });
  stream.on('data', () => {});
  stream.on('close', () => {
    seen.statuses[status] = (seen.statuses[status] ?? 0) + 1;
    if (left > 0) ask();
    else if (Object.values(seen.statuses).reduce((sum, number) => sum + number) === Number(count)) finish();
  });
  stream.write('[');
  for (let number = 0; number < 20; number += 1) stream.write(`${number},`);
  stream.end('0]');
}

function finish() {
  console.log(JSON.stringify(seen));
  session.destroy();
  process.exit(0);
}

session.on('connect', () => {
  ping();
  changeSettings();
  for (let number = 0; number < 100; number += 1) ask();
});
