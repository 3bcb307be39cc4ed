// What a web page sees of the gateway's answers: one headless Chromium, a page of each origin, `fetch` from inside it.
//
// Usage: node browser.mjs '{"pages":{"NAME":"http://…"},"calls":[{"page":"NAME","url":"…","init":{…},"until":429}]}'
// Prints one JSON array: per call `{status, headers, body}` (with `until`: of the first answer with that status, or of the
// last of many), or `{error}` where the browser kept the answer from the page.
import { chromium } from 'playwright-core';

const { pages, calls } = JSON.parse(process.argv[2]);

// No sandbox: it needs a user other than root. The other flags keep the browser from calling home.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
  ],
});

// Runs inside the page: only what CORS exposes can be read here.
async function fetchInPage({ url, init, until }) {
  for (let turn = 1; ; turn += 1) {
    try {
      const response = await fetch(url, init);
      if (until === undefined || until === response.status || turn === 200) {
        return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
      }
    } catch (error) {
      return { error: String(error) };
    }
  }
}

try {
  const opened = {};
  for (const [name, url] of Object.entries(pages)) {
    opened[name] = await browser.newPage();
    await opened[name].goto(url);
  }
  const results = [];
  for (const { page, ...call } of calls) {
    results.push(await opened[page].evaluate(fetchInPage, call));
  }
  console.log(JSON.stringify(results));
} finally {
  await browser.close();
}
