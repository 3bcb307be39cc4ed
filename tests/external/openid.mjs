// A real OpenID provider with real users: oidc-provider, spoken to only over HTTP, as a browser and an app do. Its access
// tokens are JWTs of RFC 9068, since each is asked for with a resource (RFC 8707).
//
// Usage: node openid.mjs
// First line: `{issuer, clients: {web, other}}`, client ids by name. Then one line for each of
//   sign-in USER CLIENT RESOURCE   the user signs in and consents in the browser (code and PKCE): `{access_token, id_token, sub}`
//   machine CLIENT RESOURCE        client credentials: `{access_token, sub}`
//   rotate                         from now on it signs with a new key, beside the old one: `{keys}`, their number
//   retire                         it publishes the newest key alone: `{keys}`
// Resources are `urn:api` and `urn:other`, and `urn:brief`, whose tokens last two seconds; each with the scope `read`.
import crypto from 'node:crypto';
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { serve } from './lines.mjs';

// It advises on running it in public.
console.warn = () => {};
console.info = () => {};
const { Provider } = await import('oidc-provider');

const RESOURCES = { 'urn:api': 3600, 'urn:other': 3600, 'urn:brief': 2 };

const server = http.createServer((request, response) => provider.callback()(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

// Nobody listens at the redirect URI: the browser below only reads where it is sent.
const REDIRECT_URI = 'https://app.example.com/callback';
const client = (name) => ({
  client_id: `${name}-app`,
  client_secret: crypto.randomBytes(32).toString('base64url'),
  grant_types: ['authorization_code', 'client_credentials'],
  redirect_uris: [REDIRECT_URI],
});
const clients = { web: client('web'), other: client('other') };

function resourceServer(_, resource) {
  return { scope: 'read', audience: resource, accessTokenTTL: RESOURCES[resource], accessTokenFormat: 'jwt' };
}

const keys = [];

async function addKey() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  keys.unshift({ ...(await exportJWK(privateKey)), kid: `key-${crypto.randomUUID()}`, alg: 'RS256', use: 'sig' });
}

// The same provider with other keys: it keeps clients, users and sessions in memory that all of its instances share.
function start() {
  return new Provider(issuer, {
    clients: Object.values(clients),
    cookies: { keys: ['not a secret'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer, useGrantedResource: () => true },
    },
    jwks: { keys },
  });
}

await addKey();
let provider = start();

// A browser: cookies, and redirects followed to the app.
class Browser {
  cookies = new Map();

  async go(url, form) {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      headers: { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      redirect: 'manual',
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (!location) return { url, page: await response.text() };
    const next = new URL(location, url);
    return next.href.startsWith(REDIRECT_URI) ? { url: next } : this.go(next);
  }
}

async function token(client, parameters) {
  const { client_id: id, client_secret: secret } = clients[client];
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams(parameters),
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
  const { sub } = JSON.parse(Buffer.from(answer.access_token.split('.')[1], 'base64url'));
  return { access_token: answer.access_token, id_token: answer.id_token, sub };
}

async function signIn(user, client, resource) {
  const verifier = crypto.randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: clients[client].client_id,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid read',
    resource,
    code_challenge: crypto.createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const browser = new Browser();
  const login = await browser.go(`${issuer}/auth?${query}`);
  const consent = await browser.go(login.url, { prompt: 'login', login: user, password: 'any' });
  const { url } = await browser.go(consent.url, { prompt: 'consent' });
  const code = url.searchParams.get('code');
  return token(client, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier, resource });
}

function machine(client, resource) {
  return token(client, { grant_type: 'client_credentials', scope: 'read', resource });
}

async function rotate() {
  await addKey();
  provider = start();
  return { keys: keys.length };
}

function retire() {
  keys.splice(1);
  provider = start();
  return { keys: keys.length };
}

const ids = Object.fromEntries(Object.entries(clients).map(([name, { client_id }]) => [name, client_id]));
const commands = { 'sign-in': signIn, machine, rotate, retire };
await serve({ issuer, clients: ids }, (command, ...words) => commands[command](...words));
