// A real user pool with real users: cognito-local, driven only through the API that Amazon Cognito has.
//
// Usage: node cognito.mjs     in a directory of its own: cognito-local keeps its data below it
// First line: `{issuer, clients: {web, other, brief}}`, app clients by name; access and id tokens of `brief` last two seconds.
// Then for each line `USER CLIENT`: that user signs in, `{access_token, id_token, refresh_token, sub}`.
import http from 'node:http';
import { createRequire } from 'node:module';
import { serve } from './lines.mjs';

const PASSWORD = 'Correct-horse-7';

// The port is taken before cognito-local is loaded, because it writes the address into `iss` when it is.
const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}`;
process.env.HOST = '127.0.0.1';
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
process.env.PORT = String(server.address().port);

const require = createRequire(import.meta.url);
const { createDefaultServer } = require('cognito-local');
const { application } = await createDefaultServer(require('pino')({ level: 'silent' }));
server.on('request', application);

async function call(operation, parameters) {
  const response = await fetch(`${address}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSCognitoIdentityProviderService.${operation}`,
    },
    body: JSON.stringify(parameters),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(`${operation}: ${response.status} ${JSON.stringify(answer)}`);
  }
  return answer;
}

const { UserPool: pool } = await call('CreateUserPool', { PoolName: 'stackflow' });
await call('CreateGroup', { UserPoolId: pool.Id, GroupName: 'operators' });

async function client(name, more) {
  const parameters = { UserPoolId: pool.Id, ClientName: name, ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'], ...more };
  return (await call('CreateUserPoolClient', parameters)).UserPoolClient.ClientId;
}

const clients = { web: await client('web'), other: await client('other') };
clients.brief = await client('brief', {
  AccessTokenValidity: 2,
  IdTokenValidity: 2,
  TokenValidityUnits: { AccessToken: 'seconds', IdToken: 'seconds' },
});

const created = new Set();

async function create(name) {
  const user = { UserPoolId: pool.Id, Username: `${name}@example.com` };
  await call('AdminCreateUser', { ...user, MessageAction: 'SUPPRESS', UserAttributes: [{ Name: 'email', Value: user.Username }] });
  await call('AdminSetUserPassword', { ...user, Password: PASSWORD, Permanent: true });
  await call('AdminAddUserToGroup', { ...user, GroupName: 'operators' });
  created.add(name);
}

async function signIn(name, client) {
  if (!created.has(name)) await create(name);
  const { AuthenticationResult: tokens } = await call('InitiateAuth', {
    AuthFlow: 'USER_PASSWORD_AUTH',
    ClientId: clients[client],
    AuthParameters: { USERNAME: `${name}@example.com`, PASSWORD },
  });
  const { sub } = JSON.parse(Buffer.from(tokens.AccessToken.split('.')[1], 'base64url'));
  return { access_token: tokens.AccessToken, id_token: tokens.IdToken, refresh_token: tokens.RefreshToken, sub };
}

await serve({ issuer: `${address}/${pool.Id}`, clients }, signIn);
